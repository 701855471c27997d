"""What every backend in qft/quantum/backends must do, found by the same walk the package uses."""

import numpy as np
import pytest
import tiny
import torch
import yaml
from backend_options import cases
from plain import expectation_z

from qft.adapters import METHODS
from qft.compose.configs import packaged
from qft.errors import QftError
from qft.models.inject import set_backend
from qft.quantum import ansatz, backends, reference
from qft.quantum.gradients import unshare

CIRCUITS = {f"qwthn-{r}-{b}": ansatz.qwthn(r, b) for r, b in ((1, 1), (2, 2), (4, 1), (4, 2))}
CIRCUITS |= {"qtha-1-2": ansatz.qtha(1, 2), "qtha-2-2": ansatz.qtha(2, 2), "qtha-3-3": ansatz.qtha(3, 3)}
CASES = cases(backends.names())
YAMLS = {p.stem: yaml.safe_load(p.read_text()) for p in (packaged() / "backend").glob("*.yaml")}
WITH_NOISE = [name for name, spec in YAMLS.items() if "scale" in spec]


def label(case):
    """noisy-, noisy-shots20000-seed3, qcloud-emulator."""
    options = case[1]
    return f"{case[0]}-" + ("-".join(f"{k}{v}" for k, v in options.items()) if isinstance(options, dict) else options)


@pytest.fixture(params=CASES, ids=map(label, CASES))
def make(request):
    """A function that builds the backend of this case."""
    name, options = request.param
    given = request.getfixturevalue(options) if isinstance(options, str) else options
    made = []

    def build():
        made.append(backends.load(name, **given))
        return made[-1]

    yield build
    for backend in made:
        backend.close()


@pytest.fixture
def backend(make):
    return make()


def tolerance(backend) -> float:
    """Rounding of an exact backend in float64; five standard errors (at most 1/sqrt(shots)) of a sampled one."""
    return 1e-10 if backend.shots is None else 5 / backend.shots**0.5


def test_every_backend_has_its_yaml():
    assert {spec.get("name", name) for name, spec in YAMLS.items()} == set(backends.names())


def test_the_walk_finds_the_backends():
    assert {"statevector", "noisy", "pyqpanda"} <= set(backends.names()) and "base" not in backends.names()


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(QftError, match="Did you mean 'statevector'"):
        backends.load("state_vector")


def test_it_carries_its_name(backend, request):
    assert backend.name == request.node.callspec.params["make"][0]


@pytest.mark.parametrize("name", CIRCUITS)
def test_expectations_equal_the_dense_reference(backend, name):
    circuit = CIRCUITS[name]
    z = torch.randn(circuit.num_inputs, 6, dtype=torch.float64) * 2
    w = torch.randn(circuit.num_weights, dtype=torch.float64)
    out = backend.bind(circuit, w)(z)
    expected = np.array([reference.expectation_z(circuit, x, w.numpy()) for x in z.numpy().T]).T
    assert out.shape == (circuit.qubits, 6) and out.dtype == torch.float64
    np.testing.assert_allclose(out.detach().numpy(), expected, rtol=0, atol=tolerance(backend))


@pytest.mark.parametrize("name", ["qwthn-4-1", "qtha-2-2"])
def test_the_dtype_is_kept(backend, name):
    circuit = CIRCUITS[name]
    w, z = torch.randn(circuit.num_weights), torch.randn(circuit.num_inputs, 2)
    assert backend.bind(circuit, w)(z).dtype == torch.float32


def test_one_binding_serves_many_readings(backend):
    circuit = ansatz.qwthn(3)
    read = backend.bind(circuit, torch.randn(6, dtype=torch.float64))
    z = torch.randn(3, 8, dtype=torch.float64)
    together = read(z)
    apart = torch.cat([read(z[:, :3]), read(z[:, 3:])], 1)
    torch.testing.assert_close(together, apart, rtol=0, atol=2 * tolerance(backend))


def test_a_repeated_circuit_gets_fresh_shots_and_exact_values_stay(backend):
    read = backend.bind(ansatz.qwthn(3), torch.randn(6, dtype=torch.float64))
    z = torch.randn(3, 1, dtype=torch.float64).repeat(1, 20)
    first, again = read(z), read(z)
    if backend.shots is None:
        assert torch.equal(first, again)
    else:
        assert not torch.equal(first, again)
        assert first.unique(dim=1).shape[1] > 1, "equal rows of one call are circuits of their own"


def test_equal_seeds_give_equal_shots_where_it_is_seeded(make):
    w, z = torch.randn(6, dtype=torch.float64), torch.randn(3, 20, dtype=torch.float64)

    def twice(backend):
        read = backend.bind(ansatz.qwthn(3), w)
        return torch.stack((read(z), read(z)))

    backend = make()
    first = twice(backend)
    backend.close()  # what one run holds alone, such as a journal, is free for the next
    again = twice(make())
    exact = backend.seeded or backend.shots is None
    torch.testing.assert_close(first, again, rtol=0, atol=0 if exact else 2 * tolerance(backend))


@pytest.mark.parametrize("name", ["qwthn-4-1", "qtha-2-2"])
def test_gradients_are_right_or_refused(backend, name):
    circuit = CIRCUITS[name]
    z = torch.randn(circuit.num_inputs, 4, dtype=torch.float64, requires_grad=True)
    w = torch.randn(circuit.num_weights, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(circuit.qubits, 4, dtype=torch.float64)
    if backend.gradient is None:
        with pytest.raises((QftError, RuntimeError)):
            torch.autograd.grad(backend.bind(circuit, w)(z), (z, w), upstream)
        return
    assert backend.gradient in ("autograd", "parameter_shift")
    out = torch.autograd.grad(backend.bind(circuit, w)(z), (z, w), upstream)
    plain = torch.stack([expectation_z(circuit, x, w) for x in z.T], 1)
    # a shot of sum_k u_k Z_k deviates by sum |u_k| at most; a rule adds squares of its factors
    spread = upstream.abs().sum(0).square().sum().sqrt().item()
    terms = sum(f**2 for rule in unshare(circuit).rules.values() for _, f in rule) ** 0.5
    allowed = 1e-9 if backend.shots is None else tolerance(backend) * spread * terms
    for mine, expected in zip(out, torch.autograd.grad(plain, (z, w), upstream), strict=True):
        torch.testing.assert_close(mine, expected, rtol=0, atol=allowed)


def test_evaluations_count_circuits(backend):
    circuit = ansatz.qwthn(2)  # per row and backward: 2 RY of inputs, 2 CRZ and 2 RY of weights
    assert backend.evaluations == 0
    read = backend.bind(circuit, torch.randn(4, requires_grad=backend.gradient is not None))
    assert backend.evaluations == 0
    read(torch.randn(2, 5))
    out = read(torch.randn(2, 3, requires_grad=backend.gradient is not None))
    assert backend.evaluations == 8
    if backend.gradient is not None:
        out.sum().backward()
    assert backend.evaluations == 8 + (3 * (2 * 2 + 2 * 4 + 2 * 2) if backend.gradient == "parameter_shift" else 0)


def test_backends_do_not_share_their_count(make):
    one, other = make(), make()
    one.bind(ansatz.qwthn(2), torch.randn(4))(torch.randn(2, 5))
    assert (one.evaluations, other.evaluations) == (5, 0)


@pytest.mark.parametrize("method", ["qwthn", "qtha"])
@pytest.mark.parametrize("name", WITH_NOISE)
def test_the_logits_change_with_the_noise(name, method):
    """Of a whole adapted model; without noise they are those of the exact backend."""
    from peft import get_peft_model

    options = {"layers": 1} if method == "qtha" else {}
    config = METHODS[method](r=2, width=8, bond_dim=2, init_seed=0, task_type="CAUSAL_LM", **options)
    model = get_peft_model(tiny.build("llama"), config).eval()
    with torch.no_grad():
        for parameter in (p for p in model.parameters() if p.requires_grad):
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) / 2)
    ids = tiny.tokens(rows=1, length=3)

    def logits(backend):
        set_backend(model, backend)
        with torch.no_grad():
            return model(ids).logits

    exact = logits(backends.load("statevector"))
    noise = {"p1": 0.02, "p2": 0.1, "readout": [[0.95, 0.05], [0.1, 0.9]]}
    none, half, full = (logits(backends.load(name, noise=noise, scale=scale)) for scale in (0.0, 0.5, 1.0))
    torch.testing.assert_close(none, exact, rtol=0, atol=1e-4)
    distances = [(values - exact).norm().item() for values in (none, half, full)]
    assert distances[0] < 0.5 * distances[1] and distances[1] < 0.9 * distances[2]
