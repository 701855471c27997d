"""Exact expectations under a real chip's noise against Qiskit Aer, with the noise model that Aer makes of that chip."""

import numpy as np
import pytest
import torch

from qft.quantum import ansatz, calibration, reference
from qft.quantum.backends.noisy import Noisy
from qft.quantum.circuit import Circuit, Gate, Input, Weight
from qft.quantum.gradients import unshare
from qft.quantum.routing import route, transpiled

aer = pytest.importorskip("qiskit_aer", reason="needs qiskit-aer: pip install 'qft[aer]'")
models = pytest.importorskip("qiskit_aer.noise.device.models")
fakes = pytest.importorskip("qiskit_ibm_runtime.fake_provider", reason="needs IBM's client: pip install 'qft[ibm]'")
info = pytest.importorskip("qiskit.quantum_info")
transpiler = pytest.importorskip("qiskit.transpiler")

CHIPS = calibration.names()
ENTANGLED = Circuit(  # an input in CRZ, one that is uploaded twice, gates that the chips do not have
    3,
    (
        *(Gate("H", (0,)), Gate("RX", (1,), Input(0)), Gate("CRZ", (0, 2), Input(1)), Gate("CNOT", (2, 0))),
        *(Gate("RZ", (0,), Input(0)), Gate("X", (1,)), Gate("RY", (2,), 0.3), Gate("RY", (0,), Weight(0))),
        *(Gate("CZ", (1, 2)), Gate("RX", (1,), Weight(1)), Gate("RX", (2,), Weight(0))),
    ),
)
CIRCUITS = {"qwthn-4": ansatz.qwthn(4), "qtha-2": ansatz.qtha(2, 2), "entangled": ENTANGLED}


def angles(circuit, rows=2):
    draw = torch.Generator().manual_seed(5)
    z = torch.randn(circuit.num_inputs, rows, dtype=torch.float64, generator=draw) * 2
    return z, torch.randn(circuit.num_weights, dtype=torch.float64, generator=draw) * 2


def for_aer(circuit, chip, z, w, measured=False):
    """The routed circuit with its angles, without the waiting of qubits that take no part."""
    placed = transpiled(circuit, chip)
    value = {Input: z, Weight: w}
    angle = {p: circuit.gates[int(p.name[1:])].angle for p in placed.parameters}
    placed = placed.assign_parameters({p: float(value[type(a)][a.index]) for p, a in angle.items()})
    used = set(route(circuit, chip).physical)
    out = placed.copy_empty_like()
    out.data = [
        i for i in placed.data
        if i.operation.name != "barrier"
        and (measured or i.operation.name != "measure")
        and placed.find_bit(i.qubits[0]).index in used
    ]  # fmt: skip
    return out


def channels(name, used):
    """What Aer makes of the backend itself, not of our copy of its numbers: a function of a circuit's instruction.

    It gives the channel after it, or None. As superoperators: Aer leaves terms of a noise model out that have a
    probability of less than about 1e-10, which adds up to 1e-8.
    """
    classes = vars(fakes)
    full = (classes.get(f"Fake{name.title()}V2") or classes[f"Fake{name.title()}"])().target
    target = transpiler.Target(dt=full.dt, qubit_properties=full.qubit_properties)
    for gate in ("sx", "x", *calibration.TWO_QUBIT):
        if gate in full.operation_names:
            operation = full.operation_from_name(gate)
            target.add_instruction(operation, {on: of for on, of in full[gate].items() if set(on) <= used})
    of_gate = {(gate, tuple(on)): info.SuperOp(e) for gate, on, e in models.basic_device_gate_errors(target=target)}

    def after(operation, on):
        if operation.name != "delay":
            return of_gate.get((operation.name, on))
        qubit = full.qubit_properties[on[0]]
        seconds = operation.duration * full.dt
        return info.SuperOp(aer.noise.thermal_relaxation_error(qubit.t1, min(qubit.t2, 2 * qubit.t1), seconds))

    return after


def with_channels(circuit, after):
    out = circuit.copy_empty_like()
    for i in circuit.data:
        out.append(i.operation, i.qubits, i.clbits)
        channel = after(i.operation, tuple(circuit.find_bit(q).index for q in i.qubits))
        if channel is not None:
            out.append(channel.to_instruction(), i.qubits)
    return out


def means(probabilities, qubits):
    """<Z> of each qubit; Aer's first qubit is the last bit."""
    p = np.reshape(probabilities, (2,) * qubits)
    return [np.moveaxis(p, qubits - 1 - q, 0).reshape(2, -1).sum(1) @ [1, -1] for q in range(qubits)]


def pairs():
    """Every chip with one circuit each in turn; every chip with every circuit takes a minute."""
    for k, chip in enumerate(CHIPS):
        for j, circuit in enumerate(CIRCUITS):
            marks = () if k % len(CIRCUITS) == j else pytest.mark.extended
            yield pytest.param(chip, circuit, marks=marks, id=f"{chip}-{circuit}")


@pytest.mark.parametrize("name, which", pairs())
def test_expectations_equal_those_of_aers_density_matrix(name, which):
    """To 1e-9: calibrations are kept with 11 digits, and some hundred gates of error 1e-2 or less add up."""
    chip, circuit = calibration.load(name), CIRCUITS[which]
    routed = route(circuit, chip)
    z, w = angles(circuit)
    out = Noisy({"chip": name}).bind(circuit, w)(z)
    after = channels(name, set(routed.physical))
    runs = [with_channels(for_aer(circuit, chip, row, w), after) for row in z.T]
    for run in runs:
        run.save_probabilities([routed.physical[place] for place in routed.measured])
    results = aer.AerSimulator(method="density_matrix").run(runs).result()
    assert results.success, results.status
    exact = np.array([means(results.data(k)["probabilities"], circuit.qubits) for k in range(len(runs))]).T
    up, down = np.array([chip.qubits[routed.physical[place]].readout for place in routed.measured]).T
    read = (1 - up - down)[:, None] * exact + (down - up)[:, None]
    np.testing.assert_allclose(out.numpy(), read, rtol=0, atol=1e-9)


@pytest.mark.parametrize("which", CIRCUITS)
def test_gradients_equal_finite_differences(which):
    circuit = CIRCUITS[which]
    z, w = (a.requires_grad_() for a in angles(circuit))
    backend = Noisy({"chip": "manila"})
    assert torch.autograd.gradcheck(lambda z, w: backend.bind(circuit, w)(z), (z, w))


@pytest.mark.parametrize("which", CIRCUITS)
def test_without_its_errors_a_chip_computes_the_circuit(which):
    circuit = CIRCUITS[which]
    z, w = angles(circuit)
    ideal = Noisy({"chip": "kyiv"}, scale=0).bind(circuit, w)(z)
    plain = [reference.expectation_z(circuit, row, w.numpy()) for row in z.numpy().T]
    np.testing.assert_allclose(ideal.numpy(), np.array(plain).T, rtol=0, atol=1e-10)


def test_equal_circuits_are_routed_alike():
    """A weight that stands twice may become two, as the parameter shift makes them: no gate moves."""
    circuit, chip = ansatz.qtha(3, 2), calibration.load("torino")
    shared, apart = route(circuit, chip), route(unshare(circuit).circuit, chip)
    assert [(op.name, op.places) for op in shared.ops] == [(op.name, op.places) for op in apart.ops]


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n == "manila" else pytest.mark.extended) for n in CHIPS])
def test_shots_of_aer_lie_around_the_exact_value(name):
    """Within five standard errors, wrong readings as IBM's own properties have them included."""
    chip, circuit, shots = calibration.load(name), CIRCUITS["qwthn-4"], 40_000
    routed = route(circuit, chip)
    z, w = angles(circuit)
    exact = Noisy({"chip": name}).bind(circuit, w)(z).numpy()
    classes = vars(fakes)
    properties = (classes.get(f"Fake{name.title()}V2") or classes[f"Fake{name.title()}"])().properties()
    model = aer.noise.NoiseModel()
    for q in routed.physical:
        up, down = (properties.qubit_property(q)[key][0] for key in ("prob_meas1_prep0", "prob_meas0_prep1"))
        model.add_readout_error([[1 - up, up], [down, 1 - down]], [q])
    after = channels(name, set(routed.physical))
    runs = [with_channels(for_aer(circuit, chip, row, w, measured=True), after) for row in z.T]
    simulator = aer.AerSimulator(method="density_matrix", noise_model=model)
    result = simulator.run(runs, shots=shots, seed_simulator=3).result()
    assert result.success, result.status
    for row in range(len(runs)):
        shares = np.zeros(2**circuit.qubits)
        for outcome, count in result.get_counts(row).items():
            shares[int(outcome, 2)] += count / shots
        sampled = np.array(means(shares, circuit.qubits))
        assert (abs(sampled - exact[:, row]) < 5 * np.sqrt((1 - exact[:, row] ** 2) / shots)).all()
