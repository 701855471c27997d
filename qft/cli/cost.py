"""Circuits, jobs, shots, round trips, time and money of an evaluation on hardware; sends nothing.

For both groupings and for the surrogate, from the adapter, the model's architecture and the sizes of the test:
``qft cost adapter=qwthn model=qwen2_7b_instruct answers=50 price=0.002 rate=2 round_trip=30``.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from qft import ranges
from qft.cli._command import Command
from qft.cli._output import log, show
from qft.config import CostConfig
from qft.errors import QftError, nearest
from qft.progress import quiet_libraries, start_logging

if TYPE_CHECKING:
    from qft.adapters.on_hardware import OnHardware
    from qft.quantum.circuit import Circuit

USUAL_BATCH = 16  # what evaluation.batch_size=auto is where memory is not short


def run(config: CostConfig) -> None:
    """Count circuits on the meta device and print one line for each way to run them."""
    start_logging()
    _check(config)
    answers, validation = _sizes(config)
    quiet_libraries()
    from qft.adapters import methods
    from qft.models import inject, load
    from qft.quantum.hardware import clients, cost
    from qft.quantum.mitigation import Mitigation

    base, targets = load.meta_base(config.model), config.model.get("target_modules")
    model = methods.of(config.adapter).add_to(base, targets, seed=0)
    circuits = [circuit for circuit, _ in inject.circuits(model)]
    e, b = config.evaluation, config.backend
    written = config.answer_tokens or e.max_new_tokens
    whole = min(config.prompt_tokens + written, config.max_seq_len)
    side_by_side = USUAL_BATCH if e.batch_size == "auto" else int(e.batch_size)
    work = cost.Work(validation, whole, answers, config.prompt_tokens, written, side_by_side)
    charge = clients.of(b["name"]).price
    mitigation = Mitigation.of(b.get("mitigation"))
    terms = cost.Terms(
        b["batch_size"], b["shots"], config.price, config.per, config.rate, config.round_trip, charge, mitigation
    )
    if config.calibration is not None and circuits:
        terms = replace(
            terms, rate=config.rate or 1 / (_seconds(config.calibration, circuits, mitigation.folds) * terms.shots)
        )
    if published := charge(1, 1, b["shots"]):
        log.info("price=null: %s", published.rule)
    if not circuits:
        shapes = inject.shapes(model)
        used = methods.of(config.adapter).on_hardware(shapes)
        _report(config, work, len(shapes), _simulated(config, used, work, terms))
        return
    costs = [cost.direct(way, circuits, work, terms, way == "per_observable") for way in ("grouped", "per_observable")]
    try:
        costs.append(cost.surrogate(circuits, terms))
    except ValueError as error:
        log.warning("no surrogate: %s", error)
    _report(config, work, len(circuits), costs)


def _seconds(name: str, circuits: Sequence["Circuit"], folds: Sequence[int]) -> float:
    """Of a shot of these circuits, on average, routed for a calibrated chip as backend.noise= does; says what it found.

    A circuit takes its gates, its read-out and nothing else: how long a chip waits between shots is not known.
    """
    from qft.quantum import calibration
    from qft.quantum.routing import route

    chip = calibration.load(name)
    spent = 0.0
    for circuit in dict.fromkeys(circuits):
        try:
            routed = [route(circuit, chip, folds=n) for n in folds]
        except ValueError as error:
            raise QftError(f"calibration={name}: {error}.") from error
        one = routed[0]
        gates = f"{one.pair_gates} {chip.two_qubit}, {one.pulses} pulses, {one.time / 1000:.2f} us and read-out"
        log.info("on %s: %s, qubits %s", chip.name, gates, ", ".join(map(str, one.physical)))
        mean = sum(each.time for each in routed) / len(folds)
        spent += (mean + chip.readout_time) * 1e-9 * circuits.count(circuit)
    return spent / len(circuits)


def _simulated(config: CostConfig, used: "OnHardware | None", work: Any, terms: Any) -> list[Any]:
    """Of a method that is computed as mathematics here: what hardware would run in its place."""
    from qft.quantum.hardware import cost

    name = config.adapter["name"]
    if used is None:
        raise QftError(f"adapter={name} has no circuit that a chip could run; its cost there is none.")
    if used.refused or used.circuit is None:
        raise QftError(f"adapter={name} cannot run on hardware: {used.refused}.")
    log.info("measured: %s", used.measures)
    if used.a_step:
        return cost.step(used.circuit, terms)
    fit = config.backend["max_qubits"] // used.circuit.qubits
    if fit < 1:
        raise QftError(f"backend.max_qubits={config.backend['max_qubits']} holds no circuit of {used.circuit.qubits}.")
    ways = [("block by block", 1)] + [(f"{fit} blocks side by side", fit)] * (fit > 1)
    return [cost.blocks(way, used.a_token, n, work, terms) for way, n in ways]


def _check(config: CostConfig) -> None:
    if "_target_" not in config.adapter:
        raise QftError("Choose a method whose circuits to count: adapter=qwthn, adapter=qtha, ...")
    if "shots" not in config.backend or "batch_size" not in config.backend:
        name = config.backend["name"]
        raise QftError(f"backend={name} is simulated here and costs no circuits; use backend=qcloud or backend=ibm.")
    if config.per not in ("circuit", "shot"):
        raise QftError(f"per={config.per} does not exist.{nearest(config.per, ('circuit', 'shot'))}")
    numbers = {f"backend.{k}": config.backend[k] for k in ("shots", "batch_size")}
    if config.evaluation.batch_size != "auto":
        try:
            numbers["evaluation.batch_size"] = int(config.evaluation.batch_size)
        except ValueError:
            raise QftError(
                f"evaluation.batch_size={config.evaluation.batch_size} is neither auto nor a number."
            ) from None
    for name, value in numbers.items():
        ranges.check_one(name, value, ranges.Range(at_least=1), whole=True)


def _sizes(config: CostConfig) -> tuple[int, int]:
    """Test answers and validation samples: as given, else as the data has them."""
    answers = config.answers or config.evaluation.limit
    if answers:
        return answers, config.n // 10
    if config.data.get("hub"):
        raise QftError("qft cost uses no network: say answers=N, or give the data's directory with data.path=DIR.")
    from qft.data import prepare

    parts = prepare.split(prepare.load(config.data), config.n, config.data)
    return len(parts.test), len(parts.validation)


def _report(config: CostConfig, work: Any, modules: int, costs: list[Any]) -> None:
    name = f"{config.adapter['name']} on {config.model['name'] or config.model['path']}"
    title = f"{name}: {modules} modules, {work.answers} answers, {work.validation} validation samples"
    document = {"adapter": config.adapter["name"], "model": config.model["name"], "modules": modules}
    document |= {"work": asdict(work), "costs": [asdict(c) for c in costs]}
    rows = [[c.way, c.circuits, c.jobs, c.shots, c.round_trips, _time(c.seconds), c.money] for c in costs]
    columns = ["", "circuits", "jobs", "shots", "round trips", "time", "price"]
    show(config.format, document, title, columns, rows)
    limit = config.backend["max_circuits"]
    if limit is not None and (over := [c.way for c in costs if c.circuits > limit]):
        log.warning("backend.max_circuits=%s would stop: %s.", f"{limit:,}", ", ".join(over))


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.1f} s"


COMMAND = Command(CostConfig, run)
