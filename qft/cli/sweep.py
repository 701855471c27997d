"""Run a named sweep: qft sweep table1. Finished runs are skipped, interrupted ones resumed, failed ones kept.

``--dry-run`` checks every run, counts parameters, estimates the time and lists what is left. Ctrl-C once lets running
ones finish their step and save, twice stops them. The same command resumes the sweep. ``qft sweep status NAME``, from
any terminal, says how far a sweep is.
"""

import importlib
import os
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import NoneType
from typing import Any

from qft.cli._command import Command
from qft.cli._dry_run import dry_run, states
from qft.cli._output import log, show
from qft.cli._sweep_status import show_status
from qft.compose import configs, typed, words
from qft.config import EvalConfig, SweepConfig, TrainConfig
from qft.errors import QftError, nearest
from qft.names import one_name, place, shortened
from qft.progress import quiet_libraries, start_logging
from qft.records import Cell, removal
from qft.runs import stored
from qft.sweeps import budgets, cells, estimate, fair, identity, jobs, looks, shared
from qft.sweeps.plan import Selection, plan, rows_of, sizing
from qft.sweeps.spec import read_spec

USAGE = "NAME"
LAUNCHERS = ("local", "slurm")


def arguments(args: list[str]) -> list[str]:
    """``table1 --dry-run model.path=DIR`` -> ``sweep=table1 dry_run=true options=['model.path=DIR']``."""
    if args[:1] == ["status"]:
        return words.words_as("status", args[1:] or ["."])
    known = {f.name for f in fields(SweepConfig)} - {"options"} | {"hydra"}
    out, options = [], []
    for arg in args:
        root = arg.partition("=")[0].lstrip("+~").partition(".")[0]
        if arg == "--dry-run":
            out.append("dry_run=true")
        elif "=" not in arg and not arg.startswith("-") and args.index(arg) == 0:
            out.append(f"sweep={arg}")
        elif arg.startswith("-") or root in known or "=" not in arg:
            out.append(f"++{arg}" if arg.startswith(("paths.", "slurm.")) else arg)
        else:
            options.append(words.quoted(arg))
    if not any(a.startswith("sweep=") for a in out) and not {"--cfg", "--info"} & set(args):
        raise QftError(f"Name a sweep: qft sweep table1.{nearest('', configs.groups()['sweep'])}")
    return [*out, f"options=[{','.join(options)}]"] if options else out


def run(config: SweepConfig) -> None:
    """Run the sweep, or say how far it is."""
    start_logging()
    if config.status is None:
        _run(config)
    else:
        show_status(stored.find(config.status, str(Path(config.output_dir) / "sweeps"), "dir"), config.format)


def _run(config: SweepConfig) -> None:
    """Plan -> composed configs -> identities -> runs."""
    _check(config)
    if config.trust_configs:
        config.options = [*config.options, "trust_configs=true"]  # the user's word, passed on to every run
    spec = read_spec(config.sweep, configs.methods)
    budget = config.budget if isinstance(config.budget, (list, NoneType)) else [config.budget]
    chosen = (config.rows, config.datasets, config.n, _seeds(config), budget, config.subsets)
    selection = Selection(*chosen, config.paths, config.options)
    planned, rows = plan(spec, config.scale, selection), rows_of(spec, config.scale, selection)
    directory = _directory(config)
    planned, left_out = budgets.meet(spec.name, rows, planned, sizing(spec, config.scale, selection), _compose)
    for row in left_out:
        log.warning("left out: %s on %s: %s", row.label, row.data, row.why)
    planned_jobs = jobs.compose_jobs(planned, _compose)
    composed = jobs.resolved(planned_jobs)
    steps = {c.name: estimate.steps_of(composed[c.name]) for c in planned if c.command == "train"}
    stated = spec.scales[config.scale].seconds_per_step
    quiet_libraries()
    fair.check(spec.name, rows, planned, composed, budgets.shared(spec, config.scale, budget))
    if config.dry_run:
        dry_run(config, directory, planned, left_out, composed, steps, stated, _workers(config)[0])
        return
    from qft.models.load import device
    from qft.sweeps import run as running

    others = shared.Trials([Path(given) for given in config.search_from])
    identities = identity.of_cells(planned, composed, config.threads, device().type)
    with running.locked(directory):
        identity.settle(directory, planned, identities, config.overwrite)
        named = (directory, spec.name, config.scale, command(config))
        first, later = looks.split(planned)
        cells.save_plan(*named, first, config.overwrite, left_out)
        workers, gpus = _workers(config)
        log.info("%s: %d cells%s, %d at a time", directory, len(first), looks.said(later), workers)
        _failures(directory, planned, config.retry)
        launcher = _launcher(config, directory, planned_jobs, workers, gpus)
        sweep = running.PlannedSweep(*named, first, steps, stated, identities, others, rows, later)
        running.run(sweep, launcher, workers, config.retry)
        _report(config, directory, sweep.plan)


def command(config: SweepConfig) -> str:
    """Return the command that plans the same cells again; directory and number of workers do not belong to it."""
    line = ["qft", "sweep", config.sweep["name"], f"scale={config.scale}"]
    parts = {"rows": config.rows, "datasets": config.datasets, "n": config.n, "seeds": _seeds(config)}
    for key, chosen in parts.items():
        if chosen is not None:
            line.append(f"{key}={chosen}" if chosen == "auto" else f"{key}=[{','.join(map(str, chosen))}]")
    if config.budget is not None:
        line.append(f"budget={config.budget}".replace(" ", ""))
    line += [] if config.subsets is None else [f"subsets={config.subsets}"]
    line += [f"paths.{name}={path}" for name, path in config.paths.items()]
    line += [f"threads={config.threads}"] if config.threads != SweepConfig.threads else []
    return shlex.join([*line, *config.options])


def _seeds(config: SweepConfig) -> Any:
    """``seeds=5`` are the seeds 1 to 5."""
    return [*range(1, config.seeds + 1)] if isinstance(config.seeds, int) else config.seeds


def _check(config: SweepConfig) -> None:
    if config.retry is not None and config.retry not in cells.WITHOUT_RESULT:
        raise QftError(f"retry={config.retry} does not exist.{nearest(config.retry, cells.WITHOUT_RESULT)}")
    if config.launcher not in LAUNCHERS:
        raise QftError(f"launcher={config.launcher} does not exist.{nearest(config.launcher, LAUNCHERS)}")
    if config.launcher == "slurm":
        _slurm("slurm_setup").check(config.slurm)
    elif config.slurm:
        raise QftError(f"slurm.{next(iter(config.slurm))} does nothing without launcher=slurm.")


def _directory(config: SweepConfig) -> Path:
    """The sweep's directory. Raises QftError where it can be none, or holds something else; makes nothing."""
    name = one_name("sweep.name", f"{config.sweep['name']}-{config.scale}")
    path = place("dir", config.dir) if config.dir else place("output_dir", config.output_dir) / "sweeps" / name
    if path.is_dir() and not (path / "sweep.json").is_file() and (others := removal.foreign(path, cells.FILES)):
        raise QftError(
            f"{path} holds {shortened(others[0])} and is not a sweep of qft; use another directory with dir=."
        )
    return path


def _compose(command: str, overrides: Sequence[str]) -> jobs.Config:
    """The config of a cell's command."""
    schema = {"train": TrainConfig, "eval": EvalConfig}[command]
    config: jobs.Config = typed.compose(command, schema, overrides)
    return config


def _workers(config: SweepConfig) -> tuple[int, int]:
    """Runs side by side, and GPUs they share."""
    import torch

    gpus = torch.cuda.device_count()
    return config.workers or gpus or max(1, (os.cpu_count() or 1) // config.threads), gpus


def _launcher(config: SweepConfig, directory: Path, planned: Mapping[str, jobs.Job], workers: int, gpus: int) -> Any:
    from qft.sweeps.launch import Local

    if config.launcher == "slurm":
        return _slurm("slurm").Slurm(directory, planned, config.threads, config.slurm)
    return Local(directory, planned, workers, config.threads, gpus)


def _slurm(name: str) -> Any:
    """A module of Slurm jobs, which need an extra."""
    try:
        return importlib.import_module(f"qft.sweeps.{name}")
    except ImportError:
        raise QftError("launcher=slurm needs the extra: pip install 'qft[slurm]'.") from None


def _failures(directory: Path, planned: list[Cell], retry: str | None) -> None:
    for cell in planned:
        state = cells.read_state(directory, cell.name)
        searched = cell.role == "search" and state and state.state == cells.DIVERGED  # its rate is not chosen
        if state and state.state in cells.WITHOUT_RESULT and state.state != retry and not searched:
            ended = state.state
            log.error("%s earlier: %s: %s (retry=%s runs it again)", ended, cell.name, state.error, ended)


def _report(config: SweepConfig, directory: Path, planned: list[Cell]) -> None:
    """Print how many cells are in each state. Raises QftError, naming them, where some are not done."""
    state_of = states(directory, planned)
    tally = Counter(state_of.values())
    # a search that diverged has ended: its learning rate is not chosen
    searches = {cell.name for cell in planned if cell.role == "search"}
    unfinished = {k: v for k, v in state_of.items() if v != "done" and not (v == cells.DIVERGED and k in searches)}
    rows = [[state, count] for state, count in sorted(tally.items())]
    show(
        config.format,
        {"directory": str(directory), "cells": dict(tally), "left": unfinished},
        "",
        ["cells", "count"],
        rows,
    )
    waiting = [name for name, state in unfinished.items() if state not in cells.WITHOUT_RESULT]
    if unfinished:
        reasons = []
        for state in cells.WITHOUT_RESULT:
            if names := [name for name, ended in unfinished.items() if ended == state]:
                reasons.append(f"{len(names)} {state} ({', '.join(names)}); retry={state} runs them again")
        reasons += [f"{len(waiting)} wait for others that gave no result"] if waiting else []
        raise QftError(f"Not every cell is done: {'; '.join(reasons)}.")
    log.info("report: qft report %s", directory)


COMMAND = Command(SweepConfig, run, arguments)
