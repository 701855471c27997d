"""A yaml of ``configs/adapter`` as an object: ours, one of a library, or full tuning, asked the same questions.

method = methods.of({"name": "qwthn", "_target_": "qft.adapters.qwthn.QWTHNConfig", ...})
method.check_backend(backend, hidden_size=3584, training=True)
model = method.add_to(base, targets=None, seed=0)
"""

import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import torch
from peft import PeftConfig, get_peft_model
from torch import nn

from qft.adapters.config import QftConfig
from qft.adapters.knob import Knob
from qft.adapters.method_card import MethodCard
from qft.adapters.on_hardware import OnHardware
from qft.adapters.targets import Targets, check_targets, default_targets, reference_sizes
from qft.errors import QftError, first_line
from qft.quantum.backends.base import Backend
from qft.quantum.circuit import Circuit
from qft.trust import Family, build, find

ADAPTER = Family(
    "an adapter config", "adapter", lambda found: isinstance(found, type) and issubclass(found, PeftConfig)
)
# what a yaml says of a method of a library; not options of it. Version 0.1.0 called the card "about".
STATED = ("supports", "card", "about", "lr_scale", "type", "last_layers", "evenly", "knob")
# what PEFT says of norms, of layers without a bias, and of BOFT's kernel for GPUs, without which it computes the same
HARMLESS = (
    "Unsupported layer type|has no bias term|Failed to load the CUDA extension|Setting boft_n_butterfly_factor to 1"
)
# what PEFT raises, or says and goes on, where a config and a model do not fit
FITTING = (
    *(ValueError, OSError, TypeError, AttributeError, NotImplementedError, RuntimeError, ArithmeticError),
    UserWarning,
)
Spec = Mapping[str, Any]


def of(spec: Spec) -> "Method":
    """The method a yaml describes. Raises QftError for a ``_target_`` that is no config of an adapter."""
    if spec["_target_"] is None:
        return FullTuning(spec)
    return OurMethod(spec) if issubclass(find(ADAPTER, spec["_target_"]), QftConfig) else LibraryMethod(spec)


class Method(ABC):
    """What callers may ask, whoever wrote the method. ``trains_base``: all weights are trained, nothing is added."""

    trains_base: bool = False

    @property
    def takes_targets(self) -> bool:
        """Whether it adapts linear layers that are named for it; else it chooses its own places."""
        return False

    @property
    def takes_layers(self) -> bool:
        """Whether it can be put on some of the model's layers only, by ``last_layers``."""
        return False

    @property
    def has_hardware_form(self) -> bool:
        """Whether ``on_hardware`` has an answer for layers of some sizes."""
        return False

    def __init__(self, spec: Spec) -> None:
        self.spec = spec

    @abstractmethod
    def describe(self) -> MethodCard:
        """Its row of docs/adapters.md."""

    @abstractmethod
    def add_to(self, base: nn.Module, targets: Targets, seed: int) -> nn.Module:
        """Put it on the base, its initial weights decided by ``seed`` alone.

        ``targets``: which linear layers the comparison is about, the model's ``target_modules``; None: the query and
        value projections. A method that takes no linear layers ignores them, and ``target_modules`` given for the
        method itself win. Raises QftError where the method does not fit the model.
        """

    def trained_dtype(self, dtype: torch.dtype) -> torch.dtype:
        """What the base is loaded in: ``dtype``, but what is trained is float32."""
        return torch.float32 if self.trains_base else dtype

    def knob(self, shapes: Sequence[tuple[int, int]] = ()) -> Knob | None:
        """The option that ``budget=N`` chooses, for layers of these (in, out); None: there is none. A yaml's wins."""
        stated = self.spec.get("knob")
        return Knob(**{**stated, "in_proportion": tuple(stated.get("in_proportion", ()))}) if stated else None

    def check_checkpointing(self) -> None:  # noqa: B027
        """Raise QftError where it does not work with gradient checkpointing."""

    def build_circuit(self) -> Circuit | None:
        """The circuit of gates each adapted layer evaluates for a token; None where there is none."""
        return None

    def on_hardware(self, shapes: list[tuple[int, int]]) -> OnHardware | None:
        """What hardware would run of one without ``build_circuit``, for layers of these (in, out); None: nothing."""
        return None

    def check_backend(self, backend: Backend, hidden_size: int, training: bool = False) -> None:  # noqa: B027
        """Raise QftError where ``backend`` cannot evaluate its circuit, or cannot train it. Nothing is loaded."""


class FullTuning(Method):
    """Every weight of the model is trained."""

    trains_base = True

    def describe(self) -> MethodCard:
        return MethodCard(**self.spec["card"])

    def add_to(self, base: nn.Module, targets: Targets, seed: int) -> nn.Module:
        return base.requires_grad_(True)


class ConfiguredMethod(Method):
    """A method with a config of PEFT."""

    def config(self, **extra: Any) -> PeftConfig:
        """The config its yaml describes. Raises QftError for options it does not take."""
        try:
            config: PeftConfig = build(ADAPTER, self.spec, leave_out=STATED, task_type="CAUSAL_LM", **extra)
        except QftError:
            raise
        except (ValueError, TypeError, ImportError) as error:
            raise QftError(f"adapter={self.spec['name']}: {first_line(error)}") from error
        return config

    def _wrap(self, base: nn.Module, config: PeftConfig, seed: int) -> nn.Module:
        torch.manual_seed(seed)  # methods of the PEFT library draw from torch's own generator
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", f".*({HARMLESS})", UserWarning)
                warnings.filterwarnings("error", ".*Adjusted `", UserWarning)  # another size than the config states
                wrapped: nn.Module = get_peft_model(base, config)
        except QftError:
            raise
        except FITTING as error:
            raise QftError(f"The adapter does not fit the model: {first_line(error)}") from error
        return wrapped

    @property
    def takes_layers(self) -> bool:
        return "layers_to_transform" in {f.name for f in fields(find(ADAPTER, self.spec["_target_"]))}

    def layers(self, base: nn.Module, targets: Targets) -> dict[str, Any]:
        """The options that ``last_layers`` stands for: the last N layers, or N evenly spaced ones."""
        number, spread = self.spec.get("last_layers"), self.spec.get("evenly") or False
        if number is None:
            return {}
        if not self.takes_layers:
            raise QftError(f"adapter={self.spec['name']} cannot be put on some layers only; leave last_layers out.")
        config: Any = base.config
        total = config.num_hidden_layers
        if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= total:
            raise QftError(f"adapter.last_layers={number} should be between 1 and {total}, the layers of this model.")
        chosen = (
            [(2 * i + 1) * total // (2 * number) for i in range(number)] if spread else range(total - number, total)
        )
        wanted = targets if self.spec.get("target_modules") is None else self.spec["target_modules"]
        if not isinstance(wanted, str):
            return {"layers_to_transform": list(chosen)}
        numbers = {name: re.search(r"\.(\d+)\.", name) for name in reference_sizes(base, wanted)}
        return {"target_modules": [name for name, found in numbers.items() if found and int(found[1]) in chosen]}

    def _targets(self, targets: Targets) -> dict[str, Targets]:
        """The option to build the config with: the model's layers, unless the method has its own."""
        check_targets(self.spec.get("target_modules"))
        check_targets(targets)
        return {} if self.spec.get("target_modules") is not None else {"target_modules": targets}


class OurMethod(ConfiguredMethod):
    """A method of this package, or one written like those; its config answers."""

    def config(self, **extra: Any) -> QftConfig:
        config = super().config(**extra)
        assert isinstance(config, QftConfig)
        return config

    def describe(self) -> MethodCard:
        return self.config().describe()

    def knob(self, shapes: Sequence[tuple[int, int]] = ()) -> Knob | None:
        return super().knob() or self.config().knob_for(list(shapes))

    def build_circuit(self) -> Circuit | None:
        return self.config().build_circuit()

    @property
    def has_hardware_form(self) -> bool:
        return self.config().has_hardware_form

    def on_hardware(self, shapes: list[tuple[int, int]]) -> OnHardware | None:
        return self.config().on_hardware(shapes)

    def check_backend(self, backend: Backend, hidden_size: int, training: bool = False) -> None:
        self.config().check_backend(backend, hidden_size, training)

    @property
    def takes_targets(self) -> bool:
        takes: bool = find(ADAPTER, self.spec["_target_"]).takes_targets
        return takes

    def add_to(self, base: nn.Module, targets: Targets, seed: int) -> nn.Module:
        extra: dict[str, Any] = dict(self._targets(targets)) if self.takes_targets else {}
        return self._wrap(base, self.config(init_seed=seed, **extra | self.layers(base, targets)), seed)


class LibraryMethod(ConfiguredMethod):
    """A method of PEFT; its yaml says what it ``supports``, and states its card."""

    def config(self, **extra: Any) -> PeftConfig:
        config = super().config(**extra)
        options = vars(config)
        if "target_r" in options and options["target_r"] >= options["init_r"]:
            raise QftError(
                f"adapter={self.spec['name']}: target_r={options['target_r']} ranks are to be left of "
                f"init_r={options['init_r']}; it should be at most {options['init_r'] - 1}."
            )
        return config

    def describe(self) -> MethodCard:
        if "card" not in self.spec:  # chosen by its type
            return MethodCard("see PEFT", "see PEFT", "no circuit", "from PEFT")
        return replace(MethodCard(**self.spec["card"]), mergeable="merge" in self.spec["supports"])

    def check_checkpointing(self) -> None:
        if "checkpointing" not in self.spec.get("supports", ["checkpointing"]):
            raise QftError(
                f"adapter={self.spec['name']} does not work with gradient checkpointing; "
                "set trainer.gradient_checkpointing=false."
            )

    @property
    def takes_targets(self) -> bool:
        return "target_modules" in {f.name for f in fields(find(ADAPTER, self.spec["_target_"]))}

    def add_to(self, base: nn.Module, targets: Targets, seed: int) -> nn.Module:
        if not self.takes_targets:
            return self._wrap(base, self.config(), seed)
        extra: dict[str, Any] = self._targets(targets) | self.layers(base, targets)
        config = self.config(**extra)
        if config.target_modules is None:  # found by looking, not by the library's table of families
            config.target_modules = default_targets(base)
        self._check_knob(base, config)
        return self._wrap(base, config, seed)

    def _check_knob(self, base: nn.Module, config: Any) -> None:
        """Refuse a size that the layers do not take, with the nearest ones: its knob says which they take."""
        knob = self.knob()
        value = None if knob is None else vars(config).get(knob.option)
        if knob is None or not isinstance(value, int):
            return
        given = f"adapter.{knob.option}={value}"
        if knob.values == "integers":
            over = (value - knob.at_least) % knob.step
            if value < 1 or over:
                near = max(1, knob.at_least) if value < 1 else f"{value - over} or {value - over + knob.step}"
                raise QftError(f"{given} does not suit {self.spec['name']}; the nearest is {near}.")
        elif knob.values == "divisors" and value:  # 0: another option decides
            shapes = list(reference_sizes(base, config.target_modules).values())
            fitting = list(knob.tried(shapes))
            if fitting and value not in fitting and any(n % value for shape in shapes for n in shape):
                near = min(fitting, key=lambda n: (abs(n - value), n))
                raise QftError(f"{given} does not divide the sizes of these layers; the nearest that does is {near}.")
