"""Composes overrides and yamls into a typed config, for the command line and for calls from Python."""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import product
from typing import Any, TypeVar

import hydra
from hydra import initialize_config_dir
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from qft import ranges, trust
from qft.compose import configs, sized, trusted, words
from qft.config import TAKES_OVER
from qft.errors import QftError, nearest
from qft.names import shortened
from qft.progress import borrow_logging
from qft.quantum import calibration
from qft.records import Plain, RunDirectory
from qft.runs.run import Run

C = TypeVar("C")
R = TypeVar("R")
_lock = threading.RLock()  # Hydra is one for the process; a job of a multirun composes within it
# torch's random numbers and what is written to a run's log.txt are of the whole process
_one_at_a_time = threading.RLock()
REQUIRED = {
    "run": ", or its name or directory as a word",
    "dir": ", or the directory as a word",
    "repo": ", OWNER/NAME on the hub",
}
PATHS = ("output_dir", "run", "out", "dir", "html", "markdown", "journal")


class OwnConfigsFirst(SearchPathPlugin):
    """Lets a user's ./configs win over the packaged files."""

    wanted = False  # only while we compose: a caller's own Hydra has other places

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for directory in reversed(configs.directories()[:-1]) if self.wanted else ():
            search_path.prepend("own", f"file://{directory}")


def compose(
    name: str, schema: Callable[[], C], overrides: Sequence[str] = (), options: Mapping[str, Any] | None = None
) -> C:
    """The typed config of a command. What the user gives here is also noted for this command (``qft.trust``).

    Args:
        name: The command; ``configs/NAME.yaml`` is composed.
        schema: The dataclass of its config.
        overrides: As on the command line: ``adapter=lora``, ``trainer.lr=0.001``.
        options: Values by key: ``{"n": 300, "trainer": {"lr": 1e-3}, "data.path": Path("it's here")}``. No character
            in them is special; a text for a group (``adapter``) chooses one of its yamls.

    Returns:
        The config. Of one that takes over a run's settings, ``model`` and ``data`` hold the keys that were given only.

    Raises:
        QftError: For the first override that is wrong, or the first thing that a file of ./configs may not say.
    """
    with borrow_hydra(name, schema):
        config: C = _composed(name, overrides, options or {})
        return config


@contextmanager
def borrow_hydra(name: str, schema: Any) -> Iterator[None]:
    """While entered Hydra knows our schema and the user's ./configs, and OmegaConf reads no environment.

    Both keep such things for the whole process, which may have a Hydra of its own; one thread at a time enters.
    """
    store = ConfigStore.instance()
    with _lock:
        store.store(name=f"{name}_schema", node=schema)
        if OwnConfigsFirst.wanted:  # a job within a multirun
            yield
            return
        Plugins.instance().register(OwnConfigsFirst)
        OwnConfigsFirst.wanted = True
        try:
            with trusted.disarmed():
                yield
        finally:
            OwnConfigsFirst.wanted = False
            store.repo.pop(f"{name}_schema.yaml", None)


def _composed(name: str, overrides: Sequence[str], options: Mapping[str, Any]) -> Any:
    choices, assigned = words.split_values(options, configs.groups())
    args = prepare(name, [*overrides, *choices], words.keys_of_values(assigned))
    composed = _compose(name, args)
    if len(configs.directories()) > 1:
        trusted.check_hydra(composed.hydra, _packaged_hydra(name))
    chosen = dict(composed.hydra.runtime.choices)
    with open_dict(composed):
        del composed["hydra"]
    trusted.check_interpolations(composed)  # the values assigned below are never interpolations
    try:
        words.assign(composed, assigned)
    except OmegaConfBaseException as error:
        raise QftError(configs.explain(error, name)) from error
    given = words.keys(args) | words.keys_of_values(assigned)
    config = _typed(composed, chosen, given, args)
    trusted.check_service(config, args, given)
    return config


def prepare(name: str, args: Sequence[str], assigned: Collection[str] = ()) -> list[str]:
    """The words as Hydra takes them, once all of them can be read and each choice exists."""
    words.check(args)
    args = [word for a in args for word in _as_choice(a)]
    if name != "sweep" and _wants_local_model(words.keys(args) | set(assigned), args):
        args.append("model=local")
    args = [f"+{a}" if a.startswith("metric.") else a for a in args]  # its keys are those of the plug-ins
    if "adapter=peft" in args:  # its keys are those of the library
        args = [f"+{a}" if _of_peft(a) else a for a in args]
    configs.check_users_files(name, configs.used_groups(name))
    trusted.check_search_path(name)
    _check_choices(args)
    return args


def check_jobs(name: str, args: Sequence[str]) -> None:
    """Hold ./configs to the rules for Hydra's own node, for every combination of choices of a multirun."""
    if len(configs.directories()) == 1:
        return
    groups = configs.groups()
    assignments = [a for a in args if "=" in a and not a.startswith("-")]
    chosen = [[a] for a in assignments if a.partition("=")[0] not in groups]
    for group, _, several in (a.partition("=") for a in assignments if a.partition("=")[0] in groups):
        chosen.append([f"{group}={value}" for value in several.split(",")])
    files = [c for c in chosen if not ("," in c[0] and len(c) == 1)]  # values, swept or not, decide no file
    for job in product(*files):
        trusted.check_hydra(_compose(name, list(job)).hydra, _packaged_hydra(name))


def _compose(name: str, args: list[str]) -> DictConfig:
    """Compose with Hydra, its own node included. Nothing in it is executed, and Hydra's state is restored."""
    instance = GlobalHydra.instance()
    outer = instance.hydra  # the caller's, or that of our multirun
    instance.clear()
    try:
        with initialize_config_dir(str(configs.packaged()), version_base="1.3"):
            return hydra.compose(name, overrides=args, return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise QftError(configs.explain(error, name)) from error
    except AssertionError as error:  # of Hydra, for lists of defaults that name no file
        raise QftError(f"A list of defaults in ./configs, that of {name}.yaml or another, cannot be read.") from error
    finally:
        instance.hydra = outer


@cache
def _packaged_hydra(name: str) -> Any:
    """The node ``hydra`` as the packaged configs alone have it."""
    wanted, OwnConfigsFirst.wanted = OwnConfigsFirst.wanted, False
    try:
        return _compose(name, []).hydra
    finally:
        OwnConfigsFirst.wanted = wanted


def _wants_local_model(given: Collection[str], args: Sequence[str]) -> bool:
    """``model.path`` without a choice of model means any local or hub model, not the demo's settings."""
    return "model.path" in given and not any(a.partition("=")[0] == "model" for a in args)


def _of_peft(arg: str) -> bool:
    return arg.startswith("adapter.") and not arg.startswith(("adapter.type=", "adapter._target_"))


def _as_choice(arg: str) -> list[str]:
    """``backend.noise=ideal`` chooses from the group configs/backend/noise, which Hydra writes with a slash.

    ``backend.noise=torino``, a calibration and no yaml of the group, is the choice ``chip`` with that calibration.
    """
    key, equals, value = arg.partition("=")
    group = key.replace(".", "/")
    if not equals or "." not in key or group not in configs.groups():
        return [arg]
    plain = value.strip("'\"")
    choices = configs.groups()[group]
    if group != "backend/noise" or plain in choices or "," in plain:
        return [f"{group}={value}"]
    if not calibration.is_one(plain):
        hint = nearest(plain, [*choices, *calibration.names()])
        raise QftError(f"backend.noise={plain} does not exist.{hint} The calibration of another chip is a FILE.json.")
    return [f"{group}=chip", f"backend.noise.chip={value}"]


def _check_choices(args: Sequence[str]) -> None:
    groups = configs.groups()
    for arg in args:
        group, _, value = arg.partition("=")
        if group in groups:
            if group == "metric":  # of which there may be several
                names = value.strip("[]")
                raise QftError(f"Choose metrics with evaluation.metrics=[{names}]; metric.NAME.KEY= sets an option.")
            for choice in value.split(","):
                configs.check_choice(group, choice.strip("'\" "))


def _typed(composed: DictConfig, choices: dict[str, str], given: set[str], args: Sequence[str]) -> Any:
    """Check what the schema cannot (trust, missing keys, types of a plug-in's options) and build the dataclass."""
    trusted.check(composed, given)
    if missing := sorted(OmegaConf.missing_keys(composed)):
        raise QftError(f"{missing[0]} is required: write {missing[0]}=VALUE{REQUIRED.get(missing[0], '')}.")
    for group, choice in choices.items():
        file, key = configs.find(f"{group}/{choice}"), group.replace("/", ".")
        options = OmegaConf.select(composed, key)
        if file is not None and options is not None and OmegaConf.get_type(options) is dict:  # others check their own
            configs.check_types(configs.read(file), options, key)
    config: Any = OmegaConf.to_object(composed)
    content = vars(config)
    for group, choice in choices.items():
        if isinstance(options := content.get(group), dict):
            options.setdefault("name", choice)  # a plug-in is called what its yaml is called
            if group == "backend":
                options.pop("service", None)  # which is no option
            if (group, choice) == ("adapter", "peft"):
                content[group] = _peft_method(options)
    for key in PATHS:
        if content.get(key) == "":
            raise QftError(f"{key}= is empty; leave it out, or give a value.")
    if "metric" in content:
        config.metric = metric_options(config.metric or {})
    ranges.check(config)
    sized.check(config, given)
    if config.format not in ("table", "json"):
        raise QftError(f"format={config.format} does not exist.{nearest(config.format, ['table', 'json'])}")
    if isinstance(config, TAKES_OVER) and config.run is not None:
        for group in ("model", "data"):
            if group not in content:
                continue
            keys = {key.split(".")[1] for key in given if key.startswith(f"{group}.")}
            if any(a.startswith(f"{group}=") for a in args):  # local, which stands for any path, has no name
                keys.add("name")
                if group == "data" and content[group].get("split") is not None:  # another set than the run's own
                    continue
            setattr(config, group, {k: v for k, v in content[group].items() if k in keys and (k, v) != ("name", None)})
    return config


def _peft_method(options: Plain) -> Plain:
    """``adapter=peft`` as the yaml of the method that its type names. Raises QftError for a type that is none."""
    from qft.adapters.peft_types import target_of

    name = str(options["type"])
    return {"_target_": target_of(name)} | options | {"name": name.lower()}


def metric_options(given: Mapping[str, Any]) -> Plain:
    """The options of every metric: those of its yaml, over them what ``metric.NAME.OPTION`` says."""
    options_of = dict(given)
    for name in configs.groups()["metric"]:
        file = configs.find(f"metric/{name}")
        declared = configs.read(file) if file else OmegaConf.create({})
        if not isinstance(options := given.get(name) or {}, Mapping):
            continue  # refused by whoever scores
        merged = OmegaConf.merge(declared, OmegaConf.create(dict(options)))
        trusted.check_interpolations(merged)
        configs.check_types(declared, merged, f"metric.{name}")
        resolved: Any = OmegaConf.to_container(merged, resolve=True)
        options_of[name] = {k: v for k, v in resolved.items() if k != "_target_"}
    return options_of


def call(
    command: str,
    schema: Callable[[], Any],
    recipe: Callable[[Any], RunDirectory],
    overrides: Sequence[str],
    options: Mapping[str, Any],
    shown: str,
) -> Run:
    """Compose the config of a command, hand it to its recipe, and open the run that it leaves.

    Arguments and errors are those of ``called``.
    """
    return Run(called(command, schema, recipe, overrides, options, shown).path)


def called(
    command: str,
    schema: Callable[[], Any],
    recipe: Callable[[Any], R],
    overrides: Sequence[str],
    options: Mapping[str, Any],
    shown: str,
) -> R:
    """Compose the config of a command and hand it to its recipe. Calls of several threads are done one by one.

    Args:
        command: ``configs/COMMAND.yaml`` is composed.
        schema: The dataclass of its config.
        recipe: The function of ``qft.runs`` or ``qft.export``.
        overrides: As on the command line.
        options: Values by key.
        shown: The call as the record shows it.

    Returns:
        What the recipe returns.

    Raises:
        QftError: For what cannot be meant, and for what the recipe refuses.
    """
    _check_texts(overrides)
    with trust.command(trust.Given(command=shown)):
        config = compose(command, schema, overrides, options)
        with borrow_logging(config.verbose), _one_at_a_time:
            return recipe(config)


def _check_texts(overrides: Sequence[Any]) -> None:
    for word in overrides:
        if not isinstance(word, str):
            raise QftError(f"{shortened(repr(word))} is no option; give texts such as 'adapter=lora', or n=300.")
        if word.startswith("-"):
            raise QftError(f"{shortened(word)} is for the command line; from Python give options only.")


def show_call(name: str, *positional: Any, **options: Any) -> str:
    """``train("adapter=lora", n=300)`` as text."""
    words = [repr(value) for value in positional]
    return f"qft.{name}({', '.join([*words, *(f'{key}={value!r}' for key, value in options.items())])})"
