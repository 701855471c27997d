import pytest

from qft.quantum import ansatz
from qft.quantum.circuit import Gate, Input, Weight


def test_qwthn_on_four_qubits_is_the_circuit_of_the_paper():
    gates = [(g.name, g.qubits, g.angle) for g in ansatz.qwthn(4, 1).gates]
    ring = [(0, 1), (1, 2), (2, 3), (3, 0)]
    assert gates == (
        [("RY", (q,), Input(q)) for q in range(4)]
        + [("CRZ", pair, Weight(k)) for k, pair in enumerate(ring)]
        + [("RY", (q,), Weight(4 + q)) for q in range(4)]
    )


@pytest.mark.parametrize("qubits, per_block", [(1, 1), (2, 4), (3, 6), (5, 10)])
def test_every_weight_is_used_once_and_no_circuit_ends_in_crz(qubits, per_block):
    for blocks in (1, 3):
        circuit = ansatz.qwthn(qubits, blocks)
        used = [g.angle.index for g in circuit.gates if isinstance(g.angle, Weight)]
        assert used == list(range(per_block * blocks)) and circuit.num_weights == len(used)
        assert circuit.num_inputs == qubits
        assert circuit.gates[-1] == Gate("RY", (qubits - 1,), Weight(len(used) - 1))


@pytest.mark.parametrize("qubits, blocks", [(0, 1), (4, 0), (-1, 1)])
def test_no_qubit_or_no_block_is_refused(qubits, blocks):
    with pytest.raises(ValueError, match="at least 1"):
        ansatz.qwthn(qubits, blocks)
