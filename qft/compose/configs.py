"""Where configs are, the packaged ones and the user's ``./configs``, which win, and what their yamls declare."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from qft.errors import QftError, first_line, nearest
from qft.records import Plain
from qft.version import PACKAGE

SHOWN = 4  # keys that a message names at most
ALIASES = 10  # of a file at most: each level of nested ones multiplies what there is to read


@dataclass(frozen=True)
class Service:
    """What the yaml of a backend says of the service that its jobs are sent to, under the key ``service``.

    Attributes:
        paid: Its jobs may cost money.
        yours: Options that only the user may set, never a file of ./configs, with their defaults.
    """

    paid: bool
    yours: Plain


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
    for name in ("hydra", "claim"):  # claims are all read, not chosen
        choices.pop(name, None)
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
    """The file as an OmegaConf mapping, which nobody changes: a packaged file is read once for each of its versions.

    Raises:
        QftError: With the name of a file that holds anything else.
    """
    if file.is_relative_to(packaged()):
        return _kept(file, file.stat().st_mtime_ns)
    return _read(file)


@cache
def _kept(file: Path, _: int) -> Any:
    return _read(file)


def _read(file: Path) -> Any:
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


def used_groups(name: str) -> list[str]:
    """The groups that the packaged yaml of a command composes."""
    defaults = read(packaged() / f"{name}.yaml").defaults
    return sorted({str(g) for d in defaults if not isinstance(d, str) for g in d if g in groups()})


def keys(name: str) -> list[str]:
    """All keys a command knows: those of its yaml and of every choice of its groups."""
    used = set(used_groups(name))
    known = {str(k) for k in read(packaged() / f"{name}.yaml") if k not in ("defaults", "hydra")}
    known |= used
    for group, choices in groups().items():
        for choice in choices if group.partition("/")[0] in used else []:
            file = find(f"{group}/{choice}")
            content: Any = read(file) if file else {}
            prefix = group.replace("/", ".")
            known |= {f"{prefix}.{k!s}" for k in content if not str(k).startswith("_") and k != "defaults"}
    return sorted(known)


def service(backend: Any) -> Service | None:
    """The service that a backend sends jobs to; None where it sends none.

    Args:
        backend: Its name. Only its packaged yaml is asked, as ./configs may be a stranger's; without one its jobs
            count as paid, unless its module in the package uses no client of a cloud and so sends none.
    """
    file = packaged() / "backend" / f"{backend}.yaml"
    if not file.is_file():
        return Service(paid=True, yours={}) if _sends_jobs(str(backend)) else None
    content = read(file)
    stated = content.get("service")
    return None if stated is None else Service(bool(stated["paid"]), {key: content[key] for key in stated["yours"]})


def _sends_jobs(backend: str) -> bool:
    """Whether the module of a backend is one of the job runner's, or is not there to say; read, not imported."""
    module = PACKAGE / "quantum" / "backends" / f"{backend}.py"
    if not (backend.isidentifier() and module.is_file()):
        return True
    return re.search(r"HardwareBackend|hardware\.(backend|clients)", module.read_text(encoding="utf-8")) is not None


def check_types(declared: Any, given: Any, prefix: str) -> None:
    """A plug-in's yaml declares the type of an option by its default; null accepts anything."""
    from omegaconf import OmegaConf

    defaults: Any = OmegaConf.to_container(declared, resolve=False)
    options: Any = OmegaConf.to_container(given, resolve=True)
    for key, default in defaults.items():
        value = options.get(key)
        if key == "defaults" or default is None or (isinstance(default, str) and (value is None or "${" in default)):
            continue  # null for a text, such as data.rows=null, is for the plug-in to judge
        kinds = {bool: (bool,), int: (int,), float: (int, float), str: (str,), list: (list,), dict: (dict,)}
        kind = type(default)
        if not isinstance(value, kinds[kind]) or isinstance(value, bool) != (kind is bool):
            raise QftError(f"{prefix}.{key}={value} should be of type {kind.__name__}, such as {default!r}.")


def explain(error: Exception, name: str) -> str:
    """One sentence for an error of Hydra or OmegaConf in composing the command ``name``."""
    from omegaconf.errors import OmegaConfBaseException

    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    text = str(error).strip()
    where = re.search(r"full_key: (\S+)", str(cause))
    if where and re.match(r"Key '[^']+' (not in|is not in struct)", text):
        return f"There is no key '{where[1]}'.{_hint(where[1], keys(name))}"
    if match := re.search(r"Could not (?:override|append to|delete) '([^']+)'|Key '([^']+)' is not in struct", text):
        key = (match[1] or match[2]).replace("/", ".")
        return f"There is no key '{key}'.{_hint(key, keys(name))}"
    message = first_line(cause)
    if where and "is not a ListConfig" in message:
        return f"{where[1]} is a list: {where[1]}=[A,B]."
    return (
        f"{where[1]}: {message.rstrip('.')}."
        if where
        else f"{message}. Overrides are written key=value; quote special characters."
    )


def _hint(key: str, known: list[str]) -> str:
    """The keys that may have been meant: of any group where none is named, else of the group, by their spelling."""
    of_groups = [k for k in known if "." in k and k.rpartition(".")[2] == key]
    if of_groups:
        return f" Did you mean {' or '.join(of_groups[:SHOWN])}?"
    group = key.rpartition(".")[0]
    return nearest(key, [k for k in known if k.rpartition(".")[0] == group] or [k for k in known if "." not in k])
