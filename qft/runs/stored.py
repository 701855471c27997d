"""Existing runs: how they are found and read, and what an evaluation takes over from their config."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from qft import ranges, trust
from qft.config import CommonConfig, EvalConfig, TrainConfig
from qft.data.prepare import only_test
from qft.errors import QftError, first_line
from qft.names import shortened
from qft.records import Misfit, Plain, RunDirectory, check_files, from_json
from qft.runs import names
from qft.runs.checks import metrics_of

NEEDED = ("model", "data", "adapter", "n", "seed", "max_seq_len", "evaluation")  # keys of every stored config


@dataclass(frozen=True)
class Subject:
    """What is evaluated: a run's settings, overridden by those given now, or those given now alone.

    ``run``: the run; ``adapter``: the directory of its weights or of an adapter, None for the base alone;
    ``other_data``: whether a run is tested on a set that is not its own, and for testing only.
    """

    model: Plain
    data: Plain
    n: int
    seed: int
    max_seq_len: int
    metrics: list[str]
    run: Path | None = None
    adapter: Path | None = None
    other_data: bool = False


def find(given: str, output_dir: str, key: str = "run") -> Path:
    """The directory that a name or path means.

    A word without a separator is first looked for below ``output_dir``, where ``run=NAME`` of a training puts it, then
    as a name without its time or that of a sweep's cell, where only one is called so; ``./NAME`` is always a path, and
    may leave out the time too.

    Args:
        given: Name or path.
        output_dir: Where runs are made.
        key: The option it was given with, for messages.

    Raises:
        QftError: There is no such directory, or several may be meant.
    """
    below = Path(output_dir)
    try:
        places = [Path(given)] if "/" in given else [below / given, Path(given)]
        if place := next((p for p in places if given.strip() and p.is_dir()), None):
            return place
        if "/" in given:
            beside = [p for p in Path(given).parent.glob("*") if names.is_run(p) or names.is_sweep(p)]
            return names.meant(given, beside, key)
        return names.meant(given, names.among(below), key)
    except OSError as error:  # too long, or a directory that may not be read
        raise QftError(f"{key}={shortened(given)} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # a null byte
        raise QftError(f"{key}={shortened(given)} cannot be read: {error}.") from error


def read_config(run: Path) -> TrainConfig:
    """config.yaml of a run.

    Args:
        run: Its directory.

    Returns:
        The config it was trained with; an option that was added to qft later has its default.

    Raises:
        QftError: There is none, it is damaged, or it has options that this version does not know.
    """
    path = run / "config.yaml"
    if path.exists() and not path.is_file():
        raise QftError(f"{path} is a directory, a pipe or a device, and not a file.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise QftError(f"{run} is not a run directory: it holds no config.yaml.") from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        why = shortened(first_line(error))
        raise QftError(f"{path} cannot be read: {why}.") from error
    try:
        config = from_json(TrainConfig, content)
        ranges.check(config)
        _check(config, content)
    except (Misfit, QftError) as error:
        raise QftError(f"{path} is damaged: {str(error).removesuffix('.')}.") from error
    return config


def _check(config: TrainConfig, content: Plain) -> None:
    """What an evaluation needs of a stored config. Options are checked later, by the plug-ins that take them."""
    if missing := next((key for key in NEEDED if key not in content), None):
        raise Misfit(f"'{missing}' is missing")
    for group, keys in (("model", ("path", "template")), ("data", ("_target_", "name")), ("adapter", ("name",))):
        options = content[group]
        if not isinstance(options, dict) or not all(isinstance(key, str) for key in options):
            raise Misfit(f"'{group}' is not a mapping of options")
        for key in keys:
            if not isinstance(options.get(key), str):
                raise Misfit(f"'{group}.{key}' is not text")
    if config.evaluation.metrics is None:
        raise Misfit("'evaluation.metrics' is missing")


def check_data(run: Path, fingerprint: str) -> None:
    """Raise QftError where the data, by its fingerprint, is not what the run was started with."""
    data = RunDirectory(run).record().data
    if data is None or data.fingerprint != fingerprint:
        raise _other(run, "data", "data")


def check_base(run: Path, spec: Plain) -> str:
    """The fingerprint that the run recorded of its base; of 0.1.0's it covers less.

    Args:
        run: A run.
        spec: Options of the base (``model``).

    Raises:
        QftError: This base is not what the run was started with.
    """
    from qft.models import load

    model = RunDirectory(run).record().model
    if model is None or not load.is_base(spec, model.fingerprint):
        raise _other(run, "model", "base model")
    return model.fingerprint


def check_other_data(run: Path, fingerprint: str) -> None:
    """Raise QftError where a set for testing only is the one that the run was trained on."""
    data = RunDirectory(run).record().data
    if data is not None and data.fingerprint == fingerprint:
        raise QftError(
            f"data.split=test: {run} was trained on this very set; leave it out for the test rows of the run."
        )


def _other(run: Path, group: str, what: str) -> QftError:
    return QftError(f"The {what} is not what {run} was trained with; give the same with {group}.path=.")


def subject(config: EvalConfig) -> Subject:
    """What an evaluation evaluates.

    Raises:
        QftError: The run does not exist, is not finished, is damaged, or needs code that is not trusted; or an adapter
            is given beside it.
    """
    if (config.adapter or {}).get("name", "saved") != "saved":
        raise QftError("A trained adapter is needed: run=DIR or adapter.path=DIR (neither: the base model).")
    path = (config.adapter or {}).get("path")
    if config.run is None:
        return given_subject(config)
    if path is not None:
        raise QftError("run= and adapter.path= each name an adapter; give one of them.")
    run = find(config.run, config.output_dir)
    trained_with = read_config(run)
    check_files(run)
    directory = RunDirectory(run)
    if diverged := directory.diverged:
        raise QftError(f"{run} has no result to evaluate ({diverged}).")
    if not directory.complete:
        raise QftError(f"{run} is not finished; resume it with: qft train run={run.name} resume=true and its options.")
    directory.verify()
    merged = of_run(config, trained_with, run)
    if merged.model.get("trust_remote_code") and not trust.given().remote_code:
        raise QftError(
            f"{run} was trained with code of its model's own; if you trust that code, say so each time: "
            "model.trust_remote_code=true."
        )
    return merged


def of_run(config: EvalConfig, trained_with: TrainConfig, run: Path) -> Subject:
    """The settings of a stored run, overridden by those that the evaluation's config gives.

    Args:
        config: The evaluation's.
        trained_with: The run's own config.
        run: Its directory.

    Raises:
        QftError: Another model or data set was chosen by name, and the set is not one for testing only.
    """
    other_data = bool(config.data) and only_test(config.data)
    if other_data and "name" not in config.data:
        raise QftError("data.split=test tests on another set than the run's own; name it: data=NAME data.path=...")
    for group, given, own in (("model", config.model, trained_with.model), ("data", config.data, trained_with.data)):
        name = (given or {}).get("name")
        if name is not None and name != own.get("name") and not (other_data and group == "data"):
            raise QftError(
                f"{group}={name} is not what {run} was trained with; leave it out, or give single keys ({group}.path=)."
            )
    data = config.data if other_data else {**trained_with.data, **(config.data or {})}
    own_metrics = metrics_of(config.evaluation, data) if other_data else trained_with.evaluation.metrics
    metrics = config.evaluation.metrics
    return Subject(
        model={**trained_with.model, **(config.model or {})},
        data=data,
        n=trained_with.n if config.n is None else config.n,
        seed=trained_with.seed if config.seed is None else config.seed,
        max_seq_len=trained_with.max_seq_len if config.max_seq_len is None else config.max_seq_len,
        metrics=list((own_metrics if metrics is None else metrics) or ()),
        run=run,
        adapter=run / "adapter",
        other_data=other_data,
    )


def given_subject(config: EvalConfig) -> Subject:
    """What is evaluated without a run: the config's settings, and a training's defaults where it gives none."""
    path = (config.adapter or {}).get("path")
    return Subject(
        model=config.model,
        data=config.data,
        n=CommonConfig.n if config.n is None else config.n,
        seed=CommonConfig.seed if config.seed is None else config.seed,
        max_seq_len=CommonConfig.max_seq_len if config.max_seq_len is None else config.max_seq_len,
        metrics=metrics_of(config.evaluation, config.data),
        adapter=Path(path) if path else None,
    )
