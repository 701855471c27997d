"""QAA, Quantum-Amplitude embedded Adaptation (arXiv 2509.16244): a circuit on the amplitudes of a hidden vector.

    n = ceil(log2 d);  |psi> = pad(h) / ||h||        h (d,): what an attention or feed-forward block gave out
    RX(theta_i) on each qubit, then CNOT i -> i+1 along the chain;  m_k = <Z_k>
    h' = h + cut_d(m W_up)                           W_up (n, 2^n), no bias

theta starts U(-pi, pi) (theta = 0 is an exact stationary point), W_up at zero. A zero vector has no state; it
gives m = 0. Parameters: n 2^n + n; columns of W_up past d never see a gradient. Not linear: not mergeable.

Inferred: one adapter a layer (it gives the published 123,000 on GPT-Neo-125M), after the feed-forward block.

How it is evaluated, exactly and in real numbers. CNOTs permute basis states, so <Z_k> after the chain is the
parity Z_0 Z_1 ... Z_k before it: signs. With D = diag(i^popcount), RX layer = D (product of RY(-theta)) D^*,
and D changes no probability: the amplitudes of even and of odd popcount are rotated apart, as real vectors,
by a Kronecker product of two factors of side 2^(n/2). A token costs 4 2^n 2^(n/2) products, and only h is
kept for the backward pass. Amplitude encoding on hardware takes about 2^n CNOTs a token, which is refused.

Under noise (backend=noisy) the encoding is taken as ideal; RX layer, chain and read-out are not. A token costs the
same: the parities become other numbers (``qft.quantum.simulators.cnot_chain``).
"""

from dataclasses import dataclass
from math import pi
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from qft.adapters.blocks import BlockConfig
from qft.adapters.delta import Delta
from qft.adapters.knob import Knob
from qft.adapters.method_card import MethodCard
from qft.adapters.on_hardware import OnHardware
from qft.errors import QftError
from qft.quantum import ansatz
from qft.quantum.autodiff import checkpointed
from qft.quantum.backends.base import Backend
from qft.quantum.backends.statevector import Statevector
from qft.quantum.chip_noise import ChipNoise
from qft.quantum.mitigation import OFF
from qft.quantum.noise import NoiseModel
from qft.quantum.simulators import cnot_chain


def qubits(d: int) -> int:
    """ceil(log2 d), at least 1."""
    return max(1, (d - 1).bit_length())


class Factors(NamedTuple):
    """Once-a-step: the RX layer's two factors, split signs (2, 2^n), parities (n, 2^n), W_up cut to (n, d)."""

    left: Tensor
    right: Tensor
    split: Tensor
    parity: Tensor
    up: Tensor


def rotation(theta: Tensor) -> Tensor:
    """Kronecker product of RY(-theta_i) over the qubits given, (2^m, 2^m) real."""
    out = theta.new_ones(1, 1)
    for c, s in zip((theta / 2).cos(), (theta / 2).sin()):
        out = torch.kron(out, torch.stack((torch.stack((c, s)), torch.stack((-s, c)))))
    return out


def signs(n: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Split signs (2, 2^n): D^* on even and on odd popcounts; parity signs (n, 2^n): (-1)^(b_0 + ... + b_k)."""
    index = torch.arange(2**n, device=like.device)
    bits = torch.stack([(index >> (n - 1 - k)) & 1 for k in range(n)])  # qubit 0 is the most significant bit
    weight = bits.sum(0)
    sign = (1 - 2 * ((weight // 2) % 2)).to(like.dtype)  # (-i)^w = (+-1) for even w, -i (+-1) for odd
    split = torch.stack((sign * (weight % 2 == 0), sign * (weight % 2 == 1)))
    return split, (1 - 2 * (bits.cumsum(0) % 2)).to(like.dtype)


def read_out(h: Tensor, left: Tensor, right: Tensor, split: Tensor, parity: Tensor) -> Tensor:
    """Rows h (t, d) -> <Z_k> after circuit and chain, (t, n)."""
    largest = h.detach().abs().amax(1, keepdim=True)
    u = h / torch.where(largest > 0, largest, 1)  # |psi> does not depend on the scale; squares stay in range
    u = nn.functional.pad(u, (0, split.shape[1] - u.shape[1]))
    apart = (u.unsqueeze(1) * split).reshape(-1, right.shape[0])  # (2 t 2^m, 2^(n-m))
    # spelt out, as matmul picks another order of sums where gradients are off
    turned = (apart @ right.T).reshape(-1, left.shape[0], right.shape[0])
    turned = torch.bmm(left.expand(turned.shape[0], -1, -1), turned)
    probability = turned.reshape(-1, 2, split.shape[1]).square().sum(1)
    # the largest entry is 1, so the norm is at least 1, but for a zero vector, which gives 0
    return probability @ parity.T / u.square().sum(1, keepdim=True).clamp_min(1)


def check_encoding(backend: Backend, n: int) -> None:
    """Raise QftError for a backend that would have to encode a hidden vector in the amplitudes of ``n`` qubits."""
    if isinstance(backend.noise, ChipNoise) or backend.mitigation != OFF:
        raise QftError("qaa is computed under the noise of U3 and CZ alone: no chip's calibration, and no mitigation.")
    if backend.plain_torch:
        return
    with_shots = "" if backend.shots is None else f" with backend.shots={backend.shots}"
    raise QftError(
        f"qaa encodes a hidden vector in {n} qubits' amplitudes, about {2**n:,} CNOTs for each "
        f"token: backend={backend.name}{with_shots} does not do that; use backend=statevector, or "
        "backend=noisy without shots, which takes the encoding as ideal."
    )


class QAADelta(Delta):
    """Parameters: theta (n,), up (n, 2^n)."""

    reads_output = True
    circuit_parameters = ("theta",)

    def __init__(
        self, in_features: int, out_features: int, config: "QAAConfig", generator: torch.Generator | None
    ) -> None:
        super().__init__()
        self.n = n = qubits(out_features)
        self.out_features = out_features
        self.backend = Statevector()
        self.theta = nn.Parameter(torch.empty(n).uniform_(-pi, pi, generator=generator))
        self.up = nn.Parameter(torch.zeros(n, 2**n))

    @property
    def is_quantum(self) -> bool:
        """A backend's noise and its count of circuits are used; the circuit itself is evaluated here."""
        return True

    def set_backend(self, backend: Backend) -> None:
        check_encoding(backend, self.n)
        super().set_backend(backend)

    def precompute(self) -> Factors:
        half = self.n // 2
        factors = rotation(self.theta[:half]), rotation(self.theta[half:])
        split, parity = signs(self.n, self.theta)
        if isinstance(self.backend.noise, NoiseModel):
            parity = torch.as_tensor(cnot_chain.values(self.n, self.backend.noise)).to(parity)
        return Factors(*factors, split, parity, self.up[:, : self.out_features])

    def compute(self, x: Tensor, precomputed: Factors) -> Tensor:
        self.backend.count(x.shape[0])
        return checkpointed(read_out, x, *precomputed[:4]) @ precomputed.up

    @staticmethod
    def count(in_features: int, out_features: int, config: "QAAConfig") -> int:
        n = qubits(out_features)
        return n * (1 << n) + n


@dataclass
class QAAConfig(BlockConfig):
    """QAA for PEFT: ``get_peft_model(model, QAAConfig())``. Qubits follow from the hidden size; it has no rank."""

    method: ClassVar[str] = "qaa"
    delta_class: ClassVar[Any] = QAADelta
    knob: ClassVar[Knob | None] = Knob("last_layers", "layers")
    card: ClassVar[MethodCard] = MethodCard(
        equation=r"h' = h + m \, W_{up}, \quad m_k = \langle Z_k \rangle(h / \lVert h \rVert; \theta)",
        start="W_up = 0",
        circuit="n qubits: amplitudes of h, RX, chain of CNOT",
        lora_rank="not linear",
        parameters="n 2^n + n for a block of hidden size d, n = ceil(log2 d)",
        token_cost="4 2^n 2^(n/2) + n d",
        hardware="no: encoding a token would take about 2^n CNOTs; refused (backend=noisy: taken as ideal)",
        source="arXiv 2509.16244",
    )
    ranked: ClassVar[bool] = False
    has_hardware_form: ClassVar[bool] = True

    def on_hardware(self, shapes: list[tuple[int, int]]) -> OnHardware:
        n = max(qubits(d) for _, d in shapes)
        return OnHardware(
            circuit=ansatz.rx_chain(n),
            measures=f"<Z> of {n} qubits, from the encoded state of what a block gave out",
            refused=f"a token is encoded in the amplitudes of {n} qubits, about {2**n:,} CNOTs before this circuit, "
            "anew for each token and layer",
        )

    def check_backend(self, backend: Backend, hidden_size: int, training: bool = False) -> None:
        check_encoding(backend, qubits(hidden_size))


CONFIG = QAAConfig
