"""What a cell runs: a typed config, composed once when the sweep is planned, and the recipe it is handed to."""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from qft import trust
from qft.config import EvalConfig, TrainConfig
from qft.errors import QftError
from qft.records import Cell, Plain, RunDirectory
from qft.runs.checks import metrics_of
from qft.runs.stored import given_subject, of_run
from qft.sweeps import cells, trials
from qft.training.learning_rate import learning_rate

Config = TrainConfig | EvalConfig
Compose = Callable[[str, Sequence[str]], Config]  # a command and its overrides -> its config
BY_CELL = ("n", "seed", "trainer.lr")  # overrides that a cell states as numbers, too


@dataclass(frozen=True)
class Job:
    """A cell's config, and what the user who planned it has given (``qft.trust``); picklable."""

    config: Config
    given: trust.Given


def compose_jobs(planned: Sequence[Cell], compose: Compose) -> dict[str, Job]:
    """The jobs of planned cells by name; cells that differ in n, seed and learning rate only are composed once.

    Args:
        planned: The cells, each after those it builds on.
        compose: Composes the config of a command, and notes what the user has given with it.

    Raises:
        QftError: A cell's overrides cannot be meant; names the cell.
    """
    known: dict[tuple[str, ...], Config] = {}
    configs: dict[str, Config] = {}
    for cell in planned:
        overrides = [o for o in cell.overrides if o.partition("=")[0] not in BY_CELL]
        key = (cell.command, *overrides)
        if key not in known:
            try:
                known[key] = compose(cell.command, overrides)
            except QftError as error:
                raise QftError(f"{cell.name}: {error}") from error
        trained = configs[cell.after[0]] if cell.command == "eval" and cell.after else None
        configs[cell.name] = _of_cell(cell, known[key], trained)
    given = trust.given()
    return {
        cell.name: Job(configs[cell.name], replace(given, command=shlex.join(["qft", cell.command, *cell.overrides])))
        for cell in planned
    }


def _of_cell(cell: Cell, config: Config, trained: Config | None) -> Config:
    """The config with the cell's numbers; of an evaluation also with what it takes over from the trained run."""
    if isinstance(config, TrainConfig):
        if cell.role == "search" and cell.lr is None and cell.trial in trials.FIRST:
            cell.lr = trials.first_rate(cell.trial, default_rate(config))
            cell.overrides = [*cell.overrides, f"trainer.lr={cell.lr}"]
        lr = config.trainer.lr if cell.lr is None else cell.lr
        evaluation = replace(config.evaluation, metrics=metrics_of(config.evaluation, config.data))
        trainer = replace(config.trainer, lr=lr)
        return replace(config, n=cell.n, seed=cell.seed, trainer=trainer, evaluation=evaluation, eval=cell.test)
    if isinstance(trained, TrainConfig):
        subject = of_run(replace(config, model=None, data=None), trained, Path(cell.after[0]))
    else:
        subject = given_subject(config)
    settings: Plain = {"model": subject.model, "data": subject.data, "max_seq_len": subject.max_seq_len}
    evaluation = replace(config.evaluation, metrics=subject.metrics)
    return replace(config, n=cell.n, seed=cell.seed, evaluation=evaluation, **settings)


def default_rate(config: TrainConfig) -> float:
    """The learning rate that a run with this config has where none is given."""
    hidden = 0
    if config.model.get("lr") is None:  # by the size of the model
        from qft.models.load import hidden_size

        hidden = hidden_size(config.model)
    return learning_rate(None, config.model, config.adapter, hidden).value


def located(directory: Path, cell: Cell, config: Config, afresh: bool = False) -> Config:
    """The config as it is run now: where the cell lies in the sweep, and with the learning rate that was chosen.

    Args:
        directory: The sweep's.
        cell: The cell; a final one has its rate from the search.
        config: Its config as it was planned.
        afresh: Whether what lies there is replaced instead of resumed.
    """
    place = cells.folder(directory, cell.name)
    if isinstance(config, EvalConfig):
        run = str(cells.folder(directory, cell.after[0])) if cell.after else None
        return replace(config, run=run, out=str(place), output_dir=str(place.parent))
    lr = config.trainer.lr if cell.lr is None else cell.lr
    where: Plain = {"output_dir": str(place.parent), "run": place.name}
    return replace(
        config, **where, resume=not afresh, overwrite=afresh, eval=cell.test, trainer=replace(config.trainer, lr=lr)
    )


def run(config: Config) -> RunDirectory:
    """Hand a config to its recipe."""
    from qft.runs.evaluate import evaluate
    from qft.runs.train import train

    return train(config) if isinstance(config, TrainConfig) else evaluate(config)


def resolved(jobs: Mapping[str, Job]) -> dict[str, Plain]:
    """The configs as plain data, by the names of their cells."""
    return {name: json.loads(json.dumps(asdict(job.config))) for name, job in jobs.items()}
