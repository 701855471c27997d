"""Choosing a run's directory: readable, unique, resumable, never overwritten by accident."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from qft.config import CommonConfig, TrainConfig, differences
from qft.errors import QftError, nearest
from qft.names import shortened
from qft.records import COMPLETE, RunDirectory, read_json

TRANSIENT = ("resume", "overwrite", "eval", "format", "run", "evaluation", "metric", "output_dir")  # decide no weight


def model_name(model: Mapping[str, Any]) -> str:
    """The model's name, or the last part of its path."""
    return str(model.get("name") or Path(str(model["path"])).name)


def new_name(config: CommonConfig, prefix: str) -> str:
    """adapter-data-n-model-seed-time."""
    parts = [prefix, config.data["name"], f"n{config.n}", model_name(config.model), f"seed{config.seed}"]
    return "-".join([*parts, time.strftime("%Y%m%d-%H%M%S")])


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
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise QftError(f"{run} is not a run directory: it holds no config.yaml.") from None
    except (OSError, yaml.YAMLError) as error:
        raise QftError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise QftError(f"{path} is damaged.")
    return content


def deciding(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved config that decides the trained weights."""
    return {k: v for k, v in config.items() if k not in TRANSIENT}


def same_as_started(run: Path, base: str, data: str) -> None:
    """Refuse a base model or data, by their fingerprints, other than the run was started with."""
    record = read_json(run / "record.json")
    for what, now, then, key in (
        ("base model", base, record["model"].get("fingerprint"), "model.path"),
        ("data", data, record["data"].get("fingerprint"), "data.path"),
    ):
        if now != then:
            raise QftError(f"The {what} is not what {run} was trained with; give the same with {key}=.")


def for_training(config: TrainConfig) -> tuple[RunDirectory, bool]:
    """The directory to train in, opened, and whether to go on with what is there."""
    root = Path(config.output_dir)
    mine = deciding(asdict(config))
    if config.run is None and config.resume:
        found = _unfinished(root, mine)
        if found is None:
            raise QftError(f"No unfinished run below {root} has this configuration; start without resume=true.")
        return RunDirectory(found).open(), True
    if config.run is None:
        return RunDirectory(_unique(root / new_name(config, config.adapter["name"]))).open(), False
    path = root / config.run
    directory = RunDirectory(path).open()
    if not (path / "config.yaml").exists():
        directory.clear()
        return directory, False
    if config.resume:
        if changed := differences(deciding(saved_config(path)), mine):
            raise QftError(f"{path} was started with another configuration ({'; '.join(changed[:3])}).")
        return directory, True
    if config.overwrite:
        directory.clear()
        return directory, False
    state = "is finished" if directory.complete else "exists and is not finished; resume=true goes on"
    raise QftError(f"{path} {state}; overwrite=true starts afresh, run=NAME uses another name.")


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
        if same and not (path.parent / COMPLETE).exists():
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
