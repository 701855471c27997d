"""``budget=N``: the setting of a method's one knob whose count of trainable parameters is the largest not above N.

Counts jump, so every admissible value is tried, but where the method says that its count does not fall.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from peft import get_peft_model
from torch import nn
from transformers import PreTrainedModel

from qft.adapters import methods
from qft.adapters.config import QftConfig
from qft.adapters.knob import Knob
from qft.adapters.shared import SharedConfig, sites_of
from qft.adapters.targets import reference_sizes, target_sizes
from qft.errors import QftError, nearest
from qft.models.count import count
from qft.models.load import Spec, meta_base
from qft.records import Plain

FARTHEST = 2**24  # beyond it no knob is turned
KNOBS = ("own", "layers", "layers_evenly")
Count = Callable[[int], int]  # of the knob's value; raises QftError for one that the method does not take


class OutOfReach(QftError):
    """No setting of the method is within the budget, or it has none to choose.

    Attributes:
        minimum: Its smallest count, or its only one; None: it was not counted.
        option: The knob; None: there is none.
        value: The knob's value that has the minimum.
    """

    def __init__(
        self, message: str, minimum: int | None = None, option: str | None = None, value: int | None = None
    ) -> None:
        super().__init__(message)
        self.minimum, self.option, self.value = minimum, option, value


@dataclass(frozen=True)
class Choice:
    """What a budget chose: the method's options, those of them that were set, the knob's option, value and count."""

    adapter: Plain
    options: Plain
    option: str
    value: int
    trainable: int

    def __str__(self) -> str:
        return f"{self.adapter['name']}: adapter.{self.option}={self.value}, {self.trainable:,} parameters"


def choose(model: Spec, adapter: Spec, budget: int, turned: str = "own") -> Choice:
    """Turn a method's knob.

    Args:
        model: The base's yaml.
        adapter: The method's yaml; all options but the knob, and what the knob sets with it, stay.
        budget: Most trainable parameters.
        turned: own: the method's knob; layers: how many of the model's layers are adapted, the last ones;
            layers_evenly: evenly spaced ones.

    Raises:
        OutOfReach: The method states no knob, or has no setting so small; its minimum is named then.
        QftError: The method does not fit the model, or cannot be put on some layers only.
    """
    name, method = adapter["name"], methods.of(adapter)
    knob = knob_of(adapter, turned)
    if knob is None:
        raise _without_knob(model, adapter)
    filled: Plain = {}
    if knob.values == "layers" or not method.takes_targets:
        tried = _turned_as_built(model, {**adapter, **knob.also}, knob, budget)
    else:
        tried, filled = _turned_by_sizes(model, adapter, knob, budget)
    if not tried:
        raise QftError(f"adapter={name}: no value of {knob.option} suits this model.")
    within = {value: number for value, number in tried.items() if number <= budget}
    if not within:
        least = min(tried, key=lambda value: tried[value])
        hint = " budget_knob=layers adapts fewer layers." if turned == "own" and method.takes_layers else ""
        raise OutOfReach(
            f"adapter={name} has at least {tried[least]:,} parameters ({knob.option}={least}), above the budget of "
            f"{budget:,}.{hint if knob.values != 'layers' else ''}",
            tried[least],
            knob.option,
            least,
        )
    best = max(within, key=lambda value: (within[value], -value))
    options = {**knob.turned(adapter, best), **filled}
    return Choice({**adapter, **options}, options, knob.option, best, within[best])


def knob_of(adapter: Spec, turned: str) -> Knob | None:
    """What a budget turns of a method, ``turned`` as in ``choose``. Raises QftError where it cannot turn layers."""
    if turned not in KNOBS:
        raise QftError(f"budget_knob={turned} does not exist.{nearest(turned, KNOBS)}")
    method = methods.of(adapter)
    if turned == "own":
        return method.knob()
    if not method.takes_layers:
        raise QftError(f"adapter={adapter['name']} cannot be put on some layers only; leave budget_knob out.")
    return Knob("last_layers", "layers", also={"evenly": True} if turned == "layers_evenly" else {})


def _without_knob(model: Spec, adapter: Spec) -> OutOfReach:
    method, number = methods.of(adapter), count(model, adapter).trainable
    ways = ["leave budget out"]
    ways += ["name other layers in adapter.target_modules"] if method.takes_targets else []
    ways += ["adapt fewer with budget_knob=layers"] if method.takes_layers else []
    return OutOfReach(
        f"adapter={adapter['name']} has {number:,} parameters here and no option that a budget could choose; "
        f"{', or '.join(ways)}.",
        number,
    )


def _turned_as_built(model: Spec, adapter: Spec, knob: Knob, budget: int) -> dict[int, int]:
    """Value -> count of the values looked at, each counted on the whole model."""

    def counted(value: int) -> int:
        return count(model, {**adapter, knob.option: value}).trainable

    if knob.values != "layers":
        return _halved(counted, knob, budget)
    knob = replace(knob, values="integers", at_most=meta_base(model).config.num_hidden_layers)
    method = methods.of(adapter)
    shares = isinstance(method, methods.OurMethod) and method.config().shares
    if shares or adapter.get("evenly"):  # other layers with each number, or a shared part that may fall
        return _tried(counted, knob.tried([]))
    return _halved(counted, knob, budget)  # the last N + 1 layers are the last N and one more


def _turned_by_sizes(model: Spec, adapter: Spec, knob: Knob, budget: int) -> tuple[dict[int, int], Plain]:
    """Value -> count of the values looked at, counted for the sizes of the adapted layers alone.

    Also the options that the method fills in by those sizes; they are held while the knob is turned.
    """
    method, base, filled = methods.of(adapter), meta_base(model), {}
    targets = model.get("target_modules") if adapter.get("target_modules") is None else adapter["target_modules"]
    if isinstance(method, methods.OurMethod):
        config, sizes = _fitted(method, base, targets)
        shapes = list(sizes.values())
        before = dict(vars(config))
        config.resolve(shapes)
        knob = method.knob(shapes) or knob
        filled = {k: v for k, v in vars(config).items() if k != knob.option and v != before[k]}

        def counted(value: int) -> int:
            turned: Plain = {**knob.also, knob.option: value}
            return _by_formula(replace(config, **turned), sizes)
    else:
        shapes = list(reference_sizes(base, targets).values())
        different = Counter(shapes)

        def counted(value: int) -> int:
            return _by_building({**adapter, **knob.also, knob.option: value}, different)

    return _searched(counted, knob, shapes, budget), filled


def _fitted(
    method: methods.OurMethod, base: PreTrainedModel, targets: Any
) -> tuple[QftConfig, dict[str, tuple[int, int]]]:
    """A method's config on this base, and the (in, out) sizes of the layers it adapts, by name."""
    places = {"target_modules": targets} if method.takes_targets else {}
    config = method.config(**places | method.layers(base, targets))
    config.choose_targets(base)
    return config, target_sizes(base, config, config.candidates(base), config.wraps)


def _searched(counted: Count, knob: Knob, shapes: list[tuple[int, int]], budget: int) -> dict[int, int]:
    if knob.values != "integers":
        return _tried(counted, knob.tried(shapes))
    if knob.falls != "anywhere":
        tried: dict[int, int] = {}
        for piece in knob.pieces(shapes):
            tried |= _halved(counted, piece, budget)
        return tried
    tried = _tried(counted, knob.tried(shapes))
    if knob.at_most is None:  # above the layers' sizes all counts grow
        tried |= _halved(counted, replace(knob, at_least=max(tried, default=knob.at_least)), budget)
    return tried


def _tried(counted: Count, values: Iterable[int]) -> dict[int, int]:
    """Value -> count of every value that the method takes."""
    numbers = {}
    for value in values:
        try:
            numbers[value] = counted(value)
        except QftError:
            continue
    return numbers


def _halved(counted: Count, knob: Knob, budget: int) -> dict[int, int]:
    """The values that a search by halving looks at; a value that is refused lies above those that are not."""
    tried: dict[int, int] = {}

    def small(steps: int) -> bool:
        value = knob.at_least + steps * knob.step
        if value > (knob.at_most or FARTHEST):
            return False
        tried.update(_tried(counted, [value]))
        return value in tried and tried[value] <= budget

    if not small(0):
        return tried
    low, high = 0, 1
    while small(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if small(middle) else (low, middle)
    return tried


def _by_formula(config: QftConfig, sizes: dict[str, tuple[int, int]]) -> int:
    config.resolve(list(sizes.values()))
    own = sum(n * config.delta_class.count(*s, config) for s, n in Counter(sizes.values()).items())
    return int(own + (config.shared_count(list(sites_of(sizes).values())) if isinstance(config, SharedConfig) else 0))


def _by_building(adapter: Spec, shapes: Counter[tuple[int, int]]) -> int:
    """Put a method of a library on one layer of each size."""
    method = methods.of(adapter)
    assert isinstance(method, methods.LibraryMethod)
    config = method.config(target_modules=[f"layer{i}" for i in range(len(shapes))])
    config.task_type = None
    try:
        model = _layers(shapes)
        with torch.device("meta"):
            get_peft_model(model, config)
    except (ValueError, TypeError, ZeroDivisionError, RuntimeError) as error:
        raise QftError(str(error)) from error
    total = 0
    for layer, number in zip(model.children(), shapes.values(), strict=True):
        total += number * sum(p.numel() for p in layer.parameters() if p.requires_grad)
    return total


def _layers(shapes: Iterable[tuple[int, int]]) -> Any:
    model: Any = nn.Module()
    with torch.device("meta"):
        for i, shape in enumerate(shapes):
            model.add_module(f"layer{i}", nn.Linear(*shape))
    return model
