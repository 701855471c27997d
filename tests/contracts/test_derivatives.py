"""What every adapter of ours owes to those who follow it: empty batches, second derivatives, torch.func, compile.

On single deltas, small and in float64. Methods are found by the walk of qft.adapters; PATHS adds what evaluates a
circuit in another way.
"""

import pytest
import tiny
import torch
from torch.autograd import forward_ad
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vmap

from qft.adapters import METHODS
from qft.errors import QftError
from qft.quantum.backends.noisy import Noisy

SIZE, ROWS = 6, 3
SMALL = {
    "qwthn": {"r": 2},
    "qtha": {"r": 2, "layers": 2},
    "quanta": {"axes": [2, 3]},
    "sora": {"r": 2},
    "loretta": {"r": 2},
    "quic": {"blocks": 1},
}
# name -> (method, options, backend)
# a layer of a method that shares has no weights of its own to follow: its factors are torch's ordinary operations
PATHS = {name: (name, SMALL.get(name, {}), None) for name in METHODS if not METHODS[name].shares} | {
    "qwthn-polynomial": ("qwthn", {"r": 2, "circuit": "polynomial"}, None),
    "qwthn-silu": ("qwthn", {"r": 2, "circuit": "silu"}, None),
    "qwthn-constants": ("qwthn", {"r": 2, "circuit": "constants"}, None),
    "qtha-silu": ("qtha", {"r": 2, "layers": 1, "circuit": "silu"}, None),
    "qtha-layer-by-layer": ("qtha", {"r": 7, "layers": 1, "order": "ry_first"}, None),  # above DENSE_QUBITS
    "qwthn-noisy": ("qwthn", {"r": 2}, Noisy()),
    "qtha-noisy": ("qtha", {"r": 2, "layers": 2}, Noisy()),
    "qwthn-shots": ("qwthn", {"r": 2}, Noisy(shots=50)),
}
# seven qubits are too large for these: test_statevector_simulator.py has their second derivatives
EXACT = [name for name in PATHS if name not in ("qwthn-shots", "qtha-layer-by-layer")]


def build(path):
    """The delta of a path, every weight moved."""
    method, options, backend = PATHS[path]
    config = METHODS[method](**options)
    config.resolve([(SIZE, SIZE)])
    generator = torch.Generator().manual_seed(2)
    delta = config.delta_class(SIZE, SIZE, config, generator).double()
    with torch.no_grad():
        for parameter in delta.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.4)
    if backend is not None:
        delta.set_backend(backend)
    if hasattr(delta, "dense"):
        delta.dense = False  # gate by gate; the other way is a matrix product
    return delta


def rows(count=ROWS, seed=7):
    return torch.randn(count, SIZE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def of_weights(delta):
    """(f, weights, names): f(x, *weights) is the delta with these weights."""
    names, weights = zip(*delta.named_parameters())

    def f(x, *values):
        return functional_call(delta, dict(zip(names, values)), (x,))

    return f, tuple(w.detach().clone() for w in weights)


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("shape", [(0, SIZE), (0, 4, SIZE), (2, 0, SIZE)], ids=str)
@pytest.mark.parametrize("path", PATHS)
def test_an_empty_batch_goes_forward_and_backward(path, shape):
    delta = build(path)
    for training in (True, False):
        delta.train(training)
        x = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
        out = delta(x)
        out.sum().backward()
        assert out.shape == shape and x.grad.shape == shape
        assert not any(p.grad is not None and p.grad.any() for p in delta.parameters())
        with torch.no_grad():
            assert delta(x).shape == delta(x).shape == shape


@pytest.mark.parametrize(
    "path", [pytest.param(p, marks=pytest.mark.extended) if p == "qtha-noisy" else p for p in EXACT]
)
def test_second_derivatives_are_right(path):
    f, weights = of_weights(build(path))
    inputs = (rows(2), *weights)
    # in random directions: every second derivative enters
    assert torch.autograd.gradgradcheck(f, tuple(t.clone().requires_grad_() for t in inputs), fast_mode=True)


@pytest.mark.parametrize(
    ("path", "training"),
    [  # of most methods in evaluation alone, where something is kept besides
        pytest.param(p, t, id=f"{p}-{'training' if t else 'evaluation'}", marks=[pytest.mark.extended] * later)
        for p in EXACT
        for t in (True, False)
        for later in [t and PATHS[p][0] not in tiny.EVERY_FAMILY]
    ],
)
def test_torch_func_follows(path, training):
    delta = build(path).train(training)
    f, weights = of_weights(delta)
    x, v, dw = rows(), rows(seed=8), tuple(torch.randn_like(w) for w in weights)
    with torch.no_grad():
        expected = delta(x)  # in evaluation it has now kept what it prepared
        close(vmap(delta)(x.unsqueeze(1)).squeeze(1), expected)
        close(f(x, *(2 * w for w in weights)), f(x, *(2 * w for w in weights)))
        assert not torch.allclose(f(x, *(2 * w for w in weights)), expected)
        two = tuple(torch.stack((2 * w, w)) for w in weights)
        close(vmap(f, (None, *(0 for _ in weights)))(x, *two)[1], expected)
        value, tangent = jvp(f, (x, *weights), (v, *dw))
        close(delta(x), expected)
    close(value, expected)
    with forward_ad.dual_level():
        dual = f(forward_ad.make_dual(x, v), *(forward_ad.make_dual(*pair) for pair in zip(weights, dw)))
        close(forward_ad.unpack_dual(dual).tangent, tangent)
    inputs = tuple(t.clone().requires_grad_() for t in (x, *weights))
    upstream = torch.randn_like(expected)
    grads = torch.autograd.grad((f(*inputs) * upstream).sum(), inputs)
    everything = tuple(range(len(inputs)))
    for a, b in zip(grad(lambda *t: (f(*t) * upstream).sum(), everything)(x, *weights), grads, strict=True):
        close(a, b)
    close(sum((g * d).sum() for g, d in zip(grads, (v, *dw))), (tangent * upstream).sum())
    by_row, by_column = (jac(f, everything)(x, *weights) for jac in (jacrev, jacfwd))
    for a, b, g in zip(by_row, by_column, grads, strict=True):
        close(a, b)
        close((a * upstream.reshape(*upstream.shape, *[1] * g.dim())).sum((0, 1)), g)


@pytest.mark.parametrize("path", ["qwthn", "qtha", "quanta"])
def test_a_hessian_is_that_of_autograd(path):
    delta = build(path)
    x = rows(1)
    expected = torch.autograd.functional.hessian(lambda x: delta(x).square().sum(), x)
    close(hessian(lambda x: delta(x).square().sum())(x), expected)
    assert expected.abs().max() > 1e-3


FOLLOWERS = {
    "vmap": lambda f, x: vmap(f)(x),
    "jacrev": lambda f, x: jacrev(f)(x),
    "jvp": lambda f, x: jvp(f, (x,), (x,)),
    "forward mode": lambda f, x: forward(f, x),
}


def forward(f, x):
    with forward_ad.dual_level():
        return f(forward_ad.make_dual(x, x))


@pytest.mark.parametrize("follower", FOLLOWERS)
def test_what_cannot_be_followed_says_so(follower):
    with pytest.raises(QftError, match=r"backend=noisy with shots=50 does not work under torch.func"):
        FOLLOWERS[follower](build("qwthn-shots"), rows())


def test_what_cannot_be_compiled_says_so():
    with pytest.raises(Exception, match=r"backend=noisy does not work under torch.func, torch.compile"):
        torch.compile(build("qwthn-noisy"), backend="eager", fullgraph=True)(rows())


COMPILED = [("qwthn", "aot_eager")] + [
    pytest.param(path, backend, marks=pytest.mark.extended)
    for path in ("qwthn", "qtha", "quanta", "qwthn-polynomial")
    for backend in ("aot_eager", "inductor")
    if (path, backend) != ("qwthn", "aot_eager")
]


@pytest.mark.filterwarnings("ignore:Torchinductor does not support code generation for complex operators")
@pytest.mark.parametrize("path, backend", COMPILED)
def test_a_compiled_graph_is_whole_and_equal(path, backend):
    """In training, and in evaluation, where the eager module has kept what it prepared and then gets other weights."""
    torch._dynamo.reset()
    delta = build(path)
    compiled = torch.compile(delta, backend=backend, fullgraph=True)
    x = rows().requires_grad_()
    inputs = (x, *delta.parameters())
    mine, expected = (torch.autograd.grad(f(x).square().sum(), inputs) for f in (compiled, delta))
    for a, b in zip(mine, expected, strict=True):
        close(a, b)
    delta.eval()
    with torch.no_grad():
        close(delta(x), compiled(x))
        next(delta.parameters()).mul_(1.5)
        delta.eval()
        close(compiled(x), delta(x))
