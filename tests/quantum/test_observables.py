"""Pauli strings: groups, basis rotations, and values from counts, against the dense reference."""

from functools import reduce

import numpy as np
import pytest

from qft.quantum import ansatz, observables, reference

PAULIS = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1.0, -1.0]),
}
STRINGS = ["ZII", "IXI", "IIY", "XYZ", "YXZ", "ZZZ", "XXI", "IIZ"]


def expectation(psi: np.ndarray, string: str) -> float:
    """<psi| P |psi> with the whole matrix of P."""
    matrix = reduce(np.kron, [PAULIS[p] for p in string])
    flat = psi.ravel()
    return float(np.real(flat.conj() @ matrix @ flat))


def counts_of(circuit, basis: str, z: np.ndarray, w: np.ndarray, shots: int = 10**9) -> dict[str, int]:
    """Expected counts of the measured qubits; the k-th measured qubit is bit k, bit 0 rightmost."""
    p = np.abs(reference.state(observables.turned(circuit, basis), z, w)) ** 2
    out: dict[str, int] = {}
    for bits in np.ndindex(*p.shape):
        key = "".join(str(bits[q]) for q in reversed(observables.measured(basis)))
        out[key] = out.get(key, 0) + round(p[bits] * shots)
    return out


def test_single_z_is_one_group_of_all_qubits() -> None:
    assert observables.single_z(3) == ["ZII", "IZI", "IIZ"]
    assert observables.grouped(observables.single_z(4)) == [observables.Group("ZZZZ", (0, 1, 2, 3))]
    assert len(observables.apart(observables.single_z(4))) == 4


def test_groups_commute_qubit_by_qubit_and_hold_every_string_once() -> None:
    groups = observables.grouped(STRINGS)
    assert sorted(m for g in groups for m in g.members) == list(range(len(STRINGS)))
    for group in groups:
        for member in group.members:
            assert all(p in ("I", b) for p, b in zip(STRINGS[member], group.basis, strict=True))
    assert len(groups) < len(STRINGS)
    assert len(observables.grouped(["XX", "YY", "ZZ"])) == 3  # they commute, but not qubit by qubit


@pytest.mark.parametrize("group", [observables.grouped, observables.apart])
def test_values_from_counts_equal_the_dense_reference(group) -> None:
    rng = np.random.default_rng(1)
    circuit = ansatz.qwthn(3, 2)
    z, w = rng.uniform(-3, 3, 3), rng.uniform(-3, 3, circuit.num_weights)
    psi = reference.state(circuit, z, w)
    expected = [expectation(psi, s) for s in STRINGS]
    assert max(abs(e) for e in expected) > 0.1
    for g in group(STRINGS):
        counts = counts_of(circuit, g.basis, z, w)
        for member in g.members:
            assert observables.expectation(counts, STRINGS[member], g.basis) == pytest.approx(
                expected[member], abs=1e-7
            )


@pytest.mark.parametrize("string", ["ZZ", "ZZZZ", "ZQZ", ""])
def test_what_is_no_string_is_refused(string: str) -> None:
    with pytest.raises(ValueError, match="Pauli string on 3 qubits"):
        observables.check([string], 3)
