"""Composes the configuration with Hydra and turns its complaints into one sentence."""

import re
from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from qft import ranges
from qft.compose import address, configs, trusted, words
from qft.config import SCHEMAS
from qft.errors import QftError, nearest

WORDS = {"run": ", or its name or directory as a word", "dir": ", or the directory as a word"}
Command = Callable[[Any, list[str]], None]


class OwnConfigsFirst(SearchPathPlugin):
    """Lets a user's ./configs win over the packaged files."""

    wanted = True

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for directory in reversed(configs.directories()[:-1]) if self.wanted else ():
            search_path.prepend("own", f"file://{directory}")


def composed(name: str, args: list[str]) -> Any:
    """The configuration that ``run`` would hand to the command, checked in the same way."""
    args = prepared(name, args)
    cfg = _compose(name, args)
    if len(configs.directories()) > 1:
        trusted.check_hydra(cfg.hydra, _packaged_hydra(name))
    choices = dict(cfg.hydra.runtime.choices)
    with open_dict(cfg):
        del cfg["hydra"]
    config = typed(cfg, choices, args)
    address.check(config, args)
    return config


def _compose(name: str, args: list[str]) -> DictConfig:
    """Hydra's composition, its own node included; nothing in it is acted upon."""
    hydra_of_this_process = GlobalHydra.instance()
    outer = hydra_of_this_process.hydra  # of the command that asks
    hydra_of_this_process.clear()
    try:
        with initialize_config_dir(str(configs.packaged()), version_base="1.3"):
            return compose(name, overrides=args, return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise QftError(explain(error, name)) from error
    except AssertionError as error:  # of Hydra, for lists of defaults that name no file
        raise QftError(f"A list of defaults in ./configs, that of {name}.yaml or another, cannot be read.") from error
    finally:
        hydra_of_this_process.hydra = outer


@cache
def _packaged_hydra(name: str) -> Any:
    """The node ``hydra`` as the packaged configs alone have it."""
    OwnConfigsFirst.wanted = False
    try:
        return _compose(name, []).hydra
    finally:
        OwnConfigsFirst.wanted = True


def check_own(name: str, args: list[str]) -> None:
    """Hold ./configs to the rules for Hydra's own node, for every combination of choices of a multirun."""
    assigned = [a for a in args if "=" in a and not a.startswith("-")]
    chosen = [[a] for a in assigned if a.partition("=")[0] not in configs.groups()]
    for group, _, values in (a.partition("=") for a in assigned if a.partition("=")[0] in configs.groups()):
        chosen.append([f"{group}={value}" for value in values.split(",")])
    kept = [c for c in chosen if not ("," in c[0] and len(c) == 1)]  # values, swept or not, decide no file
    for job in product(*kept):
        trusted.check_hydra(_compose(name, list(job)).hydra, _packaged_hydra(name))


def prepared(name: str, args: list[str]) -> list[str]:
    """What comes before composing: words that can be read, our plug-in, the schema, choices that exist."""
    words.check(args)
    trusted.check_words(args)
    trusted.disarm()
    Plugins.instance().register(OwnConfigsFirst)
    ConfigStore.instance().store(name=f"{name}_schema", node=SCHEMAS[name])
    args = [_as_choice(a) for a in (_with_local_model(args) if name != "sweep" else args)]
    args = [f"+{a}" if a.startswith("metric.") else a for a in args]  # its keys are those of the plug-ins
    configs.check_own(name, _used_groups(name))
    trusted.check_search_path(name)
    _check_choices(args)
    return args


def _with_local_model(args: list[str]) -> list[str]:
    """``model.path=`` without a choice of model means any local or hub model, not the demo's settings."""
    keys = [a.partition("=")[0] for a in args]
    return [*args, "model=local"] if "model.path" in keys and "model" not in keys else args


def _as_choice(arg: str) -> str:
    """``backend.noise=ideal`` chooses from the group configs/backend/noise, which Hydra writes with a slash."""
    key, equals, value = arg.partition("=")
    group = key.replace(".", "/")
    return f"{group}={value}" if equals and "." in key and group in configs.groups() else arg


def _check_choices(args: list[str]) -> None:
    groups = configs.groups()
    for arg in args:
        group, _, value = arg.partition("=")
        if group in groups:
            for choice in value.split(","):
                configs.check_choice(group, choice.strip("'\" "))


def typed(cfg: DictConfig, choices: dict[str, str], overrides: list[str]) -> Any:
    """Check what the schema cannot (trust, missing keys, types of a plug-in's options) and build the dataclass."""
    trusted.check(cfg, overrides)
    if missing := sorted(OmegaConf.missing_keys(cfg)):
        raise QftError(f"{missing[0]} is required: write {missing[0]}=VALUE{WORDS.get(missing[0], '')}.")
    for group, choice in choices.items():
        file, key = configs.find(f"{group}/{choice}"), group.replace("/", ".")
        given = OmegaConf.select(cfg, key)
        if file is not None and given is not None and OmegaConf.get_type(given) is dict:  # a dataclass checks its own
            check_types(configs.read(file), given, key)
    config: Any = OmegaConf.to_object(cfg)
    for group, choice in choices.items():
        if isinstance(options := getattr(config, group, None), dict):
            options.setdefault("name", choice)  # a plug-in is called what its yaml is called
    for key in ("output_dir", "run", "out", "dir", "markdown", "journal"):
        if getattr(config, key, None) == "":
            raise QftError(f"{key}= is empty; leave it out, or give a value.")
    ranges.check(config)
    if config.format not in ("table", "json"):
        raise QftError(f"format={config.format} does not exist.{nearest(config.format, ['table', 'json'])}")
    return config


def check_types(declared: Any, given: Any, prefix: str) -> None:
    """A plug-in's yaml declares the type of an option by its default; null accepts anything."""
    defaults: Any = OmegaConf.to_container(declared, resolve=False)
    values: Any = OmegaConf.to_container(given, resolve=True)
    for key, default in defaults.items():
        value = values.get(key)
        if key == "defaults" or default is None or (isinstance(default, str) and (value is None or "${" in default)):
            continue  # null for a text, such as data.rows=null, is for the plug-in to judge
        kinds = {bool: (bool,), int: (int,), float: (int, float), str: (str,), list: (list,), dict: (dict,)}
        kind = type(default)
        if not isinstance(value, kinds[kind]) or isinstance(value, bool) != (kind is bool):
            raise QftError(f"{prefix}.{key}={value} should be of type {kind.__name__}, such as {default!r}.")


def explain(error: Exception, name: str) -> str:
    """One sentence for a Hydra or OmegaConf error."""
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    text = str(error).strip()
    if match := re.search(r"Could not (?:override|append to|delete) '([^']+)'|Key '([^']+)' is not in struct", text):
        key = (match[1] or match[2]).replace("/", ".")
        return f"There is no key '{key}'.{nearest(key, _siblings(key, _keys(name)))}"
    first = str(cause).strip().splitlines()
    where = re.search(r"full_key: (\S+)", str(cause))
    message = first[0] if first else type(error).__name__
    return (
        f"{where[1]}: {message}." if where else f"{message}. Overrides are written key=value; quote special characters."
    )


def _siblings(key: str, keys: list[str]) -> list[str]:
    """Keys of the same group as a wrong one; without a group, the top-level ones."""
    group = key.rpartition(".")[0]
    return [k for k in keys if k.rpartition(".")[0] == group] or [k for k in keys if "." not in k]


def _used_groups(name: str) -> list[str]:
    """The groups that the packaged yaml of a command composes."""
    defaults = configs.read(configs.packaged() / f"{name}.yaml").defaults
    return sorted({str(g) for d in defaults if not isinstance(d, str) for g in d if g in configs.groups()})


def _keys(name: str) -> list[str]:
    """All keys a command knows: those of its yaml and of every choice of its groups."""
    keys = set()
    used = set(_used_groups(name))
    keys |= {str(k) for k in configs.read(configs.packaged() / f"{name}.yaml") if k not in ("defaults", "hydra")}
    keys |= used
    for group, choices in configs.groups().items():
        for choice in choices if group.partition("/")[0] in used else []:
            file = configs.find(f"{group}/{choice}")
            content: Any = configs.read(file) if file else {}
            prefix = group.replace("/", ".")
            keys |= {f"{prefix}.{k!s}" for k in content if not str(k).startswith("_") and k != "defaults"}
    return sorted(keys)
