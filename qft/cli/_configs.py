"""Where configs lie: the packaged ones, and a user's ``./configs``, which win."""

from pathlib import Path

import qft


def packaged() -> Path:
    """The configs of the installed package, or of the source tree it runs from."""
    inside = Path(qft.__file__).parent / "configs"
    return inside if inside.is_dir() else Path(qft.__file__).parent.parent / "configs"


def directories() -> list[Path]:
    """All config directories, those that win first."""
    own = Path.cwd() / "configs"
    return [own, packaged()] if own.is_dir() and own.resolve() != packaged().resolve() else [packaged()]


def groups() -> dict[str, list[str]]:
    """Group name -> its choices; a group within a group is called ``backend/noise``."""
    found: dict[str, set[str]] = {}
    for directory in directories():
        for file in directory.glob("*/**/*.yaml"):
            found.setdefault(file.parent.relative_to(directory).as_posix(), set()).add(file.stem)
    found.pop("hydra", None)
    return {name: sorted(choices) for name, choices in sorted(found.items())}


def find(name: str) -> Path | None:
    """The file ``name`` (``train`` or ``adapter/lora``) stands for, or None."""
    candidates = (directory / f"{name}.yaml" for directory in directories())
    return next((file for file in candidates if file.is_file()), None)
