"""Where configs are: the packaged ones, and the user's ``./configs``, which win."""

from pathlib import Path
from typing import Any

from qft.errors import QftError, first_line, nearest
from qft.version import PACKAGE

ALIASES = 10  # of a file at most: each level of nested ones multiplies what there is to read


def packaged() -> Path:
    """The configs of the installed package, or of the source tree it runs from."""
    inside = PACKAGE / "configs"
    return inside if inside.is_dir() else PACKAGE.parent / "configs"


def directories() -> list[Path]:
    """All config directories, those that win first."""
    users = Path.cwd() / "configs"
    return [users, packaged()] if users.is_dir() and users.resolve() != packaged().resolve() else [packaged()]


def groups() -> dict[str, list[str]]:
    """Group name -> its choices; a group within a group is called ``backend/noise``."""
    choices: dict[str, set[str]] = {}
    for directory in directories():
        for file in directory.glob("*/**/*.yaml"):
            choices.setdefault(file.parent.relative_to(directory).as_posix(), set()).add(file.stem)
    choices.pop("hydra", None)
    return {name: sorted(names) for name, names in sorted(choices.items())}


def check_choice(group: str, choice: str) -> None:
    """Raise QftError where a group has no such choice."""
    if choice not in groups()[group]:
        raise QftError(f"{group.replace('/', '.')}={choice} does not exist.{nearest(choice, groups()[group])}")


def find(name: str) -> Path | None:
    """The file ``name`` (``train`` or ``adapter/lora``) stands for, or None."""
    candidates = (directory / f"{name}.yaml" for directory in directories())
    return next((file for file in candidates if file.is_file()), None)


def methods() -> list[str]:
    """The choices of ``adapter`` that can be trained as they are: those that name a method and leave nothing open."""
    from omegaconf import OmegaConf

    found = []
    for name in groups()["adapter"]:
        file = find(f"adapter/{name}")
        options: Any = OmegaConf.to_container(read(file)) if file else {}
        if "_target_" in options and "???" not in options.values():
            found.append(name)
    return found


def read(file: Path) -> Any:
    """The file as an OmegaConf mapping. Raises QftError, naming the file, for anything else."""
    import yaml
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        tokens = yaml.scan(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        if sum(isinstance(token, yaml.AliasToken) for token in tokens) > ALIASES:
            raise QftError(f"{file} repeats parts of itself more than {ALIASES} times; write them out.")
        content = OmegaConf.load(file)
    except yaml.MarkedYAMLError as error:
        where = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        what = error.problem or first_line(error)
        raise QftError(f"{file}{where}: broken YAML ({what}).") from error
    except yaml.YAMLError as error:
        raise QftError(f"{file}: broken YAML ({first_line(error)}).") from error
    except UnicodeDecodeError as error:
        raise QftError(f"{file} is not UTF-8; save it as UTF-8.") from error
    except (OmegaConfBaseException, OSError, ValueError, RecursionError, AttributeError) as error:
        raise QftError(f"{file} cannot be read: {first_line(error)}") from error
    if not isinstance(content, DictConfig):
        raise QftError(f"{file} should hold lines such as key: value, and holds a {type(content).__name__}.")
    return content


def check_users_files(command: str, used: list[str]) -> None:
    """Read the user's files that this command may use: its yaml, and the choices of its groups. Raises QftError."""
    for users in directories()[:-1]:
        files = [users / f"{command}.yaml", *(f for group in used for f in (users / group).glob("**/*.yaml"))]
        for file in sorted(files):
            if file.is_file():
                content = read(file)
                if file.parent == users and f"{command}_schema" not in content.get("defaults", ()):
                    raise QftError(
                        f"{file} takes the place of the packaged file and leaves out its defaults; begin with a copy "
                        f"of {packaged() / file.name}"
                    )
