import numpy as np
import pytest
import torch

from qft.quantum import ansatz, reference
from qft.quantum.circuit import Circuit, Gate, Input, Weight
from qft.tensor.ry_cnot import probabilities
from qft.tensor.two_design import TwoDesign, columns


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


def state(circuit, inputs=(), weights=()):
    return reference.state(circuit, np.array(inputs), np.array(weights)).reshape(-1)


@pytest.mark.parametrize("qubits", [1, 2, 4])
def test_the_circuit_of_qpa_is_the_one_its_probabilities_are_computed_of(qubits):
    angles = torch.randn(3, qubits, dtype=torch.float64, generator=torch.Generator().manual_seed(qubits))
    circuit = ansatz.ry_chain(qubits, 3)
    assert circuit.num_weights == angles.numel()
    got = np.abs(state(circuit, weights=angles.flatten().tolist())) ** 2
    np.testing.assert_allclose(got, probabilities(angles), rtol=0, atol=1e-14)


@pytest.mark.parametrize("qubits, layers", [(2, 1), (3, 2), (4, 0), (5, 2)])
def test_the_circuit_of_quantum_peft_is_the_one_its_columns_are_computed_of(qubits, layers):
    plan = TwoDesign((2,) * qubits, layers)
    angles = torch.randn(plan.count, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    circuit = ansatz.two_design(qubits, layers)
    assert circuit.num_weights == plan.count
    assert sum(g.name == "CZ" for g in circuit.gates) == plan.entanglers
    np.testing.assert_allclose(state(circuit, weights=angles.tolist()), columns(angles, plan, 1)[0], rtol=0, atol=1e-14)


@pytest.mark.parametrize("qubits, cnots", [(1, 0), (2, 3)])
def test_the_circuit_of_cua_encodes_real_amplitudes_and_turns_them(qubits, cnots):
    """On any input the same rotation of SO(2^n), with as many free angles as it has; three CNOT with the encoding."""
    circuit, generator = ansatz.orthogonal_block(qubits), np.random.default_rng(0)
    size, free = 2**qubits, 2**qubits * (2**qubits - 1) // 2
    assert circuit.num_weights == free and circuit.num_inputs == size - 1
    assert sum(g.name == "CNOT" for g in circuit.gates) == cnots
    encode = Circuit(qubits, circuit.gates[: 1 if qubits == 1 else 4])
    weights = generator.uniform(-3, 3, free)
    points = generator.uniform(-3, 3, (12, size - 1))
    before, after = (np.array([state(c, x, weights) for x in points]) for c in (encode, circuit))
    assert np.abs(before.imag).max() < 1e-15
    turn = np.linalg.lstsq(before, after, rcond=None)[0].T
    turn /= np.exp(1j * np.angle(turn.flat[np.abs(turn).argmax()]))  # a phase is not measured
    np.testing.assert_allclose(turn.imag, 0, atol=1e-13)
    np.testing.assert_allclose(turn.real @ turn.real.T, np.eye(size), atol=1e-13)
    assert np.linalg.det(turn.real) == pytest.approx(1)
    np.testing.assert_allclose(before @ turn.real.T * (after[0] / (turn.real @ before[0]))[0], after, atol=1e-13)


def test_the_block_of_cua_reaches_every_rotation_nearby():
    """The states move in as many directions as SO(4) has on them."""
    circuit, step = ansatz.orthogonal_block(2), 1e-6
    generator = np.random.default_rng(1)
    weights, points = generator.uniform(-3, 3, 6), generator.uniform(-3, 3, (5, 3))

    def measured(w):
        return np.concatenate([np.abs(state(circuit, x, w)) ** 2 for x in points])

    moves = np.array([(measured(weights + step * e) - measured(weights - step * e)) / (2 * step) for e in np.eye(6)])
    assert np.linalg.svd(moves, compute_uv=False)[-1] > 1e-3


def test_a_block_of_three_qubits_is_refused():
    with pytest.raises(ValueError, match="1 or 2 qubits, got 3"):
        ansatz.orthogonal_block(3)
