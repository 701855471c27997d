"""The named circuits of the papers. No ansatz may end in a CRZ layer: before a Z read-out it does nothing."""

from collections.abc import Iterable
from math import pi

from qft.quantum.circuit import Circuit, Gate, Input, Weight

ENCODINGS = ("layer", "once")
ORDERS = ("crz_first", "ry_first")

Ring = list[tuple[int, int]]  # (control, target) pairs


def _encoding(qubits: int) -> list[Gate]:
    return [Gate("RY", (q,), Input(q)) for q in range(qubits)]


class _Weights:
    """Hands out weights 0, 1, 2, ... to the gates that are added."""

    def __init__(self) -> None:
        self.used = 0

    def _next(self) -> Weight:
        self.used += 1
        return Weight(self.used - 1)

    def each_ry(self, qubits: Iterable[int]) -> list[Gate]:
        return [Gate("RY", (q,), self._next()) for q in qubits]

    def zyz(self, qubit: int) -> list[Gate]:
        return [Gate(name, (qubit,), self._next()) for name in ("RZ", "RY", "RZ")]

    def crz(self, pairs: Ring) -> list[Gate]:
        return [Gate("CRZ", pair, self._next()) for pair in pairs]

    def ry(self, qubits: int) -> list[Gate]:
        return self.each_ry(range(qubits))


def qwthn(qubits: int = 4, blocks: int = 1, entangle: bool = True) -> Circuit:
    """QWTHN circuit (arXiv 2503.12790 v1, section II.B): angle encoding, then ``blocks`` of entanglers.

    RY(z_i) on every qubit; each block is CRZ on the nearest-neighbour chain (0,1), (1,2), ..., one
    non-local CRZ (last, 0), then a trainable RY on every qubit. Weights in this order, so a block has
    ``2 * qubits`` of them (two qubits have one neighbour pair and the non-local one, one qubit only RY).
    The place of the trainable RY is inferred: the paper names RY encoding, CRZ and the block structure.
    ``entangle=False`` is the control: the same circuit with every CRZ left out.
    """
    if qubits < 1 or blocks < 1:
        raise ValueError(f"qubits and blocks must be at least 1, got {qubits} and {blocks}")
    pairs = [(q, q + 1) for q in range(qubits - 1)] + [(qubits - 1, 0)]
    pairs = pairs if entangle and qubits > 1 else []
    gates, weights = _encoding(qubits), _Weights()
    for _ in range(blocks):
        gates += weights.crz(pairs) + weights.ry(qubits)
    return Circuit(qubits, tuple(gates))


def qtha(
    qubits: int = 4, layers: int = 4, encode: str = "layer", order: str = "crz_first", entangle: bool = True
) -> Circuit:
    """QTHA circuit (arXiv 2503.12790 v2): data re-uploading between two opposite rings of CRZ.

    Each layer: RY(z_i) on every qubit, CRZ i -> i+1 around the ring, RY, CRZ i -> i-1 around the ring, RY;
    4 * qubits * layers weights in this order (2 for one qubit, which has no ring). Options, because
    descriptions differ: ``encode="once"`` uploads z in the first layer only; ``order="ry_first"`` puts
    each trainable RY before its ring. The last ring of all would then have no effect on <Z> and is left
    out, with its ``qubits`` weights. ``entangle=False`` is the control: every CRZ left out. The gates and
    the number of layers are inferred, and give the published parameter count.
    """
    if qubits < 1 or layers < 1:
        raise ValueError(f"qubits and layers must be at least 1, got {qubits} and {layers}")
    if encode not in ENCODINGS or order not in ORDERS:
        raise ValueError(f"encode is one of {ENCODINGS} and order one of {ORDERS}, got {encode!r} and {order!r}")
    ring = list(range(qubits)) if entangle and qubits > 1 else []
    up, down = [(q, (q + 1) % qubits) for q in ring], [(q, (q - 1) % qubits) for q in ring]
    gates, weights = [], _Weights()
    for layer in range(layers):
        if layer == 0 or encode == "layer":
            gates += _encoding(qubits)
        for pairs in (up, down):
            if order == "crz_first":
                gates += weights.crz(pairs) + weights.ry(qubits)
            else:
                last = pairs is down and layer == layers - 1
                gates += weights.ry(qubits) + weights.crz([] if last else pairs)
    return Circuit(qubits, tuple(gates))


def ry_chain(qubits: int, layers: int) -> Circuit:
    """The circuit of QPA (arXiv 2410.09846): in each layer RY on all qubits, then CNOT 0 -> 1 -> ... -> last."""
    gates, weights = [], _Weights()
    for _ in range(layers):
        gates += weights.ry(qubits) + [Gate("CNOT", (q, q + 1)) for q in range(qubits - 1)]
    return Circuit(qubits, tuple(gates))


def two_design(qubits: int, layers: int) -> Circuit:
    """The circuit of Quantum-PEFT (arXiv 2503.05431), as ``qft.tensor.two_design`` has it; from |0...0>, column 0.

    RY on all qubits, then in each layer CZ and RY on the pairs (0,1), (2,3), ... and on (1,2), (3,4), ...
    """
    weights = _Weights()
    gates = weights.ry(qubits)
    for _ in range(layers):
        for first in (0, 1):
            pairs = [(q, q + 1) for q in range(first, qubits - 1, 2)]
            gates += [Gate("CZ", pair) for pair in pairs] + weights.each_ry(q for pair in pairs for q in pair)
    return Circuit(qubits, tuple(gates))


def rx_chain(qubits: int) -> Circuit:
    """The circuit of QAA (arXiv 2509.16244), after amplitudes are encoded: RX on all qubits, then a chain of CNOT."""
    turns = [Gate("RX", (q,), Weight(q)) for q in range(qubits)]
    return Circuit(qubits, (*turns, *(Gate("CNOT", (q, q + 1)) for q in range(qubits - 1))))


def apc_pairs(qubits: int) -> tuple[tuple[int, int], ...]:
    """The pairs of APC's circuit in their order: (0,1), (2,3), ..., then (i, i + g) for g = 1, 2, ..., qubits - 1."""
    first = [(q, q + 1) for q in range(0, qubits - 1, 2)]
    return (*first, *((q, q + gap) for gap in range(1, qubits) for q in range(qubits - gap)))


def apc(qubits: int, layers: int) -> Circuit:
    """The circuit of APC (QCHFT), after its amplitudes are encoded: ``layers`` layers on each pair of qubits.

    A layer is RZ, RY, RZ on the first and on the second qubit of the pair, then CNOT there and back, as in PennyLane's
    StronglyEntanglingLayers on two wires.
    """
    gates, weights = [], _Weights()
    for a, b in apc_pairs(qubits):
        for _ in range(layers):
            gates += [*weights.zyz(a), *weights.zyz(b), Gate("CNOT", (a, b)), Gate("CNOT", (b, a))]
    return Circuit(qubits, tuple(gates))


def orthogonal_block(qubits: int) -> Circuit:
    """A block of CUA (arXiv 2605.05914): 2^qubits real amplitudes are encoded, then turned. For 1 or 2 qubits.

    One qubit: RY, RY. Two: three angles and a CNOT encode, and a rotation of SO(4) is A x B in the magic basis, six
    angles and two CNOT (arXiv quant-ph/0308006); equal to a real rotation up to a phase.
    """
    weights = _Weights()
    if qubits == 1:
        return Circuit(1, (Gate("RY", (0,), Input(0)), *weights.ry(1)))
    if qubits != 2:
        raise ValueError(f"a block has 1 or 2 qubits, got {qubits}")
    encode = [Gate("RY", (0,), Input(0)), Gate("RY", (1,), Input(1)), Gate("CNOT", (0, 1)), Gate("RY", (1,), Input(2))]
    basis = [Gate("H", (1,)), Gate("CNOT", (1, 0))]
    before, after = ([Gate("RZ", (q,), sign * pi / 2) for q in (0, 1)] for sign in (1, -1))
    turn = [*before, *basis, *weights.zyz(0), *weights.zyz(1), *basis[::-1], *after]
    return Circuit(2, (*encode, *turn))
