"""Options of the methods that put a circuit between two tensor-train factors, and their controls."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from qft.adapters.config import QftConfig
from qft.adapters.hybrid.middle import QNN, Constants, Middle, Nothing, Polynomial
from qft.errors import QftError, nearest
from qft.quantum.circuit import Circuit
from qft.quantum.simulators import multilinear, statevector
from qft.ranges import within
from qft.tensor import factor

# circuit= -> what stands in the middle
MIDDLES: dict[str, Callable[["HybridConfig"], Middle]] = {
    "qnn": lambda config: QNN(config.ansatz(), config.train_angles),
    "none": lambda config: Nothing(),
    "constants": lambda config: Constants(config.r),
    "silu": lambda config: config.build_silu(),
    "polynomial": lambda config: Polynomial(config.r),
}
LARGEST_RATIO = 0.30
DEEPEST = 1000  # blocks or layers; deeper ones take hours a step


def check_choice(name: str, given: str, choices: tuple[str, ...]) -> None:
    """Raise QftError where an option is none of its choices."""
    if given not in choices:
        raise QftError(f"{name}={given} does not exist.{nearest(given, choices)}")


@dataclass
class HybridConfig(QftConfig):
    """Shared by QWTHN and QTHA. ``r`` is also the number of qubits."""

    # (width, bond dimension) tried from the published one down, until the method is at most 0.30 of LoRA r = 4
    settings: ClassVar[tuple[tuple[int, int], ...]]
    descending: ClassVar[bool]  # order of the MPO factors
    normal_cores: ClassVar[bool]  # Gaussian or uniform initial cores
    mlp_bias: ClassVar[bool]  # whether MLP_A and MLP_B have one

    width: int | None = field(
        default=None, metadata={"help": "Inner width; null: by rule, see bond_dim."} | within(at_least=1)
    )
    bond_dim: int | None = field(
        default=None,
        metadata={"help": "MPO bond dimension; null: the largest setting at most 0.30 of LoRA r=4."}
        | within(at_least=1),
    )
    cores: int = field(default=3, metadata={"help": "Number of MPO cores."} | within(at_least=1))
    pad: bool = field(default=True, metadata={"help": "Pad dimensions that do not split well; false: refuse them."})
    circuit: str = field(
        default="qnn",
        metadata={
            "help": "qnn, or a control in its place: none; constants (r trainable numbers); silu (a small classical "
            "network of as many parameters); polynomial (every trigonometric polynomial of degree 1, 3^r terms)."
        },
    )
    entangle: bool = field(default=True, metadata={"help": "False leaves every CRZ out of the circuit (a control)."})
    train_angles: bool = field(default=True, metadata={"help": "False freezes the random initial angles (a control)."})
    mpo: bool = field(default=True, metadata={"help": "False: plain linear factors as in LoRA (a control)."})
    classical_path: bool = field(default=True, metadata={"help": "False: only the circuit's output (a control)."})
    shuffle: bool = field(
        default=False, metadata={"help": "Shuffle the circuit's outputs over tokens in evaluation mode (a control)."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("circuit", self.circuit, tuple(MIDDLES))
        limit = {"qnn": statevector.MAX_QUBITS, "polynomial": multilinear.MAX_QUBITS}.get(self.circuit, self.r)
        if self.r > limit:
            raise QftError(f"r={self.r} qubits; circuit={self.circuit} takes at most {limit}.")
        if self.circuit == "none" and not self.classical_path:
            raise QftError("classical_path=false with circuit=none leaves nothing of the adapter.")
        for name, given in {"entangle": self.entangle, "train_angles": self.train_angles}.items():
            if self.circuit != "qnn" and not given:
                raise QftError(f"{name}=false is about circuit=qnn, not circuit={self.circuit}.")
        if self.shuffle and self.circuit in ("none", "constants"):
            raise QftError(f"shuffle=true has no effect with circuit={self.circuit}, which gives all tokens the same.")

    @property
    def linear(self) -> bool:
        return self.build_middle().affine

    def build_circuit(self) -> Circuit | None:
        return self.build_middle().circuit

    def ansatz(self) -> Circuit:
        """The method's circuit with these options."""
        raise NotImplementedError

    def build_silu(self) -> Middle:
        """The method's own small classical network of circuit=silu."""
        raise NotImplementedError

    def build_middle(self) -> Middle:
        """What stands between the two factors with these options."""
        return MIDDLES[self.circuit](self)

    def fusion_count(self) -> int:
        """Trainable parameters of the method that join circuit and classical path."""
        return 0

    def factors(self, dim: int) -> tuple[int, ...]:
        """How ``dim`` is split into ``cores`` factors. Raises QftError where it cannot be."""
        try:
            return factor.factorize(dim, self.cores, self.pad, self.descending)
        except ValueError as error:
            raise QftError(f"{error}; set pad=true or another number of cores.") from None

    def resolve(self, shapes: list[tuple[int, int]]) -> None:
        """Choose width and bond dimension for layers of these (in, out) sizes, where left open.

        Counted for the method without its controls, so that a control differs by its switch alone.
        """
        if not self.mpo or (self.width is not None and self.bond_dim is not None):
            return
        plain: Any = copy.copy(self)
        plain.circuit, plain.entangle, plain.train_angles, plain.classical_path = "qnn", True, True, True
        lora = sum(4 * (i + o) for i, o in shapes)
        for width, bond in self.settings:
            plain.width, plain.bond_dim = self.width or width, self.bond_dim or bond
            if sum(self.delta_class.count(i, o, plain) for i, o in shapes) <= LARGEST_RATIO * lora:
                break
        self.width, self.bond_dim = plain.width, plain.bond_dim

    def notes(self, shapes: list[tuple[int, int]]) -> list[str]:
        """The factorisations chosen, one line a dimension."""
        if not self.mpo:
            return []
        assert self.width is not None
        dims = sorted({self.width, *(d for shape in shapes for d in shape)})
        return [factor.describe(d, self.factors(d)) for d in dims]
