"""Quantum-PEFT (arXiv 2503.05431): low rank whose two frames are columns of shallow real circuits.

    y = W x + U diag(lambda) V^T x        U: (out, K), V: (in, K), lambda: (K,)

U and V are the first K columns of a circuit on q = ceil(log2 n) qubits: RY on all, then L times CZ and RY on the pairs
(0,1), (2,3), ... and then on (1,2), (3,4), ... (PennyLane's SimplifiedTwoDesign; ``qft.tensor.two_design``). Trained:
(2 L + 1) q - 2 L angles for each of the two, and lambda. K is at most min(in, out).

Start: angles U(-pi, pi); angles of zero would give diag(+-1), not I. ``start=lambda`` (ours): lambda = 0, so that in
the first step only lambda has a gradient. ``start=difference`` (ours): lambda = 0.1 and the initial change subtracted,

    y = W x + (U lambda - U0 lambda0) V^T x + U0 lambda0 (V - V0)^T x

which is exactly zero, has gradients everywhere, and rank 2 K.

Published: the circuit. Read from the paper's abstract only: L = 1 and K = 4 are ours, as are the starts. No code was
released. ``sizes=truncate`` takes the first n rows where n is no power of two; the columns are then no longer
orthonormal (by 0.2 at 28 of 32 rows). ``sizes=mixed`` (ours) gives one wire the odd part of n as its levels, turned by
Cayley blocks: orthonormal for every n. The paper describes a recursion in place of both.

No n x n matrix is formed: L layers cost O(L n K sqrt(n)) a step. On hardware the amplitudes of U would take state
tomography; in simulation they are cheap. A classical control of equal kind: ``adapter=butterfly``.
"""

from dataclasses import dataclass, field
from math import pi
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from qft.adapters.config import QftConfig
from qft.adapters.factors import FactorDelta
from qft.adapters.knob import Knob
from qft.adapters.method_card import MethodCard
from qft.adapters.on_hardware import OnHardware
from qft.errors import QftError, nearest
from qft.quantum import ansatz
from qft.ranges import within
from qft.tensor.two_design import SIZES, TwoDesign, columns

STARTS = ("lambda", "difference")
INITIAL_LAMBDA = 0.1  # with start=difference


class QuantumPEFTDelta(FactorDelta):
    """Parameters: the circuits' numbers ``out_angles`` and ``in_angles``, and ``values`` (K,), which is lambda."""

    circuit_parameters = ("out_angles", "in_angles")

    def __init__(
        self, in_features: int, out_features: int, config: "QuantumPEFTConfig", generator: torch.Generator | None
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.k = min(config.rank, in_features, out_features)
        self.in_plan, self.out_plan = config.plan(in_features), config.plan(out_features)
        self.difference = config.start == "difference"
        self.out_angles, self.in_angles = (
            nn.Parameter(torch.empty(plan.count).uniform_(-pi, pi, generator=generator))
            for plan in (self.out_plan, self.in_plan)
        )
        self.values = nn.Parameter(torch.full((self.k,), INITIAL_LAMBDA if self.difference else 0.0))
        if self.difference:
            for name in ("out_angles", "in_angles", "values"):
                self.register_buffer(f"initial_{name}", getattr(self, name).detach().clone())

    def factors(self) -> tuple[Tensor, Tensor]:
        outs: list[Tensor] = [self.out_angles]
        ins: list[Tensor] = [self.in_angles]
        if self.difference:
            outs, ins = [*outs, self.get_buffer("initial_out_angles")], [*ins, self.get_buffer("initial_in_angles")]
        if self.out_plan == self.in_plan:  # one pass for both
            rows = columns(torch.stack(outs + ins), self.out_plan, self.k)
            u, v = rows[: len(outs)], rows[len(outs) :]
        else:
            u = columns(torch.stack(outs), self.out_plan, self.k)
            v = columns(torch.stack(ins), self.in_plan, self.k)
        u, v = u[..., : self.out_features], v[..., : self.in_features]  # (1 or 2, K, n)
        scaled = self.values.unsqueeze(1) * u[0]
        if not self.difference:
            return v[0], scaled.T
        initial = self.get_buffer("initial_values").unsqueeze(1) * u[1]
        return torch.cat([v[0], v[0] - v[1]]), torch.cat([scaled - initial, initial]).T

    @staticmethod
    def count(in_features: int, out_features: int, config: "QuantumPEFTConfig") -> int:
        k = min(config.rank, in_features, out_features)
        return config.plan(in_features).count + config.plan(out_features).count + k


@dataclass
class QuantumPEFTConfig(QftConfig):
    """Quantum-PEFT for PEFT: ``get_peft_model(model, QuantumPEFTConfig(layers=2, rank=8))``. It has no scale."""

    method: ClassVar[str] = "quantum_peft"
    delta_class: ClassVar[Any] = QuantumPEFTDelta
    knob: ClassVar[Knob | None] = Knob("layers", at_most=1000)
    card: ClassVar[MethodCard] = MethodCard(
        equation=r"y = W x + U \, \mathrm{diag}(\lambda) \, V^T x",
        start="lambda = 0; first only lambda moves; start=difference: all",
        circuit="ceil(log2 n) qubits: RY, L layers of CZ and RY",
        lora_rank="K; 2 K with start=difference",
        parameters="(2 L + 1) q - 2 L for each side, q = ceil(log2 n) qubits, + K",
        token_cost="K (in + out)",
        hardware="no: the amplitudes of U and V would take state tomography; simulated exactly",
        source="arXiv 2503.05431",
    )
    ranked: ClassVar[bool] = False
    has_hardware_form: ClassVar[bool] = True

    rank: int = field(default=4, metadata={"help": "K, columns of U and V."} | within(at_least=1))
    layers: int = field(
        default=1,
        metadata={"help": "L, layers of two bricks of CZ and RY each; 0: no CZ at all."}
        | within(at_least=0, at_most=1000),
    )
    start: str = field(
        default="lambda", metadata={"help": "lambda: starts at lambda = 0; difference: less what it was at the start."}
    )
    sizes: str = field(
        default="truncate", metadata={"help": "Widths that are no power of two: truncate rows, or mixed levels."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, known in (("start", STARTS), ("sizes", SIZES)):
            if getattr(self, name) not in known:
                raise QftError(f"{name}={getattr(self, name)} does not exist.{nearest(getattr(self, name), known)}")

    def plan(self, features: int) -> TwoDesign:
        """The circuit of one side. Raises QftError, with the nearest size that has one, where there is none."""
        try:
            return TwoDesign.for_width(features, self.layers, self.sizes)
        except ValueError as error:
            raise QftError(f"quantum_peft: {error}.") from None

    def on_hardware(self, shapes: list[tuple[int, int]]) -> OnHardware:
        plan = self.plan(max(n for shape in shapes for n in shape))
        if set(plan.levels) != {2}:
            raise QftError(
                f"quantum_peft: sizes=mixed has a wire of {max(plan.levels)} levels, which no chip of qubits has; "
                "use adapter.sizes=truncate."
            )
        return OnHardware(
            circuit=ansatz.two_design(len(plan.levels), self.layers),
            measures=f"the squares of a column's {plan.width:,} amplitudes; this is the first of the widest side",
            refused=f"a token needs the amplitudes of U and V themselves, signs included: state tomography of "
            f"{plan.width:,} amplitudes for each of {self.rank} columns",
        )

    def notes(self, shapes: list[tuple[int, int]]) -> list[str]:
        """The circuit of each size, one line each."""
        lines = []
        for features in sorted({n for shape in shapes for n in shape}):
            plan = self.plan(features)
            wires = " x ".join(map(str, plan.levels)) if self.sizes == "mixed" else f"{len(plan.levels)} qubits"
            cut = "" if plan.width == features else f", {features} of {plan.width} rows"
            lines.append(f"{features}: {wires}{cut}, {plan.entanglers} CZ")
        return lines + ["layers=0: no CZ, a Kronecker product of rotations"] * (self.layers == 0)


CONFIG = QuantumPEFTConfig
