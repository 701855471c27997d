"""What QWTHN and QTHA share: two tensor-train factors of rank r with a circuit between them.

    z = MLP_A(MPO_A(x)) = a x + a0        x: in -> width -> r
    w = middle(z)                         the circuit QNN(z), or what a control puts in its place
    o = fuse(z, w)                        the method's own
    y = W x + s MPO_B(MLP_B(o)) = W x + b o + b0

MLP_A after MPO_A is affine, and so is MPO_B after MLP_B: both are contracted once a step to a factor of
rank r, (r, in) and (out, r). A token then costs LoRA's two products and an r-qubit circuit; nothing of
size ``width`` exists per token.

What the controls (fields of HybridConfig) put for w: ``qft/adapters/hybrid/middle.py``.
"""

from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from qft.adapters.delta import Delta
from qft.adapters.hybrid.config import HybridConfig
from qft.adapters.stacked import Stacked
from qft.quantum.backends.base import Readout
from qft.quantum.circuit import Circuit
from qft.tensor import mpo

FEW = 64  # tokens up to which written-out phases are faster than the products of ``multilinear``


class Factors(NamedTuple):
    """Once-a-step quantities: z = a x + a0, w = read(z), y = b o + b0 (scaled by s)."""

    a: Tensor  # (r, in)
    a0: Tensor | None  # (r, 1)
    read: Readout | None
    b: Tensor  # (out, r)
    b0: Tensor | None  # (out,)


class HybridDelta(Delta):
    """Parameters: cores of MPO_A and MPO_B, MLP_A and MLP_B, the circuit's angles, and the method's own."""

    def __init__(
        self, in_features: int, out_features: int, config: HybridConfig, generator: torch.Generator | None
    ) -> None:
        super().__init__()
        self.in_features, self.out_features, self.scale = in_features, out_features, config.scale
        self.middle, self.classical_path, self.has_mpo = config.build_middle(), config.classical_path, config.mpo
        self.linear = self.middle.affine
        self.has_bias = config.mlp_bias or config.circuit == "constants"
        self.shuffle_seed = (config.init_seed or 0) if config.shuffle else None
        if not config.mpo:  # LoRA's factors, and its start
            self.mlp_a = self._linear(in_features, config.r, config.mlp_bias, generator)
            self.add_middle(config, generator)
            self.mlp_b = self._linear(config.r, out_features, config.mlp_bias, generator)
            for parameter in self.mlp_b.parameters():
                nn.init.zeros_(parameter)
            return
        assert config.width is not None and config.bond_dim is not None, "resolve() comes first"
        ins, mid, outs = (config.factors(dim) for dim in (in_features, config.width, out_features))
        start = (config.bond_dim, in_features, generator, config.normal_cores)
        self.mpo_a = nn.ParameterList(mpo.initial_cores(mid, ins, *start))
        self.mlp_a = self._linear(config.width, config.r, config.mlp_bias, generator)
        self.add_middle(config, generator)
        self.mlp_b = self._linear(config.r, config.width, config.mlp_bias, generator)
        start = (config.bond_dim, config.width, generator, config.normal_cores)
        cores = mpo.initial_cores(outs, mid, *start)
        cores[-1].zero_()  # the delta starts at exactly zero
        self.mpo_b = nn.ParameterList(cores)

    @staticmethod
    def _linear(n_in: int, n_out: int, bias: bool, generator: torch.Generator | None) -> nn.Linear:
        layer: nn.Linear = nn.utils.skip_init(  # type: ignore[no-untyped-call]
            nn.Linear, n_in, n_out, bias=bias, device=torch.get_default_device()
        )
        for parameter in layer.parameters():
            nn.init.uniform_(parameter, -(n_in**-0.5), n_in**-0.5, generator=generator)
        return layer

    def add_middle(self, config: Any, generator: torch.Generator | None) -> None:
        """The circuit or what a control puts in its place, and the method's own weights beside it."""
        self.middle.add_to(self, generator)

    def fuse(self, z: Tensor, w: Tensor | None) -> Tensor:
        """o (r, t) from z (r, t) and the circuit's w (r, t), None where there is no circuit."""
        raise NotImplementedError

    def precompute(self) -> Factors:
        a: Tensor = self.mlp_a.weight
        a0, b0 = self.mlp_a.bias, None if self.mlp_b.bias is None else self.mlp_b.bias * self.scale
        b = self.mlp_b.weight * self.scale
        if self.has_mpo:
            padding = prod([c.shape[1] for c in self.mpo_a]) - a.shape[1]
            a = mpo.rows_times(nn.functional.pad(a, (0, padding)), list(self.mpo_a))[:, : self.in_features]
            columns = b if b0 is None else torch.cat((b, b0.unsqueeze(1)), 1)
            padding = prod([c.shape[2] for c in self.mpo_b]) - b.shape[0]
            columns = nn.functional.pad(columns, (0, 0, 0, padding))
            columns = mpo.times_columns(list(self.mpo_b), columns)[: self.out_features]
            b, b0 = (columns, None) if b0 is None else (columns[:, :-1], columns[:, -1])
        return Factors(a, None if a0 is None else a0.unsqueeze(1), self.middle.bind(self), b, b0)

    def compute(self, x: Tensor, precomputed: Factors) -> Tensor:
        f = precomputed
        # (r, t): tokens last, so the circuit runs over contiguous rows
        z = f.a @ x.T if f.a0 is None else torch.addmm(f.a0, f.a, x.T)
        o = self._between(z, f.read)
        return o.T @ f.b.T if f.b0 is None else torch.addmm(f.b0, o.T, f.b.T)

    def _between(self, z: Tensor, read: Readout | None) -> Tensor:
        """o (r, t) from z (r, t)."""
        w = None if read is None else read(z)
        if w is not None and self.shuffle_seed is not None and not self.training:
            # the same order at every call: two evaluations of one adapter agree
            order = torch.Generator().manual_seed(self.shuffle_seed)
            w = w[:, torch.randperm(w.shape[1], generator=order).to(w.device)]
        return self.fuse(z, w)

    def stacked(self, precomputed: Factors) -> Stacked:
        f = precomputed
        read = f.read if self.circuit is None or f.read is None else self._read_few(self.circuit, f.read)

        def finish(y: Tensor, z: Tensor) -> Tensor:
            return torch.addmm(y, self._between(z.T, read).T, f.b.T)

        return Stacked(finish, f.a, None if f.a0 is None else f.a0.squeeze(1), f.b0)

    def _read_few(self, circuit: Circuit, read: Readout) -> Readout:
        """The read-out with a faster way for few tokens, where circuit and backend have one."""
        few = self.backend.bind_few(circuit, self.angles)
        if few is None:
            return read
        return lambda z: few(z) if z.shape[1] <= FEW else read(z)

    def low_rank(self) -> tuple[Tensor, Tensor] | None:
        if not self.linear:
            return None
        with self.in_float32():
            f = self.precompute()
            return f.a, f.b @ self._affine(f)[1]

    def matrix(self) -> tuple[Tensor, Tensor | None]:
        """Of what is affine."""
        f = self.precompute()
        start, slope = self._affine(f)
        weight = f.b @ slope @ f.a
        if f.a0 is None and f.read is None:
            return weight, None
        shift = start if f.a0 is None else start + (slope @ f.a0).squeeze(1)
        bias = f.b @ shift
        return weight, bias if f.b0 is None else bias + f.b0

    def _affine(self, f: Factors) -> tuple[Tensor, Tensor]:
        """o = start + slope z, (r,) and (r, r), of what is affine: read off at z = 0 and at the unit vectors."""
        points = torch.cat((f.a.new_zeros(len(f.a), 1), torch.eye(len(f.a), dtype=f.a.dtype, device=f.a.device)), 1)
        o = self.fuse(points, None if f.read is None else f.read(points))
        return o[:, 0], o[:, 1:] - o[:, :1]

    @staticmethod
    def count(in_features: int, out_features: int, config: HybridConfig) -> int:
        r, width, bond = config.r, config.width, config.bond_dim
        if config.mpo:
            assert width is not None and bond is not None, "resolve() comes first"
            ins, mid, outs = (config.factors(dim) for dim in (in_features, width, out_features))
            cores = mpo.num_parameters(mid, ins, bond) + mpo.num_parameters(outs, mid, bond)
            linears = 2 * width * r + (r + width if config.mlp_bias else 0)
        else:
            cores = 0
            linears = r * (in_features + out_features) + (r + out_features if config.mlp_bias else 0)
        return cores + linears + config.build_middle().count() + config.fusion_count()
