"""QAA against the dense simulation, the blocks it finds, and vectors that are no states."""

import numpy as np
import pytest
import tiny
import torch
from peft import get_peft_model
from plain import noisy_expectation_z
from transformers import AutoModelForCausalLM, GPTNeoConfig

from qft.adapters import QAAConfig, QftLayer
from qft.adapters.qaa import QAADelta, qubits
from qft.errors import QftError
from qft.quantum import reference
from qft.quantum.backends.base import Backend
from qft.quantum.backends.noisy import Noisy
from qft.quantum.circuit import Circuit, Gate, Weight

pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")


def build(d):
    delta = QAADelta(d, d, QAAConfig(), torch.Generator().manual_seed(3)).double()
    with torch.no_grad():
        delta.up.normal_(generator=torch.Generator().manual_seed(4))
    return delta


def dense(h, theta, n):
    """<Z_k> by the textbook matrices of the reference, applied to the state as one vector of 2^n amplitudes."""
    psi = np.zeros(2**n, dtype=complex)
    psi[: len(h)] = h / np.linalg.norm(h)
    psi = psi.reshape((2,) * n)
    gates = [("RX", (i,), theta[i]) for i in range(n)] + [("CNOT", (i, i + 1), 0.0) for i in range(n - 1)]
    for name, on, angle in gates:
        m = len(on)
        u = reference.gate_matrix(name, angle).reshape((2,) * (2 * m))
        psi = np.moveaxis(np.tensordot(u, psi, axes=(range(m, 2 * m), on)), range(m), on)
    p = np.abs(psi) ** 2
    axes = [tuple(a for a in range(n) if a != q) for q in range(n)]
    return np.array([np.subtract(*p.sum(axis=a)) for a in axes])


@pytest.mark.parametrize("d", [1, 2, 3, 8, 11, 32, 100, 128])
def test_it_equals_the_dense_simulation(d):
    delta = build(d)
    h = torch.randn(4, d, dtype=torch.float64)
    theta, up = delta.theta.detach().numpy(), delta.up.detach().numpy()
    expected = np.stack([dense(row, theta, qubits(d)) @ up for row in h.numpy()])[:, :d]
    # 1e-12: some hundred products of order 1 with 1e-16 each
    np.testing.assert_allclose(delta(h).detach().numpy(), expected, rtol=0, atol=1e-12)
    with torch.no_grad():
        np.testing.assert_allclose(delta(h).numpy(), expected, rtol=0, atol=1e-12)
    single = delta.float()(h.float()).detach().numpy()
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("d", [5, 8])
def test_the_gradients(d):
    delta = build(d)
    names = dict(delta.named_parameters())
    h = torch.randn(3, d, dtype=torch.float64, requires_grad=True)

    def f(h, *weights):
        return torch.func.functional_call(delta, dict(zip(names, weights, strict=True)), (h,))

    assert torch.autograd.gradcheck(f, (h, *names.values()))


def test_a_zero_vector_gives_zero_and_finite_gradients():
    delta = build(6).float()
    h = torch.randn(3, 6)
    h[1] = 0
    h.requires_grad_()
    out = delta(h)
    assert torch.equal(out[1], torch.zeros(6)) and out[0].any()
    out.sum().backward()
    assert all(p.grad.isfinite().all() for p in (h, *delta.parameters()))


@pytest.mark.parametrize("scale", [1e-30, 1e-15, 1e15, 1e30])
def test_the_length_of_a_vector_does_not_matter(scale):
    delta = build(6).float()
    h = torch.randn(3, 6)
    # squares of these leave the range of float32
    torch.testing.assert_close(delta(h * scale), delta(h), rtol=0, atol=1e-5)


def test_columns_past_the_size_never_see_a_gradient():
    delta = build(6)
    delta(torch.randn(3, 6, dtype=torch.float64)).sum().backward()
    assert delta.up.grad[:, :6].any() and not delta.up.grad[:, 6:].any()


def test_angles_start_over_the_whole_circle_and_the_map_at_zero():
    angles = torch.cat([QAADelta(1000, 1000, QAAConfig(), None).theta for _ in range(50)])
    assert -np.pi <= angles.min() < -3 and 3 < angles.max() <= np.pi
    assert not QAADelta(10, 10, QAAConfig(), None).up.any()


BLOCKS = [
    ("qwen2", "attention", ["self_attn"]),
    ("llama", "feed_forward", ["mlp"]),
    ("llama", "both", ["mlp", "self_attn"]),
    ("gpt_neo", "attention", ["attn"]),
    ("gpt_neo", "feed_forward", ["mlp"]),
    ("gpt_neo", "both", ["attn", "mlp"]),
]


@pytest.mark.parametrize("family, placement, leaves", BLOCKS)
def test_blocks_are_found_and_add_to_their_own_output(family, placement, leaves):
    model = get_peft_model(tiny.build(family), QAAConfig(placement=placement)).eval()
    assert model.peft_config["default"].target_modules == leaves
    layers = [m for m in model.modules() if isinstance(m, QftLayer)]
    assert len(layers) == 2 * len(leaves)
    seen = {}

    def watch(layer, _, result):
        seen[layer] = result[0] if isinstance(result, tuple) else result

    for layer in layers:
        layer.base_layer.register_forward_hook(watch)
        torch.nn.init.normal_(layer.qft_delta["default"].up)
    handles = []
    for layer in layers:

        def check(layer, _, result):
            value = result[0] if isinstance(result, tuple) else result
            base = seen[layer.base_layer]
            assert torch.equal(value, base + layer.qft_delta["default"](base)) and not torch.equal(value, base)
            handles.append(layer)

        layer.register_forward_hook(check)
    with torch.no_grad():
        model(tiny.tokens())
    assert len(handles) == len(layers)


@pytest.mark.parametrize("family", tiny.CONFIGS)
@pytest.mark.parametrize("placement", ["attention", "both"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_other_placements_train_save_nothing_odd_and_generate_cached(family, placement, dtype):
    model = get_peft_model(tiny.build(family, dtype), QAAConfig(placement=placement, init_seed=0))
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.normal_()
    model.train()
    model.enable_input_require_grads()
    model.activation_checkpointing_enable({"use_reentrant": False})
    model(tiny.tokens()).logits.float().square().mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters() if p.requires_grad)
    model.activation_checkpointing_disable()
    options = {"max_new_tokens": 8, "do_sample": False, "attention_mask": torch.ones_like(tiny.tokens())}
    if dtype == torch.float32:  # in bfloat16 near ties may fall either way
        cached, plain = (model.eval().generate(tiny.tokens(), use_cache=c, **options) for c in (True, False))
        assert torch.equal(cached, plain)


def test_what_is_wrapped_answers_for_itself():
    model = get_peft_model(tiny.build("qwen2"), QAAConfig(placement="attention"))
    layer = model.base_model.model.model.layers[1].self_attn
    assert isinstance(layer, QftLayer) and layer.layer_idx == 1 and layer.head_dim == 8
    with pytest.raises(AttributeError, match="no_such"):
        layer.no_such_attribute  # noqa: B018


def test_the_published_count():
    config = GPTNeoConfig(hidden_size=768, num_layers=12, attention_types=[[["global", "local"], 6]])
    with torch.device("meta"):
        model = get_peft_model(AutoModelForCausalLM.from_config(config), QAAConfig())
    assert model.get_nb_trainable_parameters()[0] == 123_000


class Other(Backend):
    name = "other"
    differentiable = False

    def bind(self, circuit, weights):
        raise NotImplementedError


NOISE = {"p1": 0.03, "p2": 0.2, "t1": 0.5, "t2": 0.6, "time1": 40, "time2": 100, "readout": [[0.95, 0.05], [0.1, 0.9]]}


@pytest.mark.parametrize("noise", [NOISE, NOISE | {"joint": False}], ids=["joint", "apart"])
@pytest.mark.parametrize("d", [2, 3, 8, 13])
def test_under_noise_it_equals_the_density_matrix_after_an_ideal_encoding(d, noise):
    delta, n = build(d), qubits(d)
    backend = Noisy(noise)
    delta.set_backend(backend)
    gates = [Gate("RX", (i,), Weight(i)) for i in range(n)] + [Gate("CNOT", (i, i + 1)) for i in range(n - 1)]
    h = torch.randn(3, d, dtype=torch.float64)
    theta, up = delta.theta.detach().numpy(), delta.up.detach().numpy()
    expected = []
    for row in h.numpy():
        psi = np.pad(row / np.linalg.norm(row), (0, 2**n - d))
        m = noisy_expectation_z(Circuit(n, tuple(gates)), np.empty(0), theta, backend.noise, psi)
        expected.append((m @ up)[:d])
    np.testing.assert_allclose(delta(h).detach().numpy(), np.stack(expected), rtol=0, atol=1e-12)
    delta.set_backend(Noisy(noise, scale=0))
    np.testing.assert_allclose(delta(h).detach().numpy(), build(d)(h).detach().numpy(), rtol=0, atol=1e-12)


def test_a_backend_with_shots_is_refused():
    with pytest.raises(QftError, match=r"backend=noisy with backend\.shots=100 does not"):
        build(8).set_backend(Noisy(shots=100))


def test_another_backend_is_refused_with_the_number_of_gates():
    with pytest.raises(QftError, match=r"10 qubits' amplitudes, about 1,024 CNOTs .*backend=other"):
        build(768).set_backend(Other())


def test_the_circuits_are_counted():
    delta = build(8)
    delta(torch.randn(2, 5, 8))
    delta(torch.randn(3, 8))
    assert delta.backend.evaluations == 13


@pytest.mark.parametrize(
    "options, message",
    [
        ({"placement": "mlp"}, "placement=mlp does not exist. .*attention, both, feed_forward"),
        ({"r": 2}, "qaa has no rank"),
        ({"target_modules": ["q_proj"]}, "only attention and feed-forward blocks"),
        ({"target_modules": "all-linear"}, "adapts blocks"),
    ],
)
def test_what_is_refused(options, message):
    base = tiny.build("qwen2")
    with pytest.raises(QftError, match=message):
        get_peft_model(base, QAAConfig(**options))
    assert not hasattr(base, "peft_config")


def test_a_placement_the_model_has_no_block_for():
    with pytest.raises(QftError, match="placement=attention: the model has no attention block"):
        get_peft_model(torch.nn.ModuleList([torch.nn.Linear(2, 2)]), QAAConfig(placement="attention"))
