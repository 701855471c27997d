"""The named circuits of the papers. No ansatz may end in a CRZ layer: before a Z read-out it does nothing."""

from qft.quantum.circuit import Circuit, Gate, Input, Weight


def qwthn(qubits: int = 4, blocks: int = 1) -> Circuit:
    """QWTHN circuit (arXiv 2503.12790 v1, section II.B): angle encoding, then ``blocks`` of entanglers.

    RY(z_i) on every qubit; each block is CRZ on the nearest-neighbour chain (0,1), (1,2), ..., one
    non-local CRZ (last, 0), then a trainable RY on every qubit. Weights in this order, so a block has
    ``2 * qubits`` of them (two qubits have one neighbour pair and the non-local one, one qubit only RY).
    The place of the trainable RY is inferred: the paper names RY encoding, CRZ and the block structure.
    """
    if qubits < 1 or blocks < 1:
        raise ValueError(f"qubits and blocks must be at least 1, got {qubits} and {blocks}")
    gates = [Gate("RY", (q,), Input(q)) for q in range(qubits)]
    pairs = [(q, q + 1) for q in range(qubits - 1)] + ([(qubits - 1, 0)] if qubits > 1 else [])
    weight = 0
    for _ in range(blocks):
        for pair in pairs:
            gates.append(Gate("CRZ", pair, Weight(weight)))
            weight += 1
        for q in range(qubits):
            gates.append(Gate("RY", (q,), Weight(weight)))
            weight += 1
    return Circuit(qubits, tuple(gates))
