"""What a method of ours is: a config and a Delta. The tuner does the rest.

A file of this folder that defines ``CONFIG`` (a subclass of QftConfig) is a method; PEFT then knows it as
``QFT_<NAME>`` and the usual calls work: get_peft_model, save_pretrained, PeftModel.from_pretrained.
"""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from peft.config import PeftConfig
from torch import Tensor, nn

from qft import ranges
from qft.adapters import binding
from qft.adapters.knob import Knob
from qft.adapters.method_card import MethodCard
from qft.adapters.on_hardware import OnHardware
from qft.adapters.register import AdapterType, register
from qft.adapters.targets import TargetError, Targets, all_linear, default_targets, is_all_linear, linear_sizes
from qft.adapters.tuner import QftTuner
from qft.errors import QftError
from qft.quantum.backends.base import Backend
from qft.quantum.circuit import Circuit
from qft.ranges import within


def _in_order(names: Targets) -> Targets:
    """Names sorted, so that equal choices are equal files; one regular expression as it is."""
    return sorted(names) if isinstance(names, (list, tuple, set)) else names


@dataclass
class QftConfig(PeftConfig):
    """What all methods of ours share."""

    method: ClassVar[str]
    delta_class: ClassVar[Any]  # a subclass of Delta
    card: ClassVar[MethodCard]  # its row of docs/adapters.md
    wraps: ClassVar[str] = "linear layers"
    takes_targets: ClassVar[bool] = True  # False: the layers that a model's target_modules name mean nothing to it
    tuner_class: ClassVar[type] = QftTuner
    shares: ClassVar[bool] = False  # True: its layers share parameters; see qft.adapters.shared
    has_hardware_form: ClassVar[bool] = False  # True: on_hardware() says what a quantum computer would run in its place
    knob: ClassVar[Knob | None] = None  # what budget=N turns
    ranked: ClassVar[bool] = True  # False: the method has no r and no alpha

    r: int = field(default=4, metadata={"help": "Width of the bottleneck."} | within(at_least=1))
    alpha: float | None = field(
        default=None, metadata={"help": "Scale s = alpha / r; null means 2 r."} | within(above=0)
    )
    target_modules: list[str] | str | None = field(
        default=None, metadata={"help": "Names of the linear layers to adapt; null: the query and value projections."}
    )
    exclude_modules: list[str] | str | None = field(default=None, metadata={"help": "Names to leave out."})
    layers_to_transform: list[int] | int | None = field(
        default=None, metadata={"help": "Numbers of the layers to adapt, where target_modules are names; null: all."}
    )
    layers_pattern: list[str] | str | None = field(
        default=None, metadata={"help": "What comes before the number in a layer's name; null: anything."}
    )
    modules_to_save: list[str] | None = field(default=None, metadata={"help": "Further modules to train whole."})
    init_seed: int | None = field(
        default=None,
        metadata={"help": "Seed of the initial weights, per module name; null: torch's own generator."}
        | within(at_least=0, at_most=ranges.SEEDS),
    )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "method" in cls.__dict__:
            register(AdapterType(f"QFT_{cls.method.upper()}"), cls, cls.tuner_class)

    def __post_init__(self) -> None:
        super().__post_init__()
        ranges.check(self)
        self.peft_type = AdapterType(f"QFT_{self.method.upper()}")
        self.target_modules, self.exclude_modules = _in_order(self.target_modules), _in_order(self.exclude_modules)
        self._check_layers()
        if not self.ranked and (self.r != 4 or self.alpha is not None):
            raise QftError(f"{self.method} has no rank and no scale: leave r and alpha as they are.")

    def _check_layers(self) -> None:
        """PEFT's own rules, for which layer numbers would have no effect."""
        narrowing = {"layers_to_transform": self.layers_to_transform, "layers_pattern": self.layers_pattern}
        for name, given in narrowing.items():
            if isinstance(self.target_modules, str) and given is not None:
                raise TargetError(f"`{name}` cannot be used when `target_modules` is a str.")
        if self.layers_pattern and self.layers_to_transform is None:
            raise TargetError("When `layers_pattern` is specified, `layers_to_transform` must also be specified.")

    @property
    def wants_all_linear(self) -> bool:
        """Whether target_modules is PEFT's word for every linear layer but the head, in any case."""
        return is_all_linear(self.target_modules)

    @property
    def scale(self) -> float:
        """s = alpha / r."""
        return (2 * self.r if self.alpha is None else self.alpha) / self.r

    def candidates(self, model: nn.Module) -> dict[str, tuple[int, int]]:
        """Name -> (in, out) of everything this method can be put on: here, the linear layers."""
        return linear_sizes(model)

    def choose_targets(self, model: nn.Module) -> None:
        """Fill in target_modules where left open."""
        if self.target_modules is None:
            self.target_modules = default_targets(model)
        elif self.wants_all_linear:
            self.target_modules = all_linear(model)

    def knob_for(self, shapes: list[tuple[int, int]]) -> Knob | None:
        """What budget=N turns with these options, for layers of these (in, out) sizes."""
        return self.knob

    def resolve(self, shapes: list[tuple[int, int]]) -> None:
        """Fill in options left open, from the (in, out) sizes of the layers that will be adapted."""

    @property
    def linear(self) -> bool:
        """Whether the delta is affine with these options, so that it can be merged (where a layer takes its bias)."""
        return bool(self.delta_class.linear)

    def build_circuit(self) -> Circuit | None:
        """The circuit of gates that each adapted layer evaluates for a token; None for a method without one.

        A method whose deltas call ``add_circuit`` returns theirs here: backends are refused, circuits drawn and their
        cost counted by this answer, before any weight is loaded.
        """
        return None

    def check_backend(self, backend: Backend, hidden_size: int, training: bool = False) -> None:
        """Raise QftError where ``backend`` cannot evaluate the method's circuit or, with ``training``, train it.

        ``hidden_size`` is the base model's, for a method whose circuit depends on it.
        """
        circuit = self.build_circuit()
        if circuit is not None:
            binding.check(backend, circuit, training)

    def on_hardware(self, shapes: list[tuple[int, int]]) -> OnHardware | None:
        """What hardware would run of a method without ``build_circuit``, for layers of these (in, out); None: nothing.

        Raises QftError where these options have no such circuit.
        """
        return None

    def describe(self) -> MethodCard:
        """What the documentation says of the method with these options."""
        return replace(self.card, mergeable=self.linear)

    def notes(self, shapes: list[tuple[int, int]]) -> list[str]:
        """What was chosen for layers of these (in, out) sizes, one line each, as ``qft params`` prints it."""
        return []

    def pack(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """What is written of an adapter's tensors (full names -> tensors); may note something in the config."""
        return state

    def callbacks(self) -> list[Any]:
        """TrainerCallbacks this method needs while it is trained."""
        return []
