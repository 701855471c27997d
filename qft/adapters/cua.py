"""CUA, Cayley unitary adapters (arXiv 2605.05914): small orthogonal blocks on a layer's input.

    y = W (Q x) + c        Q = blockdiag of in / b blocks (I + A/2)^-1 (I - A/2),  A = -A^T of size b = 2^n

Parameters: floor(in / b) b (b - 1) / 2, the numbers of A above its diagonal. A = 0 at the start: Q = I, with gradients
everywhere; det Q = +1 always. Features past the last whole block stay as they are. Linear, mergeable, of full rank. A
token costs b in products after one solve a block and step.

Published: blocks of two qubits (b = 4). Inferred: the input side, on which the published 6,144 parameters of one v_proj
of Llama-3.1-8B come out (4096 / 4 blocks of 6; on its 1,024 outputs they would be 1,536). The paper was read to its
abstract; no code was released.

On hardware each block would take the encoding of b amplitudes for each token, and counts give magnitudes only: the
sign is copied from the input, so that sign(x) |Q x| is computed, which is not linear and wrong in 0.6, 6.4 and 24 % of
the entries at angles of the scale 0.01, 0.1 and 0.5. ``readout=sign_constrained`` (ours) computes that. A block needs 2
CNOTs and one for its state: at 4,096 features 1,024 blocks, 14 circuits of 156 qubits a token and layer.

PEFT's OFT with the same block size is the same function class (its default is a five-term series of the inverse).
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from qft.adapters.config import QftConfig
from qft.adapters.knob import Knob
from qft.adapters.method_card import MethodCard
from qft.adapters.multiplicative import InputDelta
from qft.adapters.on_hardware import OnHardware
from qft.errors import QftError, nearest
from qft.quantum import ansatz
from qft.ranges import within
from qft.tensor.orthogonal import block_rows, cayley

READOUTS = ("exact", "sign_constrained")


class CUADelta(InputDelta):
    """Parameters: ``skew`` (blocks, b (b - 1) / 2)."""

    circuit_parameters = ("skew",)

    def __init__(
        self, in_features: int, out_features: int, config: "CUAConfig", generator: torch.Generator | None
    ) -> None:
        super().__init__()
        self.block, self.signs = config.block, config.readout == "sign_constrained"
        self.linear = config.linear
        if in_features < config.block:
            largest = 1 << (in_features.bit_length() - 1)
            raise QftError(
                f"cua: block={config.block} is above the {in_features} features of a layer; at most {largest}."
            )
        self.skew = nn.Parameter(torch.zeros(in_features // config.block, config.block * (config.block - 1) // 2))

    def precompute(self) -> Tensor:
        return cayley(self.skew, self.block)

    def compute(self, x: Tensor, precomputed: Tensor) -> Tensor:
        turned = block_rows(x, precomputed)
        return x.sign() * turned.abs() if self.signs else turned

    def compute_transposed(self, rows: Tensor, precomputed: Tensor) -> Tensor:
        return block_rows(rows, precomputed.mT)

    @staticmethod
    def count(in_features: int, out_features: int, config: "CUAConfig") -> int:
        return in_features // config.block * (config.block * (config.block - 1) // 2)


@dataclass
class CUAConfig(QftConfig):
    """CUA for PEFT: ``get_peft_model(model, CUAConfig(block=8))``. It has no rank."""

    method: ClassVar[str] = "cua"
    delta_class: ClassVar[Any] = CUADelta
    knob: ClassVar[Knob | None] = Knob("block", "powers", at_least=2)
    card: ClassVar[MethodCard] = MethodCard(
        equation=r"y = W (Q x) + c, \quad Q = (I + A/2)^{-1} (I - A/2) \text{ on each block}",
        start="A = 0: Q = I",
        circuit="log2 b qubits a block; 3 CNOT at b = 4, encoding included",
        lora_rank="full rank",
        parameters="floor(in / b) b (b - 1) / 2 for blocks of size b",
        token_cost="b in",
        hardware="only as sign(x) abs(Q x), readout=sign_constrained: a circuit for each block and token",
        source="arXiv 2605.05914",
        merge="no with readout=sign_constrained",
    )
    ranked: ClassVar[bool] = False
    has_hardware_form: ClassVar[bool] = True

    block: int = field(
        default=4, metadata={"help": "Size b of a block, a power of two."} | within(at_least=2, at_most=4096)
    )
    readout: str = field(
        default="exact", metadata={"help": "exact: Q x; sign_constrained: sign(x) |Q x|, what counts would give."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.block & (self.block - 1):
            below = 1 << (self.block.bit_length() - 1)
            raise QftError(f"block={self.block} is no power of two; the nearest are {below} and {2 * below}.")
        if self.readout not in READOUTS:
            raise QftError(f"readout={self.readout} does not exist.{nearest(self.readout, READOUTS)}")

    def on_hardware(self, shapes: list[tuple[int, int]]) -> OnHardware:
        if self.block > 4:
            raise QftError(f"cua: circuits are written out for blocks of 2 and 4, not of {self.block}.")
        return OnHardware(
            circuit=ansatz.orthogonal_block(self.block.bit_length() - 1),
            measures="|Q x| of one block; its sign is copied from x, so that sign(x) |Q x| is computed",
            a_token=tuple(in_features // self.block for in_features, _ in shapes),
        )

    @property
    def linear(self) -> bool:
        return self.readout == "exact"


CONFIG = CUAConfig
