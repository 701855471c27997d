"""APC, the adapter of the QCHFT code (github.com/tiansoul/QCHFT): <Z> of a deep circuit on a layer's input.

    y = W x + s B z        B: (out, r), s = alpha / r
    |psi> = U pad(x) / ||x|| on n = max(r, ceil(log2 in)) qubits,    z_k = <Z> of the last r of them

U acts on pairs of qubits, (0,1), (2,3), ... and then all (i, i + g) for g = 1, ..., n - 1: on each pair L layers of
RZ RY RZ on both qubits and a CNOT there and back. Parameters: 6 L for each of the floor(n / 2) + n (n - 1) / 2 pairs,
and out r. A zero vector has no state and gives z = 0.

Published (the authors' code; no paper, and the letters are not expanded): r = 2, L = 4, a learning rate of 5e-4,
batches of one and one epoch; on Mamba's in_proj and out_proj. Their README takes n from max(in, out), their code from
in. Angles start by Xavier's rule on (pairs, 6 L). B starts there by Kaiming's (a = sqrt(5) is inferred), so that the
delta is not zero, and the scale is computed but never used: ``start=published``. Changed here: B = 0, and the scale
counts; in the first step only B has a gradient. That n is at least 2 is ours.

z(-x) = z(x), and z does not see the length of x: not linear, not mergeable. A pair's gates are one 4 x 4 matrix, made
once a step, and neighbouring pairs one on up to five qubits (``qft.quantum.simulators.pair_gates``); a token costs
about 16 2^n products a pair and keeps x. In complex float32 or wider. On hardware each token would have to be encoded
in 2^n amplitudes, about 2^n CNOTs, which is refused.
"""

from dataclasses import dataclass, field
from math import sqrt
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from qft.adapters.config import QftConfig
from qft.adapters.delta import Delta
from qft.adapters.knob import Knob
from qft.adapters.method_card import MethodCard
from qft.adapters.on_hardware import OnHardware
from qft.errors import QftError, nearest
from qft.quantum import ansatz
from qft.quantum.backends.base import Backend
from qft.quantum.backends.statevector import Statevector
from qft.quantum.simulators import pair_gates
from qft.ranges import within

STARTS = ("zero", "published")
AFTER_CNOTS = [0, 2, 3, 1]  # row of the two qubits' state that comes to each place by CNOT 0 -> 1, then 1 -> 0
MOST_QUBITS = 16


def qubits(r: int, in_features: int) -> int:
    """n of a layer."""
    return max(2, r, (in_features - 1).bit_length())


def pair_matrices(angles: Tensor, layers: int) -> Tensor:
    """The gates of each pair as one matrix.

    Args:
        angles: (pairs, 6 layers), in radians: by layer, qubit and RZ, RY, RZ.
        layers: L.

    Returns:
        Complex (pairs, 4, 4), unitary; the first qubit is the slower one.
    """
    before, middle, after = (angles.view(-1, layers, 2, 3) / 2).unbind(-1)
    c, s, both, apart = middle.cos(), middle.sin(), before + after, before - after
    entries = [
        torch.complex(c * both.cos(), -c * both.sin()),
        torch.complex(-s * apart.cos(), -s * apart.sin()),
        torch.complex(s * apart.cos(), -s * apart.sin()),
        torch.complex(c * both.cos(), c * both.sin()),
    ]
    first, second = torch.stack(entries, -1).unflatten(-1, (2, 2)).unbind(2)
    product = first[..., :, None, :, None] * second[..., None, :, None, :]
    layer = product.flatten(2, 3).flatten(3, 4)[:, :, AFTER_CNOTS]
    out: Tensor = layer[:, 0]
    for number in range(1, layers):
        out = layer[:, number] @ out
    return out


def check_encoding(backend: Backend, n: int) -> None:
    """Raise QftError for a backend that would have to encode each token in the amplitudes of ``n`` qubits."""
    if backend.plain_torch and backend.noise is None and backend.shots is None:
        return
    raise QftError(
        f"apc encodes each token in the amplitudes of {n} qubits, about {2**n:,} CNOTs: backend={backend.name} does "
        "not do that; use backend=statevector."
    )


class APCDelta(Delta):
    """Parameters: ``angles`` (pairs, 6 L), radians, and ``b`` (out, r)."""

    def __init__(
        self, in_features: int, out_features: int, config: "APCConfig", generator: torch.Generator | None
    ) -> None:
        super().__init__()
        self.n, self.r, self.layers = config.qubits_for(in_features), config.r, config.layers
        self.pairs = ansatz.apc_pairs(self.n)
        self.backend = Statevector()
        published = config.start == "published"
        self.scale = 1.0 if published else config.scale
        shape = len(self.pairs), 6 * self.layers
        xavier = sqrt(6 / sum(shape))
        self.angles = nn.Parameter(torch.empty(shape).uniform_(-xavier, xavier, generator=generator))
        b = torch.zeros(out_features, self.r)
        if published:
            b.uniform_(-(self.r**-0.5), self.r**-0.5, generator=generator)
        self.b = nn.Parameter(b)

    @property
    def is_quantum(self) -> bool:
        """A backend counts the circuits; they are evaluated here."""
        return True

    def set_backend(self, backend: Backend) -> None:
        check_encoding(backend, self.n)
        super().set_backend(backend)

    def precompute(self) -> tuple[Tensor, list[Tensor]]:
        plan = pair_gates.plan(self.n, self.pairs)
        return self.scale * self.b, pair_gates.fuse(plan, self.pairs, pair_matrices(self.angles, self.layers))

    def compute(self, x: Tensor, precomputed: tuple[Tensor, list[Tensor]]) -> Tensor:
        self.backend.count(x.shape[0])
        b, matrices = precomputed
        largest = x.detach().abs().amax(1, keepdim=True)
        u = x / torch.where(largest > 0, largest, 1)  # the state does not depend on the scale; squares stay in range
        padded = nn.functional.pad(u, (0, 2**self.n - u.shape[1])).T
        z = pair_gates.expectations(pair_gates.plan(self.n, self.pairs), padded, matrices, self.r)
        # the largest entry is 1, so the norm is at least 1, but for a zero vector, which gives 0
        return (z.T / u.square().sum(1, keepdim=True).clamp_min(1)) @ b.T

    @staticmethod
    def count(in_features: int, out_features: int, config: "APCConfig") -> int:
        return config.angles_for(in_features) + out_features * config.r


@dataclass
class APCConfig(QftConfig):
    """APC for PEFT: ``get_peft_model(model, APCConfig(layers=2))``."""

    method: ClassVar[str] = "apc"
    delta_class: ClassVar[Any] = APCDelta
    knob: ClassVar[Knob | None] = Knob("layers", at_most=1000)
    card: ClassVar[MethodCard] = MethodCard(
        equation=r"y = W x + s B z, \quad z_k = \langle Z_k \rangle(U \, x / \lVert x \rVert)",
        start="B = 0; first only B moves; start=published: not zero",
        circuit="n qubits: amplitudes of x, L layers of RZ, RY, RZ and two CNOT on each of n^2 / 2 pairs",
        lora_rank="not linear",
        parameters="6 L (floor(n / 2) + n (n - 1) / 2) + r out, n = max(r, ceil(log2 in)) qubits",
        token_cost="16 2^n for each pair + r out",
        hardware="no: encoding a token would take about 2^n CNOTs; refused",
        source="github.com/tiansoul/QCHFT",
    )
    has_hardware_form: ClassVar[bool] = True

    r: int = field(default=2, metadata={"help": "Qubits that are read out."} | within(at_least=1, at_most=MOST_QUBITS))
    layers: int = field(
        default=4, metadata={"help": "L, layers on each pair of qubits."} | within(at_least=1, at_most=1000)
    )
    start: str = field(
        default="zero", metadata={"help": "zero: B = 0; published: it is not, and the scale is not applied."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.start not in STARTS:
            raise QftError(f"start={self.start} does not exist.{nearest(self.start, STARTS)}")

    def qubits_for(self, in_features: int) -> int:
        """n of a layer. Raises QftError for a layer whose state is too large to be kept."""
        n = qubits(self.r, in_features)
        if n > MOST_QUBITS:
            raise QftError(
                f"apc: a layer of {in_features} inputs takes {n} qubits; at most {MOST_QUBITS} are simulated, "
                f"{1 << MOST_QUBITS} inputs."
            )
        return n

    def angles_for(self, in_features: int) -> int:
        """How many angles the circuit of a layer has."""
        return 6 * self.layers * len(ansatz.apc_pairs(self.qubits_for(in_features)))

    def check_backend(self, backend: Backend, hidden_size: int, training: bool = False) -> None:
        check_encoding(backend, qubits(self.r, hidden_size))

    def on_hardware(self, shapes: list[tuple[int, int]]) -> OnHardware:
        n = max(self.qubits_for(in_features) for in_features, _ in shapes)
        return OnHardware(
            circuit=ansatz.apc(n, self.layers),
            measures=f"<Z> of the last {self.r} of {n} qubits, from the encoded state of the widest layer's input",
            refused=f"a token is encoded in the amplitudes of {n} qubits, about {2**n:,} CNOTs before this circuit, "
            "anew for each token and layer",
        )

    def notes(self, shapes: list[tuple[int, int]]) -> list[str]:
        """The circuit of each size of input, one line each."""
        lines = []
        for features in sorted({i for i, _ in shapes}):
            n = self.qubits_for(features)
            pairs = len(ansatz.apc_pairs(n))
            lines.append(
                f"{features}: {n} qubits, {pairs} pairs, {self.angles_for(features):,} angles, "
                f"{2 * self.layers * pairs:,} CNOT"
            )
        return lines


CONFIG = APCConfig
