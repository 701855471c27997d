"""The closed form against gradient descent on the same objective, and against what it must equal in simple cases."""

import pytest
import torch

from qft.export import fit
from qft.models.activations import Moments

IN, OUT, ROWS = 6, 4, 120


def data(nonlinear, seed=0):
    """Correlated inputs with a mean, and a response: linear, or with a square and a constant on top."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(IN, IN, generator=generator, dtype=torch.float64)
    x = torch.randn(ROWS, IN, generator=generator, dtype=torch.float64) @ mix + 0.5
    weight = torch.randn(OUT, IN, generator=generator, dtype=torch.float64)
    d = x @ weight.T
    if nonlinear:
        d = d + 0.3 * x[:, :OUT].square() + 2.0
    return x, d, weight


def moments(x, d):
    out = Moments()
    for start in range(0, len(x), 64):
        out.add(x[start : start + 64], d[start : start + 64])
    return out


def missed(x, d, factors):
    y = x @ factors.a.T @ factors.b.T
    return (d - y - (0 if factors.bias is None else factors.bias)).square().sum(1).mean().item()


def descended(x, d, rank, bias):
    """The same minimum by L-BFGS from a few random starts."""
    best = float("inf")
    for seed in range(2):
        generator = torch.Generator().manual_seed(seed)
        shapes = [(rank, x.shape[1]), (d.shape[1], rank), (d.shape[1],)]
        a, b, c = (torch.randn(s, generator=generator, dtype=torch.float64, requires_grad=True) for s in shapes)
        wanted = [a, b, c] if bias else [a, b]
        optimizer = torch.optim.LBFGS(wanted, max_iter=500, line_search_fn="strong_wolfe", tolerance_grad=1e-12)

        def closure(optimizer=optimizer, a=a, b=b, c=c):
            optimizer.zero_grad()
            loss = (d - x @ a.T @ b.T - (c if bias else 0)).square().sum(1).mean()
            loss.backward()
            return loss

        optimizer.step(closure)
        best = min(best, closure().item())
    return best


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("nonlinear", [False, True])
@pytest.mark.parametrize("rank", [2])
def test_no_descent_finds_a_better_lora(rank, nonlinear, bias):
    x, d, _ = data(nonlinear)
    found = fit.best(moments(x, d), bias=bias, ridge=1e-12).factors(rank)
    assert found.a.shape == (rank, IN) and found.b.shape == (OUT, rank)
    assert missed(x, d, found) == pytest.approx(descended(x, d, rank, bias), rel=1e-6)


def test_weighting_beats_truncation_of_the_weight():
    x, d, weight = data(nonlinear=False)
    u, s, vh = torch.linalg.svd(weight)
    plain = fit.Factors(vh[:2], u[:, :2] * s[:2])
    weighted = fit.best(moments(x, d), weight=weight).factors(2)
    assert missed(x, d, weighted) < 0.9 * missed(x, d, plain)


@pytest.mark.parametrize("bias", [False, True])
def test_a_known_weight_and_its_regression_are_the_same_fit(bias):
    x, d, weight = data(nonlinear=False)
    known, regressed = (fit.best(moments(x, d), w, bias, ridge=1e-12).factors(2) for w in (weight, None))
    torch.testing.assert_close(known.b @ known.a, regressed.b @ regressed.a, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("nonlinear", [False, True])
def test_shares_are_what_the_rows_themselves_say(nonlinear, bias):
    x, d, _ = data(nonlinear)
    other, response = x[::2], d[::2]
    found = fit.best(moments(x, d), bias=bias)
    whole = (response - response.mean(0) if bias else response).square().sum(1).mean().item()
    expected = [1 - missed(other, response, found.factors(rank)) / whole for rank in range(1, OUT + 1)]
    assert fit.shares(moments(other, response), found).tolist() == pytest.approx(expected, abs=1e-9)
    few = fit.shares(moments(other, response), found.cut(2))
    assert few.tolist() == pytest.approx(expected[:2], abs=1e-9)
    linear_on_all = fit.shares(moments(x, d), found)[-1].item()
    assert linear_on_all == pytest.approx(1, abs=1e-6) if not nonlinear else linear_on_all < 0.999


def test_what_each_rank_keeps_is_its_share_of_the_full_ranks():
    x, d, _ = data(nonlinear=True)
    m = moments(x, d)
    found = fit.best(m, ridge=1e-12)
    shares = fit.shares(m, found)
    assert found.kept().tolist() == pytest.approx((shares / shares[-1]).tolist(), abs=1e-9)


def test_moments_of_a_weight_are_those_of_its_changes():
    x, d, weight = data(nonlinear=False)
    alone = Moments()
    alone.add(x, None)
    got, expected = alone.of_linear(weight), moments(x, d)
    for each in ("xx", "x", "dx", "d"):
        torch.testing.assert_close(getattr(got, each), getattr(expected, each), rtol=1e-9, atol=1e-9)
    assert got.dd == pytest.approx(expected.dd) and got.rows == ROWS


def test_a_layer_that_adds_nothing_or_reads_nothing_is_fitted_by_nothing():
    x, d, _ = data(nonlinear=False)
    for m in (moments(x, 0 * d), moments(0 * x, 0 * d)):
        factors = fit.best(m).factors(2)
        assert not (factors.b @ factors.a).any() and (fit.shares(m, fit.best(m)) == 1).all()


def test_inputs_on_fewer_directions_than_they_have_are_fitted():
    x, _, weight = data(nonlinear=False)
    x[:, 3:] = x[:, :1]  # of rank 3
    d = x @ weight.T
    assert fit.shares(moments(x, d), fit.best(moments(x, d)))[2].item() == pytest.approx(1, abs=1e-4)
