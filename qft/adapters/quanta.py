"""QuanTA, Quantum-informed Tensor Adaptation (arXiv 2406.00132): two-axis gates on a reshaped vector.

    y = W x + (T - T0) x,    T = prod_{m<n} G_mn,    x in R^(d_1 x ... x d_N)

G_mn of shape (d_m d_n, d_m d_n) acts on axes m and n alone, the pairs last axes first. x is zero-padded or
cut to prod d, the result likewise, so any layer fits. T0 is T with the frozen initial gates: the delta
starts at exactly zero and W is not touched. Linear, so it can be merged. Parameters: sum_{m<n} (d_m d_n)^2.

Gates start U(-b, b) with b = sqrt(3 / (d_m d_n)), as in the authors' code: the variance is 1 / fan, and T keeps
the length of what it acts on (|T x| = |x| in the mean), so that a change of one gate shows at its own size.

Published: axes [8, 8, 8, 8] on Qwen2-7B's query and value projections, 1.37 M parameters. Inferred: 4 axes,
near-equal, wherever none are given.

A token costs 2 D sum_{m<n} d_m d_n products gate by gate (D = prod d), or in * out with the matrix T - T0
built once a step. Gate by gate, only x is kept for the backward pass, which applies the gates again, and every gate
moves the rows to its axes and back: a product then takes about twice as long. The cheaper is taken.
"""

from dataclasses import dataclass, field
from itertools import combinations
from math import prod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from qft.adapters.config import QftConfig
from qft.adapters.delta import Delta
from qft.adapters.knob import Knob
from qft.adapters.method_card import MethodCard
from qft.adapters.stacked import Stacked
from qft.errors import QftError
from qft.quantum.autodiff import checkpointed
from qft.ranges import within
from qft.tensor import factor

AGAIN = 2  # what a product of a gate takes, in products of one large matrix


def pairs(n: int) -> list[tuple[int, int]]:
    """Pairs of axes (m, n) with m < n in the order their gates are applied: (2, 1) before (2, 0) before (1, 0)."""
    return [(b, a) for a, b in combinations(reversed(range(n)), 2)]


def apply(gates: list[Tensor], axes: tuple[int, ...], x: Tensor) -> Tensor:
    """The gates one after the other on rows x (t, prod axes) -> (t, prod axes).

    A gate's rows and columns run over (i_m, i_n), the later axis fastest.
    """
    value = x.reshape(-1, *axes)
    for gate, (m, n) in zip(gates, pairs(len(axes)), strict=True):
        moved = value.movedim((m + 1, n + 1), (-2, -1))
        out = moved.reshape(-1, gate.shape[1]) @ gate.T
        value = out.reshape(moved.shape).movedim((-2, -1), (m + 1, n + 1))
    return value.reshape(x.shape)


def resize(x: Tensor, width: int) -> Tensor:
    """Rows x (t, any) zero-padded or cut to (t, width)."""
    return nn.functional.pad(x, (0, width - x.shape[1])) if x.shape[1] < width else x[:, :width]


class QuanTADelta(Delta):
    """Parameters: one gate a pair of axes; buffers: what they were at the start."""

    linear = True

    def __init__(
        self, in_features: int, out_features: int, config: "QuanTAConfig", generator: torch.Generator | None
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.axes = config.axes_of(in_features, out_features)
        gates = []
        for m, n in pairs(len(self.axes)):
            side = self.axes[m] * self.axes[n]
            bound = (3 / side) ** 0.5
            gates.append(torch.empty(side, side).uniform_(-bound, bound, generator=generator))
        self.gates = nn.ParameterList(gates)
        for k, gate in enumerate(gates):  # saved with the adapter: no seed brings them back
            self.register_buffer(f"initial_{k}", gate.detach().clone())
        by_gates = 2 * prod(self.axes) * sum(gate.shape[0] for gate in gates)
        self.dense = in_features * out_features <= AGAIN * by_gates

    @property
    def initial(self) -> list[Tensor]:
        """The frozen gates."""
        return [self.get_buffer(f"initial_{k}") for k in range(len(self.gates))]

    def precompute(self) -> Tensor | None:
        return self.matrix()[0] if self.dense else None

    def compute(self, x: Tensor, precomputed: Tensor | None) -> Tensor:
        if precomputed is not None:
            return x @ precomputed.T
        # the gates are handed over: in the backward pass the module may hold others, in half precision say
        return checkpointed(self._by_gates, x, *self.gates, *self.initial)

    def stacked(self, precomputed: Tensor | None) -> Stacked | None:
        return None if precomputed is None else Stacked(lambda y, x: torch.addmm(y, x, precomputed.T))

    def _by_gates(self, x: Tensor, *gates: Tensor) -> Tensor:
        """Rows x (t, in) -> (T - T0) x, (t, out), by the gates of T and then those of T0."""
        x, half = resize(x, prod(self.axes)), len(gates) // 2
        moved, start = (apply(list(part), self.axes, x) for part in (gates[:half], gates[half:]))
        return resize(moved - start, self.out_features)

    def matrix(self) -> tuple[Tensor, None]:
        if self.in_features <= self.out_features:
            one = torch.eye(self.in_features, device=self.gates[0].device, dtype=self.gates[0].dtype)
            return self._by_gates(one, *self.gates, *self.initial).T, None
        # fewer rows than columns: the transposed gates in reverse order, on the output's unit vectors
        size = prod(self.axes)
        one = torch.eye(size, device=self.gates[0].device, dtype=self.gates[0].dtype)[: self.out_features]
        moved, start = (apply_transposed(g, self.axes, one) for g in (list(self.gates), self.initial))
        rows = resize(moved - start, self.in_features)
        return nn.functional.pad(rows, (0, 0, 0, self.out_features - rows.shape[0])), None

    @staticmethod
    def count(in_features: int, out_features: int, config: "QuanTAConfig") -> int:
        axes = config.axes_of(in_features, out_features)
        return sum((axes[m] * axes[n]) ** 2 for m, n in pairs(len(axes)))


def apply_transposed(gates: list[Tensor], axes: tuple[int, ...], x: Tensor) -> Tensor:
    """T^T on rows x (t, prod axes): the transposed gates, last first."""
    value = x.reshape(-1, *axes)
    for gate, (m, n) in reversed(list(zip(gates, pairs(len(axes)), strict=True))):
        moved = value.movedim((m + 1, n + 1), (-2, -1))
        out = moved.reshape(-1, gate.shape[0]) @ gate
        value = out.reshape(moved.shape).movedim((-2, -1), (m + 1, n + 1))
    return value.reshape(x.shape)


@dataclass
class QuanTAConfig(QftConfig):
    """QuanTA for PEFT: ``get_peft_model(model, QuanTAConfig(axes=[8, 8, 8, 8]))``. It has no rank."""

    method: ClassVar[str] = "quanta"
    delta_class: ClassVar[Any] = QuanTADelta
    knob: ClassVar[Knob | None] = Knob("num_axes", at_least=2, at_most=16, falls="anywhere", also={"axes": None})
    card: ClassVar[MethodCard] = MethodCard(
        equation=r"y = W x + (T - T_0) x, \quad T = \prod_{m<n} G_{mn}",
        start="T = T_0",
        circuit="none",
        lora_rank="full rank",
        parameters="sum of (d_m d_n)^2 over all pairs of the axes d_1, ..., d_N",
        token_cost="in out, or 2 (d_1 ... d_N) (sum of d_m d_n) where that is less",
        hardware="no circuit: its gates are not unitary",
        source="arXiv 2406.00132",
    )
    ranked: ClassVar[bool] = False

    axes: list[int] | None = field(
        default=None,
        metadata={"help": "Sizes of the axes; null: num_axes near-equal ones for each layer."} | within(at_least=1),
    )
    num_axes: int = field(default=4, metadata={"help": "Number of axes where they are not given."} | within(at_least=2))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.axes is not None:
            self.axes = list(self.axes)
            if len(self.axes) < 2:
                raise QftError(f"axes={self.axes}: two axes or more are needed.")

    def axes_of(self, in_features: int, out_features: int) -> tuple[int, ...]:
        """The axes of a layer of this size. Raises QftError where given ones are too small for it."""
        if self.axes is None:
            return factor.factorize(max(in_features, out_features), self.num_axes)
        if prod(self.axes) < min(in_features, out_features):
            raise QftError(
                f"axes={self.axes} hold {prod(self.axes)} numbers, too few for a layer of "
                f"{in_features} x {out_features}; their product should be about {max(in_features, out_features)}."
            )
        return tuple(self.axes)

    def notes(self, shapes: list[tuple[int, int]]) -> list[str]:
        """The axes chosen, one line a size of layer."""
        return [f"{i} x {o}: axes {' x '.join(map(str, self.axes_of(i, o)))}" for i, o in sorted(set(shapes))]


CONFIG = QuanTAConfig
