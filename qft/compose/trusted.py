"""What ``./configs`` and the command line may say: the first may be a stranger's, the second is the user's word.

See docs/security.md. The rules look at what Hydra has composed, whichever file and default list it came from. What a
service of circuits costs, and which of its options only the user may set, its packaged yaml says (``configs.service``).
"""

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from omegaconf.resolvers import oc

from qft import trust
from qft.compose import configs
from qft.config import EvalConfig, TrainConfig
from qft.errors import QftError, first_line
from qft.records import Plain

# ${key}, ${group.key} and ${oc.select:group.key,default}, not into Hydra's own node, which can copy the environment
INTERPOLATION = re.compile(r"\$\{(?!hydra\b)[A-Za-z_]\w*(\.\w+)*\}|\$\{oc\.select:(?!hydra\b)[A-Za-z_][\w.]*,[\w.-]*\}")
# what the runs of a sweep's yaml may not contain: it counts only from the user; services (backends) add their own
USERS_WORDS = ("_target_", "trust_", "hydra")
LISTENING = {"host": "127.0.0.1", "hosts": []}  # where a server is reached
VOLATILE = ("runtime", "overrides")  # of Hydra's node: different for each command by itself


@contextmanager
def disarmed() -> Iterator[None]:
    """No interpolation reads the environment, not even in a list of defaults, which is resolved before any check."""

    def refuse(*_: Any) -> None:
        raise ValueError("the environment is not read")

    OmegaConf.register_new_resolver("oc.env", refuse, replace=True)
    try:
        yield
    finally:
        OmegaConf.register_new_resolver("oc.env", oc.env, replace=True)


def check_search_path(name: str) -> None:
    """Refuse ``hydra.searchpath`` in the command's yaml: composing would import what it names."""
    for directory in configs.directories()[:-1]:
        file = directory / f"{name}.yaml"
        if file.is_file() and OmegaConf.select(configs.read(file), "hydra") is not None:
            node = OmegaConf.select(configs.read(file), "hydra.searchpath")
            if node is not None:
                raise _hydra_key("hydra.searchpath")


def check_hydra(node: Any, packaged: Any) -> None:
    """Refuse a composed ``hydra`` node other than that of the packaged configs: its parts are imported and called."""
    expected, found = (OmegaConf.to_container(n, resolve=False) for n in (packaged, node))
    if changed := _first_difference(_fixed(expected), _fixed(found), "hydra"):
        raise _hydra_key(changed)


def check(cfg: Any, given: Collection[str]) -> None:
    """Hold a composed config, less ``hydra``, to the rules, and note what the user has given in this command.

    Args:
        cfg: The composed config.
        given: The keys the user gives in this command.

    Raises QftError for an interpolation of a key that does not exist, and for what counts only as the user's own word.
    """
    try:
        OmegaConf.to_container(cfg, resolve=True)
    except OmegaConfBaseException as error:  # a key that is not there, or one that names itself
        raise QftError(f"A ${{key}} in ./configs or in an option cannot be resolved: {first_line(error)}.") from error
    trusted = OmegaConf.select(cfg, "trust_configs") is True
    if trusted and "trust_configs" not in given:
        raise QftError("trust_configs=true counts on the command line only; take it out of ./configs.")
    if OmegaConf.select(cfg, "overwrite") is True and "overwrite" not in given:
        raise QftError("overwrite=true deletes, and counts on the command line only; take it out of ./configs.")
    if OmegaConf.select(cfg, "yes") is True and "yes" not in given:
        raise QftError("yes=true deletes, and counts on the command line only; take it out of ./configs.")
    if OmegaConf.select(cfg, "evaluation.trust_tasks") is True and "evaluation.trust_tasks" not in given:
        raise QftError("evaluation.trust_tasks=true counts on the command line only; take it out of ./configs.")
    if (action := OmegaConf.select(cfg, "action")) not in (None, "list") and "action" not in given:
        raise QftError(f"action={action} can cost, and counts on the command line only; take it out of ./configs.")
    for key, default in LISTENING.items():
        if (value := OmegaConf.select(cfg, key)) not in (None, default) and key not in given:
            raise QftError(
                f"{key}={value} lets others in, and counts on the command line only; take it out of ./configs."
            )
    targets = set(_users_targets()) if trusted else set()
    for group in trust.PACKAGES:
        target = OmegaConf.select(cfg, f"{group}._target_")
        if target is None or trust.ours(group, target):
            continue
        if f"{group}._target_" in given:
            targets.add(str(target))
        elif not trusted:
            raise QftError(
                f"./configs has {group}._target_={target}, outside qft and PEFT. If you trust these files, "
                f"add trust_configs=true, or {group}._target_={target}, each time."
            )
    remote = bool(OmegaConf.select(cfg, "model.trust_remote_code"))
    if remote and not trusted and "model.trust_remote_code" not in given:
        raise QftError(
            "./configs has model.trust_remote_code=true. If you trust the model's code, "
            "add model.trust_remote_code=true each time."
        )
    if not trusted:
        _check_sweep("sweep", OmegaConf.select(cfg, "sweep"))
        if "options" not in given:
            _check_sweep("options", OmegaConf.select(cfg, "options"))
        _check_slurm(OmegaConf.select(cfg, "slurm"), given)
    trust.extend(targets, remote)


def check_service(config: Any, args: Iterable[str], given: Collection[str]) -> None:
    """Refuse a backend that costs money, or its address, where ./configs chooses it and not the user.

    Args:
        config: A command's typed config.
        args: The words that the user gave.
        given: The keys that the user gave.

    Raises:
        QftError: With what to write if it is meant.
    """
    options = vars(config).get("backend")
    if not isinstance(options, dict) or (service := configs.service(options.get("name"))) is None:
        return
    chosen = {v.strip("'\" ") for a in args if a.startswith("backend=") for v in a.partition("=")[2].split(",")}
    name = options.get("name")
    if isinstance(config, (TrainConfig, EvalConfig)) and service.paid and name not in chosen:
        raise QftError(
            f"backend={name} comes from a file of ./configs, and its jobs may cost money: write backend={name} on the "
            "command line if you mean it."
        )
    for key, default in service.yours.items():
        value = options.get(key, default)
        if value != default and f"backend.{key}" not in given:
            raise QftError(
                f"backend.{key}={value} comes from a file of ./configs, and your key is sent only where you say: "
                f"repeat backend.{key}=VALUE on the command line if it is right."
            )


def check_interpolations(cfg: Any) -> None:
    """Raise QftError for ``${...}`` other than ``${group.key}``: resolvers read the environment and more."""
    for key, text in _strings(OmegaConf.to_container(cfg, resolve=False)):
        if "${" in INTERPOLATION.sub("", text):
            raise QftError(f"{key}: only the interpolations ${{key}} and ${{oc.select:key,default}} are allowed.")


def _check_sweep(group: str, sweep: Any) -> None:
    """Refuse options of a sweep's runs that count only from the user, as written or after interpolation."""
    words = [*USERS_WORDS, *_words_of_services()]
    for key, text in _strings(OmegaConf.to_container(sweep, resolve=True)) if OmegaConf.is_config(sweep) else ():
        if word := next((word for word in words if word in text), None):
            raise QftError(
                f"{group}{key if key.startswith('[') else f'.{key}'} contains '{word}', which counts only from you: "
                "give it on the command line, or add trust_configs=true if you trust ./configs."
            )


def _words_of_services() -> Iterator[str]:
    """The names of backends that cost money, and of the options of services that only the user may set."""
    for name in configs.groups()["backend"]:
        if service := configs.service(name):
            yield from (f"backend.{key}" for key in service.yours)
            if service.paid:
                yield name


def _check_slurm(slurm: Any, given: Collection[str]) -> None:
    """Options of jobs become lines of a script that the cluster runs, so that none counts from ./configs."""
    options = OmegaConf.to_container(slurm) if OmegaConf.is_config(slurm) else {}
    for key in _leaves(options, "slurm"):
        if not any(key == word or key.startswith(f"{word}.") for word in given):
            raise QftError(
                f"./configs has {key}, which a job's script would run. Give it on the command line, or add "
                "trust_configs=true if you trust these files."
            )


def _leaves(content: Any, key: str) -> Iterator[str]:
    """The keys of what is not a mapping in nested mappings."""
    if isinstance(content, dict):
        for name, value in content.items():
            yield from _leaves(value, f"{key}.{name}")
    else:
        yield key


def _users_targets() -> Iterator[str]:
    """Every ``_target_`` in the user's files of the groups that are built."""
    for directory in configs.directories()[:-1]:
        for file in (f for group in trust.PACKAGES for f in (directory / group).glob("**/*.yaml")):
            target = OmegaConf.to_container(configs.read(file), resolve=False).get("_target_")  # type: ignore[union-attr]
            if isinstance(target, str):
                yield target


def _strings(content: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in nested containers, keys included, with where it stands."""
    if isinstance(content, str):
        yield key, content
    elif isinstance(content, dict):
        for name, value in content.items():
            yield key or "a key", str(name)
            yield from _strings(value, f"{key}.{name}" if key else str(name))
    elif isinstance(content, list):
        for k, value in enumerate(content):
            yield from _strings(value, f"{key}[{k}]")


def _fixed(node: Any) -> Plain:
    job = {k: v for k, v in node["job"].items() if k in ("chdir", "env_set", "env_copy", "config")}
    return {k: v for k, v in node.items() if k not in VOLATILE} | {"job": job}


def _first_difference(expected: Any, found: Any, key: str) -> str | None:
    """The first key that differs; never a value, which may be a secret."""
    if isinstance(expected, dict) and isinstance(found, dict):
        pairs = ((name, expected.get(name), found.get(name)) for name in sorted({*expected, *found}, key=str))
        return next((d for n, a, b in pairs if (d := _first_difference(a, b, f"{key}.{n}"))), None)
    return None if expected == found else key


def _hydra_key(key: str) -> QftError:
    return QftError(f"./configs sets {key}: keys of Hydra itself are not taken from there. Take them out.")
