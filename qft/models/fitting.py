"""What an adapter can express, apart from training: its best fit to the changes that another adapter makes to a layer.

    left(method) = min over its weights of  E|delta(x) - d|^2 / E|d|^2

x (in,): inputs of one layer on real text;  d (out,): what a trained adapter adds there;  delta: what the method adds.
0: it can do all of it; 1: no better than doing nothing. Each layer is fitted alone, by L-BFGS on all tokens at once,
and measured on other tokens. Beside it stand the best linear map of rank k, in closed form (reduced-rank regression,
Izenman 1975), and Adam after as many steps as a run has: what is left there and not here, training leaves.
"""

import copy
import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import get_peft_model
from torch import Tensor, nn

from qft.adapters import methods
from qft.adapters.methods import ConfiguredMethod, OurMethod
from qft.errors import QftError, first_line
from qft.models.activations import Rows

RIDGE = 1e-6  # of the mean square of an input, added to each: inputs of real text are almost linearly dependent
HISTORY = 20  # steps that L-BFGS remembers
Loss = Callable[[], Tensor]


@dataclass(frozen=True)
class Task:
    """One layer: tokens to fit and others to measure on, float64, and the linear layer of the base."""

    name: str
    linear: nn.Linear
    fitting: Rows
    measuring: Rows


@dataclass(frozen=True)
class Fitted:
    """A method at its best on one layer.

    Attributes:
        parameters: trainable ones of this layer.
        left: share of E|d|^2 that is left on the tokens of ``Task.measuring``.
        left_fitted: the same on the tokens that it was fitted to.
        adam: what Adam leaves on the measuring tokens; None: not tried.
        evaluations: of loss and gradient that L-BFGS took.
        seconds: of all of it.
    """

    parameters: int
    left: float
    left_fitted: float
    adam: float | None
    evaluations: int
    seconds: float


def task(name: str, linear: nn.Linear, rows: Rows) -> Task:
    """Half of the rows to fit, half to measure on. Raises QftError where the adapter changes nothing."""
    half = len(rows.inputs) // 2
    parts = [Rows(rows.inputs[a:b].double(), rows.changes[a:b].double()) for a, b in ((0, half), (half, 2 * half))]
    if not half or not all(part.changes.any() for part in parts):
        raise QftError(f"The adapter changes nothing in {name} on these {len(rows.inputs)} tokens; train it first.")
    return Task(name, copy.deepcopy(linear).double().requires_grad_(False), *parts)


def best_rank(at: Task, ranks: Sequence[int]) -> dict[int, float]:
    """Rank -> what the best linear map of that rank, fitted to the same tokens, leaves on the others."""
    x, d = at.fitting.inputs, at.fitting.changes
    moment = x.T @ x / len(x)
    moment += RIDGE * moment.diagonal().mean() * torch.eye(len(moment), dtype=moment.dtype)
    root = torch.linalg.cholesky(moment)  # moment = root root^T
    weighted = torch.linalg.solve_triangular(
        root, (d.T @ x / len(x)).T, upper=False
    ).T  # M root, M = E[d x^T] moment^-1
    u, s, v = torch.linalg.svd(weighted, full_matrices=False)
    inputs = torch.linalg.solve_triangular(root, at.measuring.inputs.T, upper=False)  # whitened, (in, t)
    parts = (v @ inputs).T  # (t, singular values)
    wanted = at.measuring.changes
    return {k: _share((parts[:, :k] * s[:k]) @ u[:, :k].T - wanted, wanted) for k in ranks if k <= len(s)}


def fit(
    adapter: methods.Spec, at: Task, evaluations: int, starts: int, adam_steps: int = 0, rates: Sequence[float] = ()
) -> Fitted:
    """Fit a method to one layer.

    Args:
        adapter: Its options, as in its yaml.
        at: The layer.
        evaluations: Most evaluations of loss and gradient of each start of L-BFGS.
        starts: Initial weights that are tried, seeds 0, 1, ...; the one that fits best counts.
        adam_steps: Steps of Adam besides, each on all tokens; 0: none.
        rates: Learning rates of Adam; the best counts.

    Raises:
        QftError: The method adapts no single linear layers, or does not fit this one.
    """
    began, used = time.monotonic(), 0
    best: tuple[float, nn.Module] | None = None
    for seed in range(starts):
        model = wrapped(adapter, at.linear, seed)
        taken = _lbfgs(model, _loss(model, at), evaluations)
        used += taken
        left = _left(model, at.linear, at.fitting)
        if best is None or left < best[0]:
            best = left, model
    assert best is not None, "one start at least"
    adam = [_adam(wrapped(adapter, at.linear, 0), at, adam_steps, rate) for rate in rates] if adam_steps else []
    lowest = min((left for left in adam if math.isfinite(left)), default=None)
    number = sum(p.numel() for p in best[1].parameters() if p.requires_grad)
    measured = _left(best[1], at.linear, at.measuring)
    return Fitted(number, measured, best[0], lowest, used, time.monotonic() - began)


def wrapped(adapter: methods.Spec, linear: nn.Linear, seed: int) -> nn.Module:
    """A layer with the method on it, in float64. Raises QftError where the method takes no single linear layers."""
    method = methods.of(adapter)
    if not isinstance(method, ConfiguredMethod) or not method.takes_targets:
        raise QftError(f"adapter={adapter['name']} does not adapt linear layers one by one.")
    own = {"init_seed": seed} if isinstance(method, OurMethod) else {}
    config: Any = method.config(target_modules=["layer"], **own)
    config.task_type = None
    torch.manual_seed(seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model: nn.Module = get_peft_model(_Alone(copy.deepcopy(linear)), config)
    except methods.FITTING as error:
        raise QftError(f"adapter={adapter['name']} does not fit a layer: {first_line(error)}") from error
    if not any(p.requires_grad for p in model.parameters()):
        raise QftError(f"adapter={adapter['name']} has nothing to train in a linear layer alone.")
    return model.double().eval()


class _Alone(nn.Module):
    """One linear layer as a model."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x)
        return out


def _loss(model: nn.Module, at: Task) -> Loss:
    rows = at.fitting
    wanted = at.linear(rows.inputs) + rows.changes
    size = rows.changes.square().sum()

    def loss() -> Tensor:
        out: Tensor = (model(rows.inputs) - wanted).square().sum() / size
        return out

    return loss


def _lbfgs(model: nn.Module, loss: Loss, evaluations: int) -> int:
    """Leave the best weights that were met in the model; the number of evaluations."""
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.LBFGS(
        weights, max_iter=evaluations, max_eval=evaluations, history_size=HISTORY, tolerance_change=1e-10,
        line_search_fn="strong_wolfe",
    )  # fmt: skip
    best, kept, used = float("inf"), [w.detach().clone() for w in weights], 0

    def closure() -> float:
        nonlocal best, kept, used
        used += 1
        optimizer.zero_grad()
        value = loss()
        value.backward()
        if value.item() < best:
            best, kept = value.item(), [w.detach().clone() for w in weights]
        return value.item()

    optimizer.step(closure)
    with torch.no_grad():
        for weight, known in zip(weights, kept):
            weight.copy_(known)
    return used


def _adam(model: nn.Module, at: Task, steps: int, rate: float) -> float:
    """What Adam leaves, with the rate falling to zero as a cosine; not finite where it diverges."""
    loss = _loss(model, at)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=rate)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        falling.step()
    return _left(model, at.linear, at.measuring)


@torch.no_grad()
def _left(model: nn.Module, linear: nn.Linear, rows: Rows) -> float:
    return _share(model(rows.inputs) - linear(rows.inputs) - rows.changes, rows.changes)


def _share(error: Tensor, of: Tensor) -> float:
    return float(error.square().sum() / of.square().sum())
