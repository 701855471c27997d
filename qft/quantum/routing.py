"""Circuits placed and routed for a real chip by Qiskit's transpiler, in the gates and the time of that chip.

Every angle of the circuit goes in as a parameter of its own and comes out in RZ gates whose angles are affine in
them. So a circuit is routed once, for all weights and inputs, and what is simulated, priced and sent is one circuit.
Waiting is written out as delays: gates start as late as they can. Equal circuits, chips, seeds, levels and versions of
Qiskit give equal results.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from qft.errors import QftError
from qft.quantum.calibration import ONE_QUBIT, TWO_QUBIT, Calibration, GateQuality
from qft.quantum.circuit import Angle, Circuit, Input, Weight

_METHODS = {"RX": "rx", "RY": "ry", "RZ": "rz", "CRZ": "crz", "H": "h", "X": "x", "CNOT": "cx", "CZ": "cz"}


@dataclass(frozen=True)
class RoutedOp:
    """A gate of the chip, or ``delay``, on places of ``Routed.physical``.

    The angle of an rz is ``constant`` plus the sum of factor times angle over ``terms``, in radians; ``time`` is that
    of a delay in nanoseconds.
    """

    name: str
    places: tuple[int, ...]
    terms: tuple[tuple[Angle, float], ...] = ()
    constant: float = 0.0
    time: float = 0.0


@dataclass(frozen=True)
class Routed:
    """A circuit on a chip.

    Attributes:
        chip: Its name.
        physical: The chip's qubits that take part, those that only pass states on included.
        measured: Of each qubit of the circuit, its place in ``physical`` when it is read.
        ops: In the order applied.
        time: Of the circuit without its read-out, in nanoseconds.
    """

    chip: str
    physical: tuple[int, ...]
    measured: tuple[int, ...]
    ops: tuple[RoutedOp, ...]
    time: float

    @property
    def pair_gates(self) -> int:
        """Gates on two qubits."""
        return sum(len(op.places) == 2 for op in self.ops)

    @property
    def pulses(self) -> int:
        """Gates on one qubit that take time."""
        return sum(op.name in ONE_QUBIT for op in self.ops)


@cache
def route(circuit: Circuit, chip: Calibration, seed: int = 0, level: int = 2, folds: int = 1) -> Routed:
    """The circuit as the chip runs it.

    Args:
        circuit: No wider than the chip.
        chip: Its calibration.
        seed: Of the transpiler.
        level: Its optimisation level, 0 to 3.
        folds: How often each gate on two qubits is run, an odd number: the same circuit with more noise.

    Raises:
        QftError: Qiskit is not installed.
        ValueError: The circuit does not fit on the chip.
    """
    placed = transpiled(circuit, chip, seed, level, folds)
    used: dict[int, None] = {}
    measured = [0] * circuit.qubits
    ops: list[tuple[str, tuple[int, ...], Any]] = []
    for instruction in placed.data:
        name, on = instruction.operation.name, tuple(placed.find_bit(q).index for q in instruction.qubits)
        if name == "measure":
            measured[placed.find_bit(instruction.clbits[0]).index] = on[0]
        elif name != "barrier":
            ops.append((name, on, instruction.operation))
        if name not in ("barrier", "delay"):
            used |= dict.fromkeys(on)
    physical = tuple(sorted(used))
    place = {q: k for k, q in enumerate(physical)}
    started: set[int] = set()  # a qubit that waits in |0> stays there
    routed: list[RoutedOp] = []
    for name, on, operation in ops:
        if name != "delay":
            started.update(on)
        elif on[0] not in started:
            continue
        routed.append(_op(name, tuple(place[q] for q in on), operation, circuit, chip))
    return Routed(chip.name, physical, tuple(place[q] for q in measured), tuple(routed), _time(ops, chip, measured))


def _op(name: str, places: tuple[int, ...], operation: Any, circuit: Circuit, chip: Calibration) -> RoutedOp:
    if name == "delay":
        return RoutedOp(name, places, time=operation.duration * chip.dt)
    if name != "rz":
        return RoutedOp(name, places)
    angle = operation.params[0]
    if isinstance(angle, int | float):
        return RoutedOp(name, places, constant=float(angle))
    of_gate = {int(p.name[1:]): p for p in angle.parameters}
    # float() refuses a derivative that is no number: the angle would not be affine
    terms = tuple((circuit.gates[k].angle, float(angle.gradient(of_gate[k]))) for k in sorted(of_gate))
    return RoutedOp(name, places, terms, float(angle.bind(dict.fromkeys(angle.parameters, 0.0))))


def _time(ops: list[tuple[str, tuple[int, ...], Any]], chip: Calibration, measured: list[int]) -> float:
    """Until qubits are read: delays pad all that are measured to the same end."""
    spent = dict.fromkeys(range(len(chip.qubits)), 0.0)
    for name, on, operation in ops:
        time = 0.0 if name == "rz" else operation.duration * chip.dt if name == "delay" else chip.quality(name, on).time
        for q in on:
            spent[q] += time
    return max(spent[q] for q in measured)


@cache
def transpiled(circuit: Circuit, chip: Calibration, seed: int = 0, level: int = 2, folds: int = 1) -> Any:
    """The routed circuit as Qiskit's QuantumCircuit: in the chip's gates, delays written out, qubits read at the end.

    Classical bit k is qubit k of ``circuit``. The parameter ``a3`` is the angle of the circuit's gate number 3, where
    that is an input or a weight.

    Raises:
        QftError: Qiskit is not installed.
        ValueError: The circuit does not fit on the chip.
    """
    qiskit = _qiskit()
    if circuit.qubits > len(chip.qubits):
        raise ValueError(f"{circuit.qubits} qubits, and {chip.name} has {len(chip.qubits)}")
    out = qiskit.QuantumCircuit(circuit.qubits)
    for k, gate in enumerate(circuit.gates):
        angle = qiskit.circuit.Parameter(f"a{k}") if isinstance(gate.angle, Input | Weight) else gate.angle
        arguments = gate.qubits if angle is None else (angle, *gate.qubits)
        # by name: RX is rx, CNOT is cx
        vars(qiskit.QuantumCircuit)[_METHODS[gate.name]](out, *arguments)
    out.measure_all()
    from qiskit.transpiler import generate_preset_pass_manager

    passes = generate_preset_pass_manager(level, target=target(chip), seed_transpiler=seed, scheduling_method="alap")
    scheduling, passes.scheduling = passes.scheduling, None
    try:
        return scheduling.run(_folded(passes.run(out), folds))
    except qiskit.transpiler.TranspilerError as error:
        raise ValueError(f"Qiskit cannot route it for {chip.name} ({error.message})") from error


def _folded(placed: Any, folds: int) -> Any:
    out = placed.copy_empty_like()
    for instruction in placed.data:
        pair = len(instruction.qubits) == 2 and instruction.name in TWO_QUBIT
        for _ in range(folds if pair else 1):
            out._append(instruction)
    return out


@cache
def target(chip: Calibration) -> Any:
    """The chip as Qiskit's Target, which its transpiler and its simulators take."""
    _qiskit()
    from qiskit.circuit import Delay, Measure, Parameter
    from qiskit.circuit.library import CXGate, CZGate, ECRGate, RZGate, SXGate, XGate
    from qiskit.transpiler import InstructionProperties, QubitProperties, Target

    def properties(quality: GateQuality) -> Any:
        return InstructionProperties(round(quality.time / chip.dt) * chip.dt * 1e-9, quality.error)

    n = len(chip.qubits)
    lifetimes = [QubitProperties(*(None if t is None else t * 1e-6 for t in (q.t1, q.t2))) for q in chip.qubits]
    out = Target(chip.name, n, dt=chip.dt * 1e-9, qubit_properties=lifetimes)
    out.add_instruction(RZGate(Parameter("angle")), {(q,): InstructionProperties(0.0, 0.0) for q in range(n)})
    for name, gate in (("sx", SXGate()), ("x", XGate())):
        out.add_instruction(gate, {(q,): properties(of.gates[name]) for q, of in enumerate(chip.qubits)})
    pair_gate = {"cz": CZGate, "ecr": ECRGate, "cx": CXGate}[chip.two_qubit]()
    out.add_instruction(pair_gate, {pair: properties(quality) for pair, quality in chip.pairs.items()})
    out.add_instruction(Delay(Parameter("time")), dict.fromkeys((q,) for q in range(n)))
    readings = [GateQuality(sum(q.readout) / 2, chip.readout_time) for q in chip.qubits]
    out.add_instruction(Measure(), {(q,): properties(of) for q, of in enumerate(readings)})
    return out


def _qiskit() -> Any:
    try:
        import qiskit
        import qiskit.transpiler
    except ImportError as error:
        raise QftError(
            f"Circuits are routed for a real chip by Qiskit, which is not installed: pip install 'qft[ibm]' ({error})."
        ) from None
    return qiskit
