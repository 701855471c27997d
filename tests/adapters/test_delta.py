"""When a delta computes anew what depends on its weights alone, and when it may use what it kept."""

import copy

import pytest
import torch
from torch import nn

from qft.adapters.delta import Delta


class Counting(Delta):
    """y = w x, counting how often its weights were looked at."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(1))
        self.calls = 0

    def precompute(self):
        self.calls += 1
        return self.w * 1

    def compute(self, x, precomputed):
        return x * precomputed


X = torch.ones(2, 3)


@pytest.fixture
def delta():
    """In evaluation mode, with something kept."""
    delta = Counting().eval()
    with torch.no_grad():
        delta(X)
    return delta


@torch.no_grad()
def calls_of_two(delta):
    before = delta.calls
    delta(X)
    delta(X)
    return delta.calls - before


def test_evaluation_without_gradients_computes_once(delta):
    assert calls_of_two(delta) == 0 and delta.calls == 1


def test_training_and_gradients_compute_every_time(delta):
    assert calls_of_two(delta.train()) == 2
    delta.eval()
    for _ in range(2):
        delta(X)
    assert delta.calls == 5


@pytest.mark.parametrize(
    "drop",
    [
        lambda d: d.eval(),
        lambda d: d.train().eval(),
        lambda d: d.to("cpu"),
        lambda d: d.double(),
        lambda d: d.load_state_dict({"w": torch.zeros(1)}),
        lambda d: nn.Sequential(d).load_state_dict({"0.w": torch.zeros(1)}),
        lambda d: d.clear_cache(),
    ],
)
def test_what_clears_the_cache(delta, drop):
    drop(delta)
    assert calls_of_two(delta) == 1


def test_after_a_forward_with_gradients_nothing_is_kept_until_eval(delta):
    delta(X)
    assert calls_of_two(delta) == 2
    assert calls_of_two(delta.eval()) == 1


def test_a_copy_keeps_nothing_of_the_original(delta):
    assert calls_of_two(copy.deepcopy(delta)) == 1
    assert calls_of_two(delta) == 0


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_leaves_parameters_as_they_are(delta, half):
    with torch.no_grad():
        delta.w.fill_(1.0009765)
    model = nn.Sequential(nn.Linear(3, 3), delta).to(half)
    assert model[0].weight.dtype == half
    assert delta.w.dtype == torch.float32 and delta.w.item() == torch.tensor(1.0009765).item()
    assert delta.eval()(X.to(half)).dtype == torch.float32


def test_float64_is_kept_and_leading_axes_pass_through(delta):
    out = delta.double()(torch.ones(2, 5, 3, dtype=torch.float64))
    assert out.dtype == torch.float64 and out.shape == (2, 5, 3)
