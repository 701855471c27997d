"""QPA, quantum parameter adaptation (arXiv 2410.09846): a circuit and a small map generate the factors of LoRA.

    y = W x + s (B - B0) A x          s = alpha / r,  A: (r, in), B: (out, r),  B0: what B is at the start

The r (in + out) numbers of A and B of all adapted layers, one after the other, are cut into rows of ``chunk``. Row i is

    M(bits of i, phi_i) - mean        phi = (0.6 tanh(0.1 2^(n-1) p))^0.15 - its mean,  n = ceil(log2 rows)

with p the probabilities after ``depth`` times [RY on all, chain of CNOT] on n qubits, bits of +-1, M the linear maps
n+1 -> 32 -> 64 -> 128 -> 128 -> 64 -> 32 -> 32 -> chunk, and the mean over all rows and columns of M. Trained: the
angles and M, shared by all layers. Linear, mergeable, of rank r; a token costs LoRA's two products.

Published: the above for one layer, the output head, r = 4, chunk 2048, depth 8; 106,264 parameters on GPT-2. Ours: one
generator for all layers, A before B, circuit angles U(-pi, pi). Mended: bits in counting order (the authors draw new
ones at every call, so that their model changes with each; no switch here does that), p >= 1e-6 (the slope of x^0.15 is
infinite at 0), and the zero start by B0, made of a frozen copy of the generator. ``start=published`` leaves B0 and the
bound of p out: the delta is then not zero. A chunk left open is 2048, or what gives four rows where that gives fewer.

Controls. The authors' M has no activations and so is one affine map: ``generator=collapsed`` trains it as one matrix
(n + 2, chunk), the same class of functions, from the same start. ``activation=silu`` makes M what it was meant to be.
``probabilities=trained`` replaces the circuit: p = softmax of 2^n trained numbers, from the circuit's p.
``generator=low_rank`` has rows of F G, F: (rows, k), G: (k, chunk), and no circuit; k by the count of the published.

On hardware: one circuit a training step, read out in all 2^n bit strings; none once it is trained.
"""

from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from math import pi
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from qft.adapters.factors import check_rank
from qft.adapters.knob import Knob
from qft.adapters.method_card import MethodCard
from qft.adapters.on_hardware import OnHardware
from qft.adapters.shared import Shared, SharedConfig, SharedDelta, Site, uniform
from qft.errors import QftError, nearest
from qft.quantum import ansatz
from qft.ranges import within
from qft.tensor.constant import constant
from qft.tensor.ry_cnot import probabilities

CHUNK = 2048
HIDDEN = (32, 64, 128, 128, 64, 32, 32)
LEAST = 1e-6  # of a probability, where the slope of phi would be too steep
LOW_RANK_SIZE = 0.1  # of a generated number at the start, about that of the published map
CHOICES = {
    "start": ("zero", "published"),
    "generator": ("mlp", "collapsed", "low_rank"),
    "activation": ("none", "silu"),
    "probabilities": ("circuit", "trained"),
}


class QPAShared(Shared):
    """The generator, parameters by ``config.generator``; with the zero start a frozen copy of each, ``initial_*``.

    ``angles`` (depth, n), radians, or ``logits`` (2^n,); ``weight_i`` (in, out) and ``bias_i`` (1, out) of each linear
    map; or ``rows`` F and ``columns`` G.
    """

    def __init__(self, sites: list[Site], config: "QPAConfig", generator: torch.Generator | None) -> None:
        super().__init__()
        plan = config.plan(sites)
        self.plan, self.bounded = plan, config.start == "zero"
        self.silu = config.activation == "silu"
        self.first = list(accumulate((config.numbers(site) for site in sites), initial=0))
        with torch.no_grad():
            for name, value in initial(plan, config, generator).items():
                self.register_parameter(name, nn.Parameter(value))
                if config.start == "zero":
                    self.register_buffer(f"initial_{name}", value.clone())
        self.maps = sum(name.startswith("weight_") for name in self._parameters)

    def numbers(self, site: Site) -> Tensor:
        """The numbers of a layer, (1, count); with the zero start (2, count), as they are and as they were."""
        start, stop = self.first[site.number : site.number + 2]
        low, high = start // self.plan.chunk, -(-stop // self.plan.chunk)
        made = self._low_rank(low, high) if self.maps == 0 else self._mapped(low, high)
        offset = start - low * self.plan.chunk
        return made.flatten(1)[:, offset : offset + stop - start]

    def both(self, name: str) -> Tensor:
        """A parameter and, behind it, what it was at the start: one kernel then gives equal bits for equal numbers."""
        now = self._parameters[name]  # a plain tensor where half precision reads as float32
        return torch.stack([t for t in (now, self._buffers.get(f"initial_{name}")) if t is not None])

    def features(self) -> Tensor:
        """(1 or 2, rows, n + 1): the bits of each row, and phi."""
        p = probabilities(self.both("angles")) if "angles" in self._parameters else self.both("logits").softmax(-1)
        p = p[:, : self.plan.rows]
        p = p.clamp(min=LEAST) if self.bounded else p
        phi = (0.6 * torch.tanh(0.1 * 2 ** (self.plan.qubits - 1) * p)) ** 0.15
        phi = phi - phi.mean(1, keepdim=True)
        bits = _bits(self.plan.rows, self.plan.qubits).to(phi).expand(len(phi), -1, -1)
        return torch.cat([bits, phi.unsqueeze(2)], 2)

    def _mapped(self, low: int, high: int) -> Tensor:
        features = self.features()
        if self.silu:  # the mean is then that of all rows
            made = self._maps(features)
            return made[:, low:high] - made.mean((1, 2), keepdim=True)
        made = self._maps(torch.cat([features[:, low:high], features.mean(1, keepdim=True)], 1))
        return made[:, :-1] - made[:, -1:].mean(2, keepdim=True)

    def _maps(self, x: Tensor) -> Tensor:
        for i in range(self.maps):
            x = torch.baddbmm(self.both(f"bias_{i}"), x, self.both(f"weight_{i}"))
            x = nn.functional.silu(x) if self.silu and i < self.maps - 1 else x
        return x

    def _low_rank(self, low: int, high: int) -> Tensor:
        rows, columns = self.both("rows"), self.both("columns")
        mean = (rows.mean(1, keepdim=True) @ columns.mean(2, keepdim=True)).squeeze()
        return rows[:, low:high] @ columns - mean.view(-1, 1, 1)


class QPADelta(SharedDelta):
    """No parameters of its own."""

    def __init__(
        self, in_features: int, out_features: int, config: "QPAConfig", generator: torch.Generator | None
    ) -> None:
        super().__init__()
        check_rank("qpa", config.r, in_features, out_features)
        self.r, self.in_features, self.out_features, self.scale = config.r, in_features, out_features, config.scale

    def factors(self) -> tuple[Tensor, Tensor]:
        a, b = self.shared.numbers(self.site).split([self.r * self.in_features, self.r * self.out_features], 1)
        b = b.reshape(-1, self.out_features, self.r)
        return a[0].view(self.r, self.in_features), self.scale * (b[0] if len(b) == 1 else b[0] - b[1])


@dataclass(frozen=True)
class Plan:
    """Sizes of a generator: rows of ``chunk`` numbers, qubits of the circuit."""

    rows: int
    chunk: int

    @property
    def qubits(self) -> int:
        """n, so that each row has a bit string."""
        return (self.rows - 1).bit_length()

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the authors' linear maps."""
        return (self.qubits + 1, *HIDDEN, self.chunk)

    def count(self, depth: int, generator: str = "mlp", k: int | None = None, trained: bool = False) -> int:
        """Trainable parameters: of F and G, or of the maps with the circuit's angles or ``trained`` probabilities."""
        if generator == "low_rank":
            return (k or self.low_rank(depth)) * (self.rows + self.chunk)
        maps = (self.qubits + 2) * self.chunk
        if generator == "mlp":
            maps = sum((i + 1) * o for i, o in pairwise(self.widths))
        return maps + ((1 << self.qubits) if trained else depth * self.qubits)

    def low_rank(self, depth: int) -> int:
        """The largest k of F G with no more parameters than the published generator has."""
        return max(1, self.count(depth) // (self.rows + self.chunk))


@dataclass
class QPAConfig(SharedConfig):
    """QPA for PEFT: ``get_peft_model(model, QPAConfig(generator="collapsed", chunk=256))``."""

    method: ClassVar[str] = "qpa"
    delta_class: ClassVar[Any] = QPADelta
    card: ClassVar[MethodCard] = MethodCard(
        equation=r"y = W x + s (B - B_0) A x, \quad (A, B) = M(\mathrm{bits}, \varphi(p))",
        start="B = B_0; start=published: not zero",
        circuit="n qubits, depth layers of RY and a chain of CNOT; once a step",
        lora_rank="r",
        parameters="for all layers: depth n + 32 n + 38,400 + 33 chunk; collapsed: depth n + (n + 2) chunk; "
        "n = ceil(log2(r sum(in + out) / chunk))",
        token_cost="r (in + out)",
        hardware="in training only: n qubits, one circuit a step, all 2^n probabilities; none once it is trained",
        source="arXiv 2410.09846",
    )
    has_hardware_form: ClassVar[bool] = True

    chunk: int | None = field(
        default=None,
        metadata={"help": "Numbers in a row; null: 2048, or less for four rows."} | within(at_least=1, at_most=1 << 20),
    )
    depth: int = field(default=8, metadata={"help": "Layers of the circuit."} | within(at_least=1, at_most=1000))
    generator: str = field(default="mlp", metadata={"help": "mlp, collapsed (one affine map) or low_rank (F G)."})
    k: int | None = field(
        default=None,
        metadata={"help": "Rank of F G, with generator=low_rank; null: by the count of mlp."} | within(at_least=1),
    )
    activation: str = field(default="none", metadata={"help": "Between the maps of mlp: none, as published, or silu."})
    probabilities: str = field(
        default="circuit", metadata={"help": "Of the circuit, or trained: softmax of as many numbers."}
    )
    start: str = field(
        default="zero", metadata={"help": "zero: less what B is at the start; published: the delta is not zero."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise QftError(f"{name}={getattr(self, name)} does not exist.{nearest(getattr(self, name), known)}")
        if self.k is not None and self.generator != "low_rank":
            raise QftError(f"k={self.k} is the rank of generator=low_rank; generator={self.generator} has none.")
        if self.activation == "silu" and self.generator != "mlp":
            raise QftError(f"activation=silu stands between the maps of generator=mlp, not of {self.generator}.")
        if self.probabilities == "trained" and self.generator == "low_rank":
            raise QftError("probabilities=trained stands in for the circuit, and generator=low_rank has none.")

    def knob_for(self, shapes: list[tuple[int, int]]) -> Knob | None:
        """With generator=low_rank k; else chunk, at which the count falls where the rows need a qubit fewer."""
        if self.generator == "low_rank":
            return Knob("k")
        total = self.r * sum(map(sum, shapes))
        fewer = {-(-total >> qubits) for qubits in range(total.bit_length())}
        return Knob("chunk", at_least=16, at_most=max(16, total - 1), falls="at breaks", breaks=tuple(fewer))

    def numbers(self, site: Site) -> int:
        """How many a layer's A and B take."""
        return self.r * (site.in_features + site.out_features)

    def plan(self, sites: list[Site]) -> Plan:
        """The sizes for these layers. Raises QftError where one row would hold all numbers."""
        return self._plan(sum(map(self.numbers, sites)))

    def _plan(self, total: int) -> Plan:
        chunk = min(CHUNK, -(-total // 4)) if self.chunk is None else self.chunk
        if chunk >= total:
            raise QftError(
                f"qpa: chunk={chunk} holds all {total} numbers of these layers in one row, which leaves no circuit; "
                f"at most {total - 1}."
            )
        return Plan(-(-total // chunk), chunk)

    def on_hardware(self, shapes: list[tuple[int, int]]) -> OnHardware | None:
        if self.generator == "low_rank" or self.probabilities == "trained":
            return None
        plan = self._plan(self.r * sum(map(sum, shapes)))
        return OnHardware(
            circuit=ansatz.ry_chain(plan.qubits, self.depth),
            measures=f"all {1 << plan.qubits:,} probabilities, once a training step; none once it is trained",
            a_step=1,
        )

    def notes(self, shapes: list[tuple[int, int]]) -> list[str]:
        """The rows, and the circuit of a training step."""
        plan = self._plan(self.r * sum(map(sum, shapes)))
        rows = f"{plan.rows} rows of {plan.chunk} generated numbers"
        if self.generator == "low_rank":
            return [f"{rows}, F G of rank {self.k or plan.low_rank(self.depth)}"]
        if self.probabilities == "trained":
            return [f"{rows}, {1 << plan.qubits} trained probabilities"]
        gates = f"{self.depth * plan.qubits} RY and {self.depth * (plan.qubits - 1)} CNOT"
        return [f"{rows}, {plan.qubits} qubits, {gates}, once a training step"]

    def build_shared(self, sites: list[Site], generator: torch.Generator | None) -> Shared:
        return QPAShared(sites, self, generator)

    def shared_count(self, sites: list[Site]) -> int:
        return self.plan(sites).count(self.depth, self.generator, self.k, self.probabilities == "trained")


def initial(plan: Plan, config: QPAConfig, generator: torch.Generator | None) -> dict[str, Tensor]:
    """What a generator starts with, by the names of its parameters."""
    if config.generator == "low_rank":
        k = config.k or plan.low_rank(config.depth)
        rows = torch.empty(plan.rows, k).normal_(generator=generator)
        return {
            "rows": rows,
            "columns": torch.empty(k, plan.chunk).normal_(0, LOW_RANK_SIZE * k**-0.5, generator=generator),
        }
    angles = uniform(config.depth, plan.qubits, bound=pi, generator=generator)
    trained = config.probabilities == "trained"
    values = {"logits": probabilities(angles).clamp(min=LEAST).log()} if trained else {"angles": angles}
    maps = []
    for i, o in pairwise(plan.widths):  # as torch's linear layers start
        maps += [uniform(i, o, bound=i**-0.5, generator=generator), uniform(1, o, bound=i**-0.5, generator=generator)]
    if config.generator == "collapsed":
        weight, bias = maps[0].double(), maps[1].double()
        for w, b in zip(maps[2::2], maps[3::2]):
            weight, bias = weight @ w.double(), bias @ w.double() + b.double()
        maps = [weight.float(), bias.float()]
    for number, (w, b) in enumerate(zip(maps[::2], maps[1::2])):
        values |= {f"weight_{number}": w, f"bias_{number}": b}
    return values


@constant
def _bits(rows: int, qubits: int) -> Tensor:
    """The bits of 0, 1, ... as +-1, (rows, qubits), qubit 0 the most significant."""
    digits = torch.arange(rows).unsqueeze(1) >> torch.arange(qubits - 1, -1, -1)
    return 1.0 - 2.0 * (digits & 1)


CONFIG = QPAConfig
