"""QTHA, Quantum Tensor Hybrid Adaptation (arXiv 2503.12790 v2): the quantum and the classical path are added.

    z = MLP_A(MPO_A(x))                x: in -> width -> r
    o = W_q QNN(z) + W_c z             W_q, W_c: (r, r)
    y = W x + s MPO_B(MLP_B(o))        o: r -> width -> out,  s = alpha / r

QNN uploads z again in each of its L layers (``qft.quantum.ansatz.qtha``): 4 r L angles. No layer has a bias.
Controls: ``qft/adapters/hybrid/middle.py``; here ``classical_path=false`` leaves W_c z out, ``circuit=none`` leaves
W_q QNN(z) out, and the SiLU control is h <- SiLU(W_l h) for L matrices of (r, r) from h = z, at r = 4 exactly
as many parameters as the circuit.

Inferred, not published: four cores, bond dimension 5, factors in descending order, L = r layers, s = 2. They
give 308,784 parameters on Qwen2-7B's query and value projections, the published 76 % fewer than LoRA r = 4.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from qft.adapters.hybrid import DEEPEST, HybridConfig, HybridDelta
from qft.adapters.hybrid.config import check_choice
from qft.adapters.hybrid.middle import SiLULayers, uniform
from qft.adapters.knob import Knob
from qft.adapters.method_card import MethodCard
from qft.quantum import ansatz
from qft.quantum.circuit import Circuit
from qft.ranges import within


class QTHADelta(HybridDelta):
    """Parameters: cores of MPO_A and MPO_B, two small linears, 4 r L angles, W_q and W_c."""

    def add_middle(self, config: Any, generator: torch.Generator | None) -> None:
        super().add_middle(config, generator)
        r = config.r
        if config.circuit != "none":
            self.w_q = uniform(r, r, variance=1 / (3 * r), generator=generator)
        if config.classical_path:
            self.w_c = uniform(r, r, variance=1 / (3 * r), generator=generator)

    def fuse(self, z: Tensor, w: Tensor | None) -> Tensor:
        if w is None:
            return self.w_c @ z
        quantum = self.w_q @ w
        return torch.addmm(quantum, self.w_c, z) if self.classical_path else quantum


@dataclass
class QTHAConfig(HybridConfig):
    """QTHA for PEFT: ``get_peft_model(model, QTHAConfig())``. ``r`` is also the number of qubits."""

    method: ClassVar[str] = "qtha"
    delta_class: ClassVar[Any] = QTHADelta
    knob: ClassVar[Knob | None] = Knob("bond_dim")
    card: ClassVar[MethodCard] = MethodCard(
        equation=r"y = W x + s \, M_B(W_q \, \mathrm{QNN}(z) + W_c z), \quad z = M_A(x)",
        start="last core of MPO_B 0",
        circuit="r qubits: RY of z, rings of CRZ, RY",
        lora_rank="not linear",
        parameters="MPO(in, width) + MPO(width, out) + 2 width r + 2 r^2 + 4 r layers",
        token_cost="r (in + out) + 2 r^2 + 4 layers 4^r",
        hardware="yes: r qubits; (2 layers + 1)^r settings of the angles fix a layer's whole response",
        source="arXiv 2503.12790 v2",
        merge="yes with circuit=none, and with constants into layers that have a bias",
    )
    settings: ClassVar[tuple[tuple[int, int], ...]] = ((256, 5), (128, 4), (64, 3), (32, 2), (16, 2), (8, 2), (4, 2))
    descending: ClassVar[bool] = True
    normal_cores: ClassVar[bool] = True
    mlp_bias: ClassVar[bool] = False

    cores: int = field(default=4, metadata={"help": "Number of MPO cores."} | within(at_least=1))
    layers: int | None = field(
        default=None, metadata={"help": "Layers L of the circuit; null: r."} | within(at_least=1, at_most=DEEPEST)
    )
    encode: str = field(default="layer", metadata={"help": "layer: upload z in every layer; once: in the first."})
    order: str = field(
        default="crz_first", metadata={"help": "crz_first or ry_first: what comes first, ring or trainable RY."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("encode", self.encode, ansatz.ENCODINGS)
        check_choice("order", self.order, ansatz.ORDERS)

    @property
    def depth(self) -> int:
        """L, with null meaning r."""
        return self.r if self.layers is None else self.layers

    def ansatz(self) -> Circuit:
        return ansatz.qtha(self.r, self.depth, self.encode, self.order, self.entangle)

    def build_silu(self) -> SiLULayers:
        return SiLULayers(self.depth, self.r)

    def fusion_count(self) -> int:
        return self.r**2 * ((self.circuit != "none") + self.classical_path)


CONFIG = QTHAConfig
