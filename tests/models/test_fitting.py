"""What a method leaves of a known change: nothing where it can be that change, else what singular values say."""

import pytest
import torch
from torch import nn

from qft.cli import _methods
from qft.compose import typed
from qft.config import ParamsConfig
from qft.errors import QftError
from qft.models import fitting
from qft.models.activations import Rows

SIZE = 16


@pytest.fixture(scope="module")
def specs() -> dict:
    model = typed.compose("params", ParamsConfig, ["adapter=all"]).model
    return _methods.named(model, ["lora:r=1", "lora:r=2", "prefix", "butterfly"])


@pytest.fixture(scope="module")
def task() -> fitting.Task:
    """Inputs of unequal size in every direction, and a change of rank 2."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(800, SIZE, generator=generator) * torch.linspace(2, 0.1, SIZE)
    change = torch.randn(SIZE, 2, generator=generator) @ torch.randn(2, SIZE, generator=generator)
    torch.manual_seed(0)
    return fitting.task("layer", nn.Linear(SIZE, SIZE), Rows(x, x @ change.T))


def test_the_best_rank_is_that_of_the_weighted_singular_values(task: fitting.Task) -> None:
    x, d = task.fitting.inputs, task.fitting.changes
    m = torch.linalg.lstsq(x, d).solution.T
    left = fitting.best_rank(fitting.Task("l", task.linear, task.fitting, task.fitting), [1, 2, 99])
    s = torch.linalg.svdvals(x @ m.T)  # of the fitted values, by which the best rank is known without a formula of ours
    assert left[1] == pytest.approx(float(s[1] ** 2 / (s**2).sum()), rel=1e-4)
    assert left[2] < 1e-9 and set(left) == {1, 2}
    plain = torch.linalg.svd(m)
    without_weights = plain[0][:, :1] * plain[1][:1] @ plain[2][:1]
    assert left[1] < float((x @ without_weights.T - d).square().sum() / d.square().sum()) - 1e-3


def test_a_lora_of_the_rank_leaves_nothing_and_of_a_smaller_one_what_the_best_map_leaves(
    task: fitting.Task, specs: dict
) -> None:
    exact = fitting.fit(specs["lora:r=2"], task, 200, 1, adam_steps=5, rates=[0.01, 1e9])
    assert exact.left < 1e-6 and exact.parameters == 2 * 2 * SIZE
    assert exact.adam is not None and 0.3 < exact.adam < 1.5, "five steps are few, and a rate that diverges is no best"
    one = fitting.fit(specs["lora:r=1"], task, 200, 1)
    assert one.left == pytest.approx(fitting.best_rank(task, [1])[1], abs=2e-3) and one.adam is None
    assert one.left_fitted == pytest.approx(one.left, abs=0.1) and one.evaluations <= 250


def test_a_function_class_that_cannot_be_the_change_leaves_most_of_it(task: fitting.Task, specs: dict) -> None:
    found = fitting.fit(specs["butterfly"], task, 60, 2)
    assert 0.3 < found.left < 1.2, "rotations of the output keep its size"
    assert torch.equal(task.linear.weight, fitting.wrapped(specs["butterfly"], task.linear, 0).state_dict()[
        "base_model.model.layer.base_layer.weight"
    ]), "the base's layer stays as it is"  # fmt: skip


def test_what_cannot_be_fitted_is_one_sentence(task: fitting.Task, specs: dict) -> None:
    with pytest.raises(QftError, match="adapter=prefix does not adapt linear layers one by one"):
        fitting.fit(specs["prefix"], task, 5, 1)
    with pytest.raises(QftError, match="changes nothing in layer"):
        fitting.task("layer", task.linear, Rows(torch.ones(4, SIZE), torch.zeros(4, SIZE)))
    model = typed.compose("params", ParamsConfig, ["adapter=all"]).model
    for wanted, words in (("lorra", "no method 'lorra'"), ("lora:rr=1", "lora has no option 'rr'")):
        with pytest.raises(QftError, match=words):
            _methods.named(model, [wanted])
