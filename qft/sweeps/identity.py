"""What decides a cell's result: its resolved config, model, data, code and packages; nothing else makes it another."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from qft.config import differences, without_card
from qft.data import general, heldout
from qft.errors import QftError
from qft.records import Cell, Identities, Identity, Plain, read, to_json, write
from qft.sweeps import cells, code, trials

# where, not what
ELSEWHERE = ("output_dir", "run", "out", "resume", "overwrite", "format", "verbose", "eval", "trust_configs")
RECIPES = {"train": ("qft.runs.train", "qft.runs.evaluate"), "eval": ("qft.runs.evaluate",)}
LIBRARIES = ("peft",)  # whose methods are known by the library's version
EARLIER = "qft"  # key of the code in what 0.1.0 wrote
Computing = Callable[[tuple[str, ...], bool], code.Code]
SHOWN = 3  # differences that a refusal names


def identity(
    cell: Cell,
    config: Mapping[str, Any],
    model: str,
    data: str,
    threads: int,
    device: str,
    after: Sequence[str],
    computing: Computing = code.computing,
) -> Identity:
    """Everything that decides a cell's result.

    Args:
        cell: What is run; a search leaves the test set alone, and its identity the evaluation.
        config: The resolved config of the run; places on the disk do not count.
        model: Fingerprint of the base model.
        data: Fingerprint of the data set.
        threads: CPU threads; sums are taken in another order with another number.
        device: cpu, cuda, ...
        after: Ids of the cells it builds on; a learning rate is decided by its search.
        computing: Finds the code, given the modules it starts from and whether the test set is evaluated.

    Raises:
        QftError: A plug-in that the config names has no source file that can be read.
    """
    resolved = without_card(config)
    settings = {k: v for k, v in resolved.items() if k not in ELSEWHERE and (cell.test or k != "evaluation")}
    for group, others in (("model", ()), ("data", ("margin",))):  # a margin judges results and decides none
        left_out = ("path", "hub", "name", *others)
        settings[group] = {k: v for k, v in (settings.get(group) or {}).items() if k not in left_out}
    evaluation = settings.get("evaluation") or {}
    if evaluation.get("forgetting") is not None:  # what the texts are decides, not where they lie
        settings["evaluation"] = {**evaluation, "forgetting": general.read(evaluation["forgetting"]).sha256}
    recipes = RECIPES[cell.command] if cell.test else RECIPES[cell.command][:1]
    evaluated = cell.test or heldout.size(config.get("data") or {}) > 0
    used = computing((*recipes, *plug_ins(config, cell.test)), evaluated)
    packages = used.packages | _kernel(config, used)
    open_rate = cell.trial if cell.role == "search" and cell.trial not in trials.FIRST and cell.after else None
    return Identity(settings, model, data, threads, device, list(after), packages, used.modules, open_rate)


def _kernel(config: Mapping[str, Any], used: code.Code) -> dict[str, str | None]:
    """What compiles the kernel of exact circuits, which rounds otherwise than torch; None where torch computes."""
    backend = config.get("backend") or {}
    if backend.get("name") != "statevector" or backend.get("kernel") is False or code.KERNEL not in used.modules:
        return {}
    from qft.quantum.native import library

    try:
        return {"C++ compiler": library.description()}
    except library.Unavailable:
        return {"C++ compiler": None}


def plug_ins(config: Mapping[str, Any], evaluated: bool) -> list[str]:
    """The modules of the plug-ins that a resolved config names: adapter, data set, backend and, where used, metrics."""
    modules = [code.module_of(target) for target in _targets(config) if target.partition(".")[0] not in LIBRARIES]
    if backend := (config.get("backend") or {}).get("name"):
        modules.append(f"qft.quantum.backends.{backend}")
    if evaluated:
        modules += [f"qft.evaluation.metrics.{name}" for name in (config.get("evaluation") or {}).get("metrics") or ()]
    return modules


def _targets(content: Any) -> Iterator[str]:
    if isinstance(content, Mapping):
        target = content.get("_target_")
        if isinstance(target, str):
            yield target
        for inner in content.values():
            yield from _targets(inner)


def digest(identity: Identity) -> str:
    """SHA-256 of an identity: the id of its cell."""
    return hashlib.sha256(json.dumps(to_json(identity), sort_keys=True, ensure_ascii=False).encode()).hexdigest()


class Sources:
    """The data of composed configs, each read once and split once for each n."""

    def __init__(self) -> None:
        self._read: Plain = {}
        self._split: set[tuple[str, int]] = set()

    def checked(self, config: Mapping[str, Any]) -> Any:
        """The source of a resolved config. Raises QftError where it cannot be read, or is too small for its n."""
        from qft.data import prepare

        key = json.dumps(config["data"], sort_keys=True)
        if key not in self._read:
            self._read[key] = prepare.load(config["data"])
        if (key, config["n"]) not in self._split:
            prepare.split(self._read[key], config["n"], config["data"])
            self._split.add((key, config["n"]))
        return self._read[key]


def of_cells(
    planned: Sequence[Cell], configs: Mapping[str, Mapping[str, Any]], threads: int, device: str
) -> dict[str, Identity]:
    """Give every cell its id, and return what decided each; one data set and one model are read once each.

    Args:
        planned: The cells, each after those it builds on.
        configs: Their resolved configs by name.
        threads: CPU threads of each.
        device: cpu, cuda, ...

    Raises:
        QftError: A model, data set or plug-in cannot be read; names the cell.
    """
    from qft.models import load

    prints: dict[str, str] = {}
    sources = Sources()
    identities: dict[str, Identity] = {}
    ids: dict[str, str] = {}
    computing = cache(code.computing)  # cells of one row have the same code
    for cell in planned:
        config = configs[cell.name]
        model = data = ""  # of an evaluation of a trained run they are those of the run
        try:
            if cell.role == "base" or cell.command == "train":
                model, data = (json.dumps(config[key], sort_keys=True) for key in ("model", "data"))
                source = sources.checked(config)
                prints[model] = prints.get(model) or load.fingerprint(config["model"])
                prints[data] = prints.get(data) or source.fingerprint()
                model, data = prints[model], prints[data]
            after = [ids[name] for name in cell.after]
            identities[cell.name] = identity(cell, config, model, data, threads, device, after, computing)
        except QftError as error:
            raise QftError(f"{cell.name}: {error}") from error
        ids[cell.name] = cell.id = digest(identities[cell.name])
    return identities


def settle(directory: Path, planned: Sequence[Cell], identities: Mapping[str, Identity], overwrite: bool) -> None:
    """Hold a sweep directory to its plan: cells that were run with other settings are refused or removed.

    identities.json keeps what decided each cell, so that the refusal can say what is different.
    """
    path = directory / Identities.FILE
    old = read(path, Identities).cells if path.exists() else {}
    stale = []
    for cell in planned:
        if cells.folder(directory, cell.name).is_symlink():
            raise QftError(f"{cells.folder(directory, cell.name)} is a link: a cell must lie in its sweep's directory.")
        state = cells.read_state(directory, cell.name)
        if state is not None and state.id != cell.id:
            stale.append((cell.name, _why(old.get(cell.name), identities[cell.name])))
    if stale and not overwrite:
        name, why = stale[0]
        raise QftError(
            f"{directory} holds {len(stale)} cells that were run with other settings ({name}: {why}); "
            "overwrite=true runs them again, dir=DIR keeps them and starts elsewhere."
        )
    cells.remove(directory, [name for name, _ in stale])
    write(path, Identities(old | dict(identities)))


def changed(old: Identity, new: Identity) -> list[str]:
    """What is different, in words: keys of the config first, code last."""
    before, after = to_json(old), to_json(new)
    code_before, code_after = before.pop("code"), after.pop("code")
    words = differences(before.pop("config"), after.pop("config")) + differences(before, after)
    if EARLIER in code_before:  # one digest for all code
        return [*words, f"the code was that of qft {code_before[EARLIER]}"]
    for module in sorted({*code_before, *code_after}):
        was, is_now = code_before.get(module), code_after.get(module)
        if was != is_now:
            how = "is used now" if was is None else "is not used any more" if is_now is None else "has changed"
            words.append(f"{module} {how}")
    return words


def _why(old: Identity | None, new: Identity) -> str:
    return "; ".join(changed(old, new)[:SHOWN]) if old else "its settings are not known"
