"""The recipe of ``qft forecast``: a trained run on a chip that exists only as its errors. Sends nothing.

    ideal      the loss without noise
    exact      the loss with the chip's errors and infinitely many shots: exact noisy read-outs in every layer
    loss       ``repeats`` times the loss with N shots, each drawn from the exact distribution of the outcomes; the
               interval holds one more such measurement with probability 95 % (``statistics.prediction``)
    curve      to first order in the variance of a read-out, which is as 1/N: mean exact + a/N, deviation b/sqrt(N)
    layers     the read-outs of each layer beside ideal ones, and the loss with that layer alone on the chip

The intervals are those of one measurement on these very samples: they cover shots, shared as the job runner shares
them (``rehearsal.py``). They do not cover what the noise model does not know: drift since the calibration, crosstalk,
errors that depend on the angles.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qft import records
from qft.config import ForecastConfig
from qft.errors import QftError, nearest
from qft.evaluation import metrics
from qft.quantum.mitigation import Mitigation
from qft.records import Expected, Forecast, LayerForecast, Plain, RunDirectory, ScoreForecast
from qft.runs import checks, noise_aware, on_chip, stored
from qft.runs.on_chip import OnChip
from qft.runs.stored import Subject
from qft.statistics.prediction import prediction_interval

if TYPE_CHECKING:
    from qft.quantum.backends.base import Backend
    from qft.quantum.circuit import Circuit
    from qft.quantum.hardware.clients.base import Client
    from qft.quantum.hardware.cost import Cost, Work
    from qft.quantum.hardware.rehearsal import Rehearsal

SIXTEENTHS = (1, 4, 16, 64, 256)  # of the shots: the points of the curve
ZNE = [1, 3]  # how often gates are run, where backend.mitigation.zne does not say
WAYS = {"direct": "grouped", "surrogate": "surrogate"}  # mode -> way of ``qft cost``


def forecast(config: ForecastConfig) -> Forecast:
    """What the chip will do to a finished run. Writes nothing.

    Args:
        config: ``run`` names the run; ``backend`` is the simulator that forecasts, without shots and seed.

    Returns:
        The forecast.

    Raises:
        QftError: A problem that the user can fix.
    """
    subject = stored.subject(config)
    if subject.run is None:
        raise QftError("qft forecast takes a finished run: run=DIR.")
    trained_with = stored.read_config(subject.run)
    options = _check(config, subject)
    circuits = on_chip.circuits_of(trained_with.adapter, subject.model)
    chip = _simulator(config, circuits)
    noise_aware.check(chip, config.retrain)
    run = on_chip.load(config, subject)
    ideal = _ideal()
    run.use(ideal)
    base, without = run.base_loss(), run.loss("ideal")
    written = run.scores(config, options, "ideal answers")
    exact, layers = _layers(run, config, ideal, chip, without)
    losses, sent, drawn = _measured(run, config, options)
    work = _work(run, config)
    loss = _expected(losses)
    retrained = None
    if config.retrain:
        retrained = noise_aware.retrain(run, trained_with, config.retrain, ideal, chip, exact)
    return Forecast(
        run=str(subject.run),
        adapter=trained_with.adapter["name"],
        chip=config.chip,
        backend=config.backend,
        shots=config.shots,
        mode=config.mode,
        seed=subject.seed,
        part=run.part,
        samples=len(run.rows),
        tokens=run.tokens,
        base=base,
        ideal=without,
        exact=exact,
        loss=loss,
        margin=run.parts.summary.margin,
        circuits=round(sum(sent) / len(sent)),
        layers=layers,
        curve=_curve(config, exact, loss, circuits, work),
        answers=len(run.prompts),
        scores={s.name: _score(s, [draw[k].value for draw in drawn]) for k, s in enumerate(written)},
        costs=[records.CostForecast(**asdict(cost)) for cost in _costs(config, circuits, work)],
        record=records.new_record(subject.seed, metrics.packages()),
        mitigated=_mitigated(run, config, circuits, work) if config.mitigate else [],
        retrained=retrained,
    )


def measure(run: OnChip, simulator: "Backend", mode: str) -> float:
    """The loss as one measurement on a chip gives it.

    Args:
        run: Loaded.
        simulator: The chip's stand-in, which samples shots.
        mode: direct or surrogate.
    """
    from qft.quantum.hardware.rehearsal import Rehearsal

    run.use(Rehearsal(simulator, mode))
    return run.loss(f"loss on {simulator.name}")


def _check(config: ForecastConfig, subject: Subject) -> checks.Options:
    """Refuse what can be refused before anything is loaded; return the options of the metrics."""
    if config.mode not in WAYS:
        raise QftError(f"mode={config.mode} does not exist.{nearest(config.mode, WAYS)}")
    if config.per not in ("circuit", "shot"):
        raise QftError(f"per={config.per} does not exist.{nearest(config.per, ('circuit', 'shot'))}")
    if not {"noise", "shots"} <= set(config.backend):
        raise QftError(f"backend={config.backend['name']} simulates no chip; forecast with backend=noisy.")
    for key in ("shots", "seed"):
        if config.backend.get(key) not in (None, config.seed):
            raise QftError(f"backend.{key}= is for an evaluation; of a forecast, write {key}=.")
    _client(config)
    if config.mitigate and "mitigation" not in config.backend:
        raise QftError(
            f"backend={config.backend['name']} mitigates nothing; leave mitigate=false, or use backend=noisy."
        )
    room = subject.max_seq_len if config.answers else None
    return checks.check_evaluation(config.evaluation, subject.metrics, config.metric, room)


def _options(config: ForecastConfig) -> Plain:
    return {key: value for key, value in config.backend.items() if key not in ("shots", "seed")}


def _simulator(config: ForecastConfig, circuits: "Sequence[Circuit]") -> "Backend":
    """The chip with infinitely many shots. Raises QftError where it cannot run the circuits."""
    from qft.adapters import binding
    from qft.quantum import backends
    from qft.quantum.hardware import surrogate

    chip = backends.load(**_options(config))
    for circuit in circuits:
        binding.check(chip, circuit)
        if config.mode == "surrogate":
            try:
                surrogate.settings(circuit)
            except ValueError as error:
                raise QftError(f"mode=surrogate does not fit this circuit: {error}.") from error
    return chip


def _mitigation(config: ForecastConfig) -> Mitigation:
    return Mitigation.of(config.backend.get("mitigation"))


def _ideal() -> "Backend":
    from qft.quantum.backends.statevector import Statevector

    return Statevector()


def _layers(
    run: OnChip, config: ForecastConfig, ideal: "Backend", chip: "Backend", without: float
) -> tuple[float, list[LayerForecast]]:
    """The loss with exact noisy read-outs, and of each layer its read-outs and what it alone adds to the loss."""
    from qft.quantum.readout_errors import Compared, ReadoutErrors

    errors = {name: ReadoutErrors() for name in run.layers}
    for name in run.layers:
        run.use(Compared(chip, ideal, errors[name]), name)
    exact = run.loss("all layers on the chip")
    rises = {}
    for name in run.layers:
        run.use(ideal)
        run.use(chip, name)
        rises[name] = run.loss(f"layer {name} on the chip") - without
    return exact, [
        LayerForecast(
            layer=name,
            circuits=sum(len(delta.circuits()) for delta in deltas),
            error=errors[name].error,
            kept=errors[name].slope,
            shot_error=None if _mitigation(config) != Mitigation() else errors[name].shot_error(config.shots),
            loss_rise=rises[name],
        )
        for name, deltas in run.layers.items()
    ]


def _measured(
    run: OnChip, config: ForecastConfig, options: checks.Options
) -> tuple[list[float], list[int], list[list[Any]]]:
    """Losses, circuits of a loss and scores of ``repeats`` simulated measurements."""
    losses, sent, drawn = [], [], []
    for k in range(config.repeats):
        rehearsal = _rehearsal(run, config, k)
        losses.append(run.loss(f"measurement {k + 1} of {config.repeats}"))
        sent.append(rehearsal.sent)
        drawn.append(run.scores(config, options, f"answers {k + 1} of {config.repeats}"))
    return losses, sent, drawn


def _rehearsal(run: OnChip, config: ForecastConfig, k: int) -> "Rehearsal":
    """The run on the chip with shots of its own for measurement ``k``."""
    from qft.quantum import backends
    from qft.quantum.hardware.rehearsal import Rehearsal

    simulator = backends.load(**_options(config), shots=config.shots, seed=run.subject.seed * 1000 + k)
    rehearsal = Rehearsal(simulator, config.mode)
    run.use(rehearsal)
    return rehearsal


def _mitigated(
    run: OnChip, config: ForecastConfig, circuits: "Sequence[Circuit]", work: "Work"
) -> list[records.MitigatedForecast]:
    """The loss with each kind of mitigation, and its price."""
    from qft.quantum import backends

    given = config.backend["mitigation"]
    folds = given["zne"] or ZNE
    kinds = {
        "none": {"readout": False, "zne": None},
        "read-out": {"readout": True, "zne": None},
        "zero-noise extrapolation": {"readout": False, "zne": folds},
        "both": {"readout": True, "zne": folds},
    }
    out = []
    for name, changed in kinds.items():
        with_it = replace(config, backend=config.backend | {"mitigation": given | changed})
        run.use(backends.load(**_options(with_it)))
        exact = run.loss(f"mitigation: {name}")
        losses = []
        for k in range(config.repeats):
            _rehearsal(run, with_it, k)
            losses.append(run.loss(f"mitigation: {name}, measurement {k + 1} of {config.repeats}"))
        cost = next(c for c in _costs(with_it, circuits, work) if c.way == WAYS[config.mode])
        options = with_it.backend["mitigation"]
        out.append(records.MitigatedForecast(name, options, exact, _expected(losses), cost.circuits, cost.money))
    return out


def _expected(draws: list[float]) -> Expected:
    equal = max(draws) == min(draws)  # which says little of the next
    return Expected(sum(draws) / len(draws), None if equal else prediction_interval(draws), draws)


def _score(ideal: Any, draws: list[float | None]) -> ScoreForecast:
    known = [value for value in draws if value is not None]
    chip = _expected(known) if len(known) == len(draws) else None
    return ScoreForecast(ideal.value, chip, ideal.higher_is_better)


def _work(run: OnChip, config: ForecastConfig) -> "Work":
    """The loss and the answers, as ``qft cost`` counts them: with the mean length of the samples and prompts."""
    from qft.quantum.hardware.cost import Work

    tokens = ceil(sum(len(row["input_ids"]) for row in run.rows) / len(run.rows))
    prompt = ceil(sum(len(p.ids) for p in run.prompts) / len(run.prompts)) if run.prompts else 0
    return Work(len(run.rows), tokens, len(run.prompts), prompt, config.evaluation.max_new_tokens, run.batch_size)


def _client(config: ForecastConfig) -> "type[Client]":
    """The vendor's, whose published rule prices circuits; that of no vendor has none."""
    from qft.quantum.hardware import clients
    from qft.quantum.hardware.clients.base import Client

    if config.vendor is None:
        return Client
    try:
        return clients.of(config.vendor)
    except QftError:
        raise QftError(f"vendor={config.vendor} is no service that jobs are sent to; qcloud is one.") from None


def _costs(
    config: ForecastConfig, circuits: "Sequence[Circuit]", work: "Work", shots: int | None = None
) -> "list[Cost]":
    """The ways of ``qft cost``, with the circuits that mitigation adds."""
    from qft.quantum.hardware import cost

    terms = cost.Terms(
        *(config.batch_size, shots or config.shots, config.price, config.per, config.rate, config.round_trip),
        charge=_client(config).price,
        mitigation=_mitigation(config),
    )
    return cost.ways(circuits, work, terms)


def _curve(
    config: ForecastConfig, exact: float, loss: Expected, circuits: "Sequence[Circuit]", work: "Work"
) -> list[records.CurvePoint]:
    points = []
    half = (loss.interval[1] - loss.interval[0]) / 2 if loss.interval else None
    for shots in sorted({max(1, config.shots * part // 16) for part in SIXTEENTHS}):
        ratio = config.shots / shots
        mean = exact + (loss.mean - exact) * ratio
        interval = None if half is None else (mean - half * ratio**0.5, mean + half * ratio**0.5)
        costs = _costs(config, circuits, work, shots)
        money = next((c.money for c in costs if c.way == WAYS[config.mode]), None)
        points.append(records.CurvePoint(shots, mean, interval, money))
    return points


def place(config: ForecastConfig, made: Forecast) -> Path:
    """Where the forecast is written: ``out``, or a directory of its own in the run's."""
    if config.out is not None:
        return Path(config.out)
    name = "-".join((Path(made.chip).stem, str(made.shots), made.mode))
    return RunDirectory(Path(made.run)) / "forecast" / name
