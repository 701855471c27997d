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


def test_qtha_on_three_qubits_gate_by_gate():
    one_layer = [
        *[("RY", (q,), Input(q)) for q in range(3)],
        *[("CRZ", pair, Weight(k)) for k, pair in enumerate([(0, 1), (1, 2), (2, 0)])],
        *[("RY", (q,), Weight(3 + q)) for q in range(3)],
        *[("CRZ", pair, Weight(6 + k)) for k, pair in enumerate([(0, 2), (1, 0), (2, 1)])],
        *[("RY", (q,), Weight(9 + q)) for q in range(3)],
    ]
    gates = [(g.name, g.qubits, g.angle) for g in ansatz.qtha(3, 2).gates]
    assert gates[:15] == one_layer
    assert [g[:2] for g in gates[15:]] == [g[:2] for g in one_layer]


@pytest.mark.parametrize("qubits, layers", [(2, 1), (3, 3), (4, 4), (10, 2)])
def test_qtha_has_four_angles_a_qubit_and_layer(qubits, layers):
    for encode, uploads in (("layer", layers), ("once", 1)):
        circuit = ansatz.qtha(qubits, layers, encode)
        used = [g.angle.index for g in circuit.gates if isinstance(g.angle, Weight)]
        assert used == list(range(4 * qubits * layers)) and circuit.num_weights == len(used)
        assert sum(isinstance(g.angle, Input) for g in circuit.gates) == uploads * qubits
        assert circuit.gates[-1].name == "RY"


def test_qtha_with_rotations_first_drops_the_ring_without_effect():
    circuit = ansatz.qtha(3, 2, order="ry_first")
    names = [g.name for g in circuit.gates][::3]
    assert names == ["RY", "RY", "CRZ", "RY", "CRZ", "RY", "RY", "CRZ", "RY"]
    assert circuit.num_weights == 4 * 3 * 2 - 3


def test_one_qubit_has_no_ring():
    assert [g.name for g in ansatz.qtha(1, 2).gates] == ["RY"] * 6


def test_without_entanglement_it_is_the_same_circuit_without_crz():
    for full, bare in [
        (ansatz.qwthn(4, 2), ansatz.qwthn(4, 2, entangle=False)),
        (ansatz.qtha(4, 3), ansatz.qtha(4, 3, entangle=False)),
    ]:
        kept = [(g.name, g.qubits, type(g.angle)) for g in full.gates if g.name != "CRZ"]
        assert [(g.name, g.qubits, type(g.angle)) for g in bare.gates] == kept
        assert bare.num_weights == sum(kind is Weight for *_, kind in kept)


@pytest.mark.parametrize(
    "options", [{"qubits": 0}, {"layers": 0}, {"encode": "twice"}, {"order": "rings_first"}], ids=str
)
def test_qtha_refuses_what_is_no_circuit(options):
    with pytest.raises(ValueError, match=r"at least 1|is one of"):
        ansatz.qtha(**options)
