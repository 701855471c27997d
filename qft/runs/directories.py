"""Choosing a run's directory: readable, unique, resumable, never overwritten by accident."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from qft.config import CommonConfig, TrainConfig, differences
from qft.errors import Diverged, QftError, nearest
from qft.names import one_name, place, shortened, slug
from qft.process.locks import is_free
from qft.records import COMPLETE, DIVERGED, RunDirectory, read_json, removal

# decide no weight
TRANSIENT = (
    *("resume", "overwrite", "eval", "format", "verbose", "run"),
    *("evaluation", "metric", "output_dir", "trust_configs"),
)


def model_name(model: Mapping[str, Any]) -> str:
    """The model's name, or the last part of its path."""
    return str(model.get("name") or Path(str(model["path"])).name)


def new_name(config: CommonConfig, prefix: str) -> str:
    """adapter-data-n-model-seed-time."""
    parts = [prefix, config.data["name"], f"n{config.n}", model_name(config.model), f"seed{config.seed}"]
    return f"{slug('-'.join(parts))}-{time.strftime('%Y%m%d-%H%M%S')}"


def existing(given: str, output_dir: str, key: str = "run") -> Path:
    """The directory a command is to read: a name below ``output_dir``, else a path. Raises QftError where none is.

    A word without a separator is first looked for below ``output_dir``, where ``qft train run=NAME`` puts it;
    ``./NAME`` is always a path.
    """
    below = Path(output_dir)
    try:
        places = [Path(given)] if "/" in given else [below / given, Path(given)]
        if found := next((p for p in places if given.strip() and p.is_dir()), None):
            return found
        choices = [p.parent.name for p in below.glob("*/config.yaml")]
    except (OSError, ValueError) as error:  # too long, a null byte, a directory that may not be read
        raise QftError(f"{key}={shortened(given)} cannot be read: {getattr(error, 'strerror', error)}.") from error
    raise QftError(f"{key}={shortened(given)} does not exist.{nearest(Path(given).name, choices)}")


def saved_config(run: Path) -> dict[str, Any]:
    """config.yaml of a run. Raises QftError where there is none."""
    path = run / "config.yaml"
    if path.exists() and not path.is_file():
        raise QftError(f"{path} is a directory, a pipe or a device, and not a file.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise QftError(f"{run} is not a run directory: it holds no config.yaml.") from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        why = shortened(next(iter(str(error).splitlines()), type(error).__name__))
        raise QftError(f"{path} cannot be read: {why}.") from error
    if wrong := _wrong(content):
        raise QftError(f"{path} is damaged: {wrong}.")
    return content


def _wrong(content: Any) -> str | None:
    """What of a stored config is not as every run has it, or None; its options are judged by what they are for."""
    if not isinstance(content, dict):
        return "it holds no keys"
    for group, keys in (("model", ("path", "template")), ("data", ("_target_", "name")), ("adapter", ("name",))):
        found = content.get(group)
        if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
            return f"{group} holds no keys"
        for key in keys:
            if not isinstance(found.get(key), str):
                return f"{group}.{key} is no text"
    for key in ("n", "seed", "max_seq_len"):
        if type(content.get(key)) is not int:
            return f"{key} is no number"
    metrics = content["evaluation"].get("metrics") if isinstance(content.get("evaluation"), dict) else None
    if not isinstance(metrics, list) or not all(isinstance(name, str) for name in metrics):
        return "evaluation.metrics is no list of names"
    return None


def deciding(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved config that decides the trained weights."""
    return {k: v for k, v in config.items() if k not in TRANSIENT}


def same_as_started(run: Path, base: str, data: str) -> None:
    """Refuse a base model or data, by their fingerprints, other than the run was started with."""
    _same(run, "model", "base model", base)
    _same(run, "data", "data", data)


def same_base(run: Path, base: str) -> None:
    """The same for the base alone, where the run has been started."""
    if (run / "record.json").exists():
        _same(run, "model", "base model", base)


def _same(run: Path, group: str, what: str, now: str) -> None:
    record = read_json(run / "record.json")
    kept = record.get(group) if isinstance(record, dict) else None
    if not isinstance(kept, dict) or kept.get("fingerprint") != now:
        raise QftError(f"The {what} is not what {run} was trained with; give the same with {group}.path=.")


def check_name(config: TrainConfig) -> None:
    """Refuse ``run=`` where it is not one name, and ``output_dir=`` where it can be no directory."""
    place("output_dir", config.output_dir)
    if config.run is not None:
        one_name("run", config.run)


def decide(config: TrainConfig, held: bool = False) -> tuple[Path | None, bool]:
    """Where to train (None: under a new name) and whether to go on with what is there; makes and deletes nothing.

    Raises QftError for a name that is none and for a directory that may not be used so, as when another process has
    it; ``held``: this one does.
    """
    check_name(config)
    root = Path(config.output_dir)
    mine = deciding(asdict(config))
    if config.run is None and config.resume:
        found = _unfinished(root, mine)
        if found is None:
            raise QftError(f"No unfinished run below {root} has this configuration; start without resume=true.")
        return found, True
    if config.run is None:
        return None, False
    path = place("run", str(root / config.run))
    if not path.exists():
        return path, False
    if not held:
        in_use(path)
    if not (path / "config.yaml").exists():
        if others := removal.foreign(path, removal.STARTED):
            raise QftError(f"{path} is no run of qft: it holds {shortened(others[0])}. Use another name.")
        return path, False
    diverged = RunDirectory(path).diverged
    if config.resume:
        if changed := differences(deciding(saved_config(path)), mine):
            raise QftError(f"{path} was started with another configuration ({'; '.join(changed[:3])}).")
        if diverged:
            raise Diverged(f"{path} has ended ({diverged}); overwrite=true starts afresh.")
        return path, True
    if config.overwrite:
        removal.check(path, root)
        return path, False
    state = "has diverged" if diverged else "exists and is not finished; resume=true goes on"
    state = "is finished" if (path / COMPLETE).exists() else state
    raise QftError(f"{path} {state}; overwrite=true starts afresh, run=NAME uses another name.")


def for_training(config: TrainConfig) -> tuple[RunDirectory, bool]:
    """The directory to train in, locked and logged to, and whether to go on with what is there."""
    path, _ = decide(config)
    if path is None:
        path = _unique(Path(config.output_dir) / new_name(config, config.adapter["name"]))
    directory = RunDirectory(path).open()
    try:
        _, going_on = decide(config, held=True)  # again, now that no other process is at it
        if not going_on:
            removal.clear(path)
    except BaseException:
        directory.close()
        raise
    return directory, going_on


def in_use(path: Path) -> None:
    """Raise QftError where another process has the run directory."""
    if not is_free(path / ".lock"):
        raise QftError(f"{path} is in use by another process.")


def check_out(config: CommonConfig, out: str | None) -> None:
    """Refuse a directory for an evaluation that holds something else; makes nothing."""
    place("output_dir", config.output_dir)
    if out is None:
        return
    path = place("out", out)
    ours = any((path / name).is_file() for name in ("config.yaml", "evaluation.json"))
    if not ours and path.is_dir() and (others := removal.foreign(path, removal.STARTED)):
        raise QftError(f"out={path} holds {shortened(others[0])} and no evaluation of qft; use another directory.")


def for_evaluation(config: CommonConfig, out: str | None, prefix: str) -> RunDirectory:
    """A directory for an evaluation that belongs to no run."""
    path = Path(out) if out else _unique(Path(config.output_dir) / new_name(config, prefix))
    return RunDirectory(path).open()


def _unfinished(root: Path, mine: dict[str, Any]) -> Path | None:
    for path in sorted(root.glob("*/config.yaml"), key=lambda p: p.stat().st_mtime, reverse=True):
        try:
            same = deciding(saved_config(path.parent)) == mine
        except QftError:
            continue
        if same and not any((path.parent / end).exists() for end in (COMPLETE, DIVERGED)):
            return path.parent
    return None


def _unique(path: Path) -> Path:
    """Create the directory under this name, or the next free one with a number behind."""
    for candidate in (path, *(path.with_name(f"{path.name}-{k}") for k in range(2, 1000))):
        try:
            candidate.mkdir(parents=True)
            return candidate
        except FileExistsError:
            continue
        except OSError as error:
            raise QftError(f"{path.parent} cannot be written: {error.strerror}.") from error
    raise QftError(f"{path} exists a thousand times over; clean up {path.parent}.")
