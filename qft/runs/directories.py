"""Choosing a run's directory: readable, unique, resumable, never overwritten by accident."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from qft.config import EvalConfig, TrainConfig, differences, without_card
from qft.errors import Diverged, QftError
from qft.names import one_name, place, shortened, slug
from qft.process.files import write_text
from qft.process.locks import is_free
from qft.records import COMPLETE, DIVERGED, Plain, Record, RunDirectory, removal
from qft.runs.stored import Subject, read_config
from qft.training import distributed
from qft.training.learning_rate import learning_rate

log = logging.getLogger(__name__)

# options that do not decide the trained weights
TRANSIENT = (
    *("resume", "overwrite", "eval", "format", "verbose", "run"),
    *("evaluation", "metric", "output_dir", "trust_configs"),
)
AFTERWARDS = ("heldout", "margin", "searched")  # options of the data that do not, either
# what runs were trained with before there was a choice
BEFORE = {"data": ("subset", 0), "adapter": ("bias_start", "random")}


def model_name(model: Mapping[str, Any]) -> str:
    """The model's name, or the last part of its path."""
    return str(model.get("name") or Path(str(model["path"])).name)


def decide(config: TrainConfig, held: bool = False) -> tuple[Path | None, bool]:
    """Where to train, and whether to resume what is there. Makes and deletes nothing.

    Args:
        config: The run's config.
        held: Whether this process holds the directory's lock.

    Returns:
        The directory (None: under a new name), and whether the run there is resumed.

    Raises:
        QftError: The name cannot be a directory's, or the directory may not be used like this.
        Diverged: The run to resume has ended without a result.
    """
    root = place("output_dir", config.output_dir)
    if config.run is not None:
        one_name("run", config.run)
    mine = _deciding(asdict(config))
    if config.run is None and config.resume:
        path = _unfinished(root, mine)
        if path is None:
            raise QftError(f"No unfinished run below {root} has this configuration; start without resume=true.")
        return path, True
    if config.run is None:
        return None, False
    path = place("run", str(root / config.run))
    if not path.exists():
        return path, False
    if not held and not is_free(path / ".lock"):
        raise QftError(f"{path} is in use by another process.")
    if not (path / "config.yaml").exists():
        if others := removal.foreign(path, removal.STARTED):
            raise QftError(f"{path} is not a run of qft: it holds {shortened(others[0])}. Use another name.")
        return path, False
    return path, _resumes(config, path, mine)


def _resumes(config: TrainConfig, path: Path, mine: Plain) -> bool:
    """Whether the run at ``path`` is resumed or replaced; refuses where the config allows neither."""
    diverged = RunDirectory(path).diverged
    if config.resume:
        started = _deciding(asdict(read_config(path)))
        if changed := differences(started, _with_rate(mine, started)):
            raise QftError(f"{path} was started with another configuration ({'; '.join(changed[:3])}).")
        if diverged:
            raise Diverged(f"{path} has ended ({diverged}); overwrite=true starts afresh.")
        return True
    if config.overwrite:
        removal.check(path, Path(config.output_dir))
        return False
    state = "has diverged" if diverged else "exists and is not finished; resume=true resumes it"
    state = "is finished" if (path / COMPLETE).exists() else state
    raise QftError(f"{path} {state}; overwrite=true starts afresh, run=NAME uses another name.")


@contextmanager
def training(config: TrainConfig, record: Record) -> Iterator[RunDirectory]:
    """The directory to train in: created, locked and logged to, with config and record written, until the block ends.

    Of several processes the first one chooses it and writes. Enter this only once everything has been checked.
    """
    opened: list[RunDirectory] = []

    def choose() -> tuple[Path, bool]:
        directory, resumes = _opened(config)
        opened.append(directory)
        return directory.path, resumes

    path, resumes = distributed.decided_by_first(choose)
    directory = opened[0] if opened else RunDirectory(path)
    try:
        log.info("run: %s%s", path, " (resuming)" if resumes else "")
        if distributed.first():
            directory.save(record)
            # after the record: a directory without config.yaml is not a run yet and is started afresh
            text = yaml.safe_dump(asdict(config), allow_unicode=True, sort_keys=False)
            write_text(directory / "config.yaml", text)
        yield directory
    finally:
        directory.close()


def _opened(config: TrainConfig) -> tuple[RunDirectory, bool]:
    path, _ = decide(config)
    if path is None:
        path = _unique(Path(config.output_dir) / _new_name(config, config.adapter["name"]))
    directory = RunDirectory(path).open()
    try:
        _, resumes = decide(config, held=True)  # again, now that no other process can change it
        if not resumes:
            removal.clear(path)
    except BaseException:
        directory.close()
        raise
    return directory, resumes


def check_place(config: EvalConfig) -> None:
    """Refuse a directory for an evaluation that holds something else. Makes nothing.

    Raises:
        QftError: For ``out=`` or ``output_dir=`` that cannot be used.
    """
    place("output_dir", config.output_dir)
    if config.out is None:
        return
    path = place("out", config.out)
    ours = any((path / name).is_file() for name in ("config.yaml", "evaluation.json"))
    if not ours and path.is_dir() and (others := removal.foreign(path, removal.STARTED)):
        raise QftError(f"out={path} holds {shortened(others[0])} and no evaluation of qft; use another directory.")


def evaluated_in(config: EvalConfig, subject: Subject) -> Path | None:
    """Where an evaluation writes, and may have written before: ``out``, or by its run; None: a new directory."""
    if config.out is not None:
        return Path(config.out)
    if subject.run is None or not subject.other_data:
        return subject.run
    data = subject.data
    tested = Path(str(data["path"])).stem if data.get("path") else data["name"]
    return Path(config.output_dir) / slug(f"{subject.run.resolve().name}-on-{tested}")


@contextmanager
def evaluation(config: EvalConfig, subject: Subject) -> Iterator[RunDirectory]:
    """The directory to evaluate into, locked until the block ends."""
    path = evaluated_in(config, subject)
    if path is None:
        path = _unique(Path(config.output_dir) / _new_name(subject, "eval" if subject.adapter else "base"))
    directory = RunDirectory(path).open()
    try:
        yield directory
    finally:
        directory.close()


def _new_name(config: TrainConfig | Subject, prefix: str) -> str:
    """adapter-data-n-model-seed-time."""
    parts = [prefix, config.data["name"], f"n{config.n}", model_name(config.model), f"seed{config.seed}"]
    return f"{slug('-'.join(parts))}-{time.strftime('%Y%m%d-%H%M%S')}"


def _with_rate(mine: Plain, started: Plain) -> Plain:
    """Our config with the automatic learning rate written out where ``started`` has it, as 0.1.0 wrote it."""
    trainer, known = mine["trainer"], (started.get("trainer") or {}).get("lr")
    if trainer["lr"] is not None or known is None or mine["model"]["lr"] is None:
        return mine
    automatic = learning_rate(None, mine["model"], mine["adapter"], hidden_size=0).value
    return mine | {"trainer": trainer | {"lr": automatic}} if automatic == known else mine


def _deciding(config: Mapping[str, Any]) -> Plain:
    """The part of a resolved config that decides the trained weights."""
    deciding = {k: v for k, v in without_card(config).items() if k not in TRANSIENT}
    if isinstance(trainer := deciding.get("trainer"), Mapping):
        deciding["trainer"] = {k: v for k, v in trainer.items() if k != "report_to"}  # trackers only watch
    data = {k: v for k, v in config["data"].items() if k not in AFTERWARDS and (k, v) != BEFORE["data"]}
    adapter = {k: v for k, v in deciding["adapter"].items() if (k, v) != BEFORE["adapter"]}
    return deciding | {"data": data, "adapter": adapter}


def _unfinished(root: Path, mine: Plain) -> Path | None:
    for path in sorted(root.glob("*/config.yaml"), key=lambda p: p.stat().st_mtime, reverse=True):
        try:
            started = _deciding(asdict(read_config(path.parent)))
        except QftError:
            continue
        if started == _with_rate(mine, started) and not any(
            (path.parent / end).exists() for end in (COMPLETE, DIVERGED)
        ):
            return path.parent
    return None


def _unique(path: Path) -> Path:
    """Create the directory under this name, or under the first free one with a number added."""
    for candidate in (path, *(path.with_name(f"{path.name}-{k}") for k in range(2, 1000))):
        try:
            candidate.mkdir(parents=True)
            return candidate
        except FileExistsError:
            continue
        except OSError as error:
            raise QftError(f"{path.parent} cannot be written: {error.strerror}.") from error
    raise QftError(f"{path} exists a thousand times over; clean up {path.parent}.")
