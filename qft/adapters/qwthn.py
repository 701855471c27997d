"""QWTHN, the Quantum Weighted Tensor Hybrid Network (arXiv 2503.12790 v1, Eq. 1-6 and Fig. 2).

    z = MLP_A(MPO_A(x))                x: in -> width -> r
    w = QNN(z)                         w_k = <Z_k> in [-1, 1]
    o = w * z + z
    y = W x + s MPO_B(MLP_B(o))        o: r -> width -> out,  s = alpha / r

MLP_A after MPO_A is affine, and so is MPO_B after MLP_B: both are contracted once a step to a factor of
rank r, (r, in) and (out, r). A token then costs LoRA's two products and an r-qubit polynomial; nothing of
size ``width`` exists per token.

Inferred, not published: three cores, bond dimension 5, the factorisations, one circuit block, s = 2 (they
reproduce the published 0.30 M parameters, 23.7 % of LoRA r = 4, on Qwen2-7B's query and value projections).
"""

from dataclasses import dataclass, field
from math import pi, prod
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from qft.adapters.base import QftConfig
from qft.adapters.delta import Delta
from qft.errors import QftError
from qft.quantum import ansatz
from qft.quantum.backends.base import Readout
from qft.quantum.backends.statevector import Statevector
from qft.quantum.response import MAX_QUBITS
from qft.tensor import factor, mpo

# (width, bond dimension) tried from the published one down, until QWTHN is at most 0.30 of LoRA r = 4
SETTINGS = ((128, 5), (64, 4), (32, 3), (16, 2), (8, 2))
LARGEST_RATIO = 0.30


class Factors(NamedTuple):
    """Once-a-step quantities: z = a x + a0, y = b o + b0 (scaled by s), and the bound circuit."""

    a: Tensor
    a0: Tensor
    b: Tensor
    b0: Tensor
    read: Readout | None


class QWTHNDelta(Delta):
    """Parameters: cores of MPO_A and MPO_B, two small linears with bias, 2 r angles a block."""

    def __init__(
        self, in_features: int, out_features: int, config: "QWTHNConfig", generator: torch.Generator | None
    ) -> None:
        super().__init__()
        r, width, bond = config.r, config.width, config.bond_dim
        assert width is not None and bond is not None, "QWTHNConfig.resolve() comes first"
        ins, mid, outs = config.factors(in_features), config.factors(width), config.factors(out_features)
        self.in_features, self.out_features, self.width = in_features, out_features, width
        self.scale = config.scale
        self.circuit = ansatz.qwthn(r, config.blocks) if config.quantum_path else None
        self.linear = self.circuit is None
        self.backend = Statevector()

        def linear(n_in: int, n_out: int) -> nn.Linear:
            layer = nn.utils.skip_init(nn.Linear, n_in, n_out)
            bound = n_in**-0.5  # what Kaiming uniform with a = sqrt(5) comes to
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
            return layer

        self.mpo_a = nn.ParameterList(mpo.initial_cores(mid, ins, bond, in_features, generator))
        self.mlp_a = linear(width, r)
        if self.circuit is not None:
            # never zero: at zero every CRZ gradient vanishes exactly
            self.angles = nn.Parameter(torch.empty(self.circuit.num_weights).uniform_(-pi, pi, generator=generator))
        self.mlp_b = linear(r, width)
        cores = mpo.initial_cores(outs, mid, bond, width, generator)
        cores[-1].zero_()  # the delta starts at exactly zero
        self.mpo_b = nn.ParameterList(cores)

    def prepare(self) -> Factors:
        padded = nn.functional.pad(self.mlp_a.weight, (0, prod(c.shape[1] for c in self.mpo_a) - self.width))
        a = mpo.rows_times(padded, list(self.mpo_a))[:, : self.in_features]
        columns = torch.cat((self.mlp_b.weight, self.mlp_b.bias.unsqueeze(1)), 1) * self.scale
        columns = nn.functional.pad(columns, (0, 0, 0, prod(c.shape[2] for c in self.mpo_b) - self.width))
        b = mpo.times_columns(list(self.mpo_b), columns)[: self.out_features]
        read = self.backend.bind(self.circuit, self.angles) if self.circuit is not None else None
        return Factors(a, self.mlp_a.bias.unsqueeze(1), b[:, :-1], b[:, -1], read)

    def delta(self, x: Tensor, prepared: Factors) -> Tensor:
        f = prepared
        z = torch.addmm(f.a0, f.a, x.T)  # (r, t): tokens last, so the circuit runs over contiguous rows
        o = z if f.read is None else torch.addcmul(z, f.read(z), z)
        return torch.addmm(f.b0, o.T, f.b.T)

    def matrix(self) -> tuple[Tensor, Tensor]:
        f = self.prepare()
        return f.b @ f.a, f.b @ f.a0.squeeze(1) + f.b0

    @staticmethod
    def count(in_features: int, out_features: int, config: "QWTHNConfig") -> int:
        r, width, bond = config.r, config.width, config.bond_dim
        assert width is not None and bond is not None, "QWTHNConfig.resolve() comes first"
        ins, mid, outs = config.factors(in_features), config.factors(width), config.factors(out_features)
        circuit = ansatz.qwthn(r, config.blocks).num_weights if config.quantum_path else 0
        cores = mpo.num_parameters(mid, ins, bond) + mpo.num_parameters(outs, mid, bond)
        return cores + (width + 1) * r + circuit + (r + 1) * width


@dataclass
class QWTHNConfig(QftConfig):
    """QWTHN for PEFT: ``get_peft_model(model, QWTHNConfig())``. ``r`` is also the number of qubits."""

    method: ClassVar[str] = "qwthn"
    delta_class: ClassVar[Any] = QWTHNDelta

    width: int | None = field(default=None, metadata={"help": "Inner width; null: 128 or less, see bond_dim."})
    bond_dim: int | None = field(
        default=None,
        metadata={"help": "MPO bond dimension; null: the largest setting at most 0.30 of LoRA r=4 (128, 5 on 7B)."},
    )
    cores: int = field(default=3, metadata={"help": "Number of MPO cores."})
    pad: bool = field(default=True, metadata={"help": "Pad dimensions that do not split well; false: refuse them."})
    blocks: int = field(default=1, metadata={"help": "Entangling blocks of the circuit."})
    quantum_path: bool = field(default=True, metadata={"help": "False leaves the circuit out: o = z (a control)."})

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("width", "bond_dim", "cores", "blocks"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise QftError(f"{name}={value} must be at least 1.")
        if self.quantum_path and self.r > MAX_QUBITS:
            raise QftError(f"r={self.r} qubits; the exact backend takes at most {MAX_QUBITS}.")

    def factors(self, dim: int) -> tuple[int, ...]:
        """How ``dim`` is split into ``cores`` factors. Raises QftError where it cannot be."""
        try:
            return factor.factorize(dim, self.cores, self.pad)
        except ValueError as error:
            raise QftError(f"{error}; set pad=true or another number of cores.") from None

    def resolve(self, shapes: list[tuple[int, int]]) -> None:
        """Choose width and bond dimension for layers of these (in, out) sizes, where left open."""
        if self.width is not None and self.bond_dim is not None:
            return
        given = (self.width, self.bond_dim)
        lora = sum(4 * (i + o) for i, o in shapes)
        for width, bond in SETTINGS:
            self.width, self.bond_dim = given[0] or width, given[1] or bond
            if sum(QWTHNDelta.count(i, o, self) for i, o in shapes) <= LARGEST_RATIO * lora:
                return

    def describe(self, shapes: list[tuple[int, int]]) -> list[str]:
        """The factorisations chosen, one line a dimension."""
        assert self.width is not None
        dims = sorted({self.width, *(d for shape in shapes for d in shape)})
        return [factor.describe(d, self.factors(d)) for d in dims]


CONFIG = QWTHNConfig
