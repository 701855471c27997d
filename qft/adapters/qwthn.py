"""QWTHN, the Quantum Weighted Tensor Hybrid Network (arXiv 2503.12790 v1, Eq. 1-6 and Fig. 2).

    z = MLP_A(MPO_A(x))                x: in -> width -> r
    w = QNN(z)                         w_k = <Z_k> in [-1, 1]
    o = w * z + z
    y = W x + s MPO_B(MLP_B(o))        o: r -> width -> out,  s = alpha / r

MLP_A and MLP_B are single linear layers with bias. Controls: ``qft/adapters/hybrid/middle.py``; here
``classical_path=false`` is Eq. 6 to the letter, o = w * z, and the SiLU control is w_k = SiLU(a_k z_k + b_k).

Inferred, not published: three cores, bond dimension 5, the factorisations, one circuit block, s = 2 (they
reproduce the published 0.30 M parameters, 23.7 % of LoRA r = 4, on Qwen2-7B's query and value projections).
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from qft.adapters.hybrid import DEEPEST, HybridConfig, HybridDelta
from qft.adapters.hybrid.config import check_choice
from qft.adapters.hybrid.middle import GatedSiLU
from qft.adapters.knob import Knob
from qft.adapters.method_card import MethodCard
from qft.quantum import ansatz
from qft.quantum.circuit import Circuit
from qft.ranges import within

BIAS_STARTS = ("random", "zero")


class QWTHNDelta(HybridDelta):
    """Parameters: cores of MPO_A and MPO_B, two small linears with bias, 2 r angles a block."""

    def __init__(self, in_features: int, out_features: int, config: Any, generator: torch.Generator | None) -> None:
        super().__init__(in_features, out_features, config, generator)
        if config.bias_start == "zero":
            nn.init.zeros_(self.mlp_a.bias)
            nn.init.zeros_(self.mlp_b.bias)

    def fuse(self, z: Tensor, w: Tensor | None) -> Tensor:
        if w is None:
            return z
        return torch.addcmul(z, w, z) if self.classical_path else w * z


@dataclass
class QWTHNConfig(HybridConfig):
    """QWTHN for PEFT: ``get_peft_model(model, QWTHNConfig())``. ``r`` is also the number of qubits."""

    method: ClassVar[str] = "qwthn"
    delta_class: ClassVar[Any] = QWTHNDelta
    knob: ClassVar[Knob | None] = Knob("bond_dim")
    card: ClassVar[MethodCard] = MethodCard(
        equation=r"y = W x + s \, M_B(w \odot z + z), \quad w_k = \langle Z_k \rangle(z; \theta), \quad z = M_A(x)",
        start="last core of MPO_B 0",
        circuit="r qubits: RY of z, CRZ, RY",
        lora_rank="not linear",
        parameters="MPO(in, width) + MPO(width, out) + 2 width r + width + r + 2 r blocks",
        token_cost="r (in + out) + r 3^r",
        hardware="yes: r qubits; 3^r settings of the angles fix a layer's whole response",
        source="arXiv 2503.12790 v1",
        merge="yes with circuit=none or constants, into layers that have a bias",
    )
    settings: ClassVar[tuple[tuple[int, int], ...]] = ((128, 5), (64, 4), (32, 3), (16, 2), (8, 2))
    descending: ClassVar[bool] = False
    normal_cores: ClassVar[bool] = False
    mlp_bias: ClassVar[bool] = True

    blocks: int = field(
        default=1,
        metadata={"help": "Entangling blocks of the circuit."} | within(at_least=1, at_most=DEEPEST),
    )

    bias_start: str = field(
        default="random", metadata={"help": "Initial biases of MLP_A and MLP_B: random, as their weights, or zero."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("bias_start", self.bias_start, BIAS_STARTS)

    def ansatz(self) -> Circuit:
        return ansatz.qwthn(self.r, self.blocks, self.entangle)

    def build_silu(self) -> GatedSiLU:
        return GatedSiLU(self.r)


CONFIG = QWTHNConfig
