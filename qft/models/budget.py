"""``budget=N``: the setting of a method's one knob whose count of trainable parameters is the largest not above N.

Counts jump, so every admissible value is tried where the method does not say that its count grows with the knob.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from peft import get_peft_model
from torch import nn

from qft.adapters import methods
from qft.adapters.config import QftConfig
from qft.adapters.knob import Knob
from qft.adapters.shared import SharedConfig, sites_of
from qft.adapters.targets import reference_sizes, target_sizes
from qft.errors import QftError
from qft.models.count import count
from qft.models.load import Spec, meta_base
from qft.records import Plain

FARTHEST = 2**24  # beyond it no knob is turned


class OutOfReach(QftError):
    """No setting of the method is within the budget, or it has none to choose."""


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


def choose(model: Spec, adapter: Spec, budget: int) -> Choice:
    """Turn a method's knob.

    Args:
        model: The base's yaml.
        adapter: The method's yaml; all options but the knob, and what the knob sets with it, stay.
        budget: Most trainable parameters.

    Raises:
        OutOfReach: The method states no knob, or has no setting so small; its minimum is named then.
        QftError: The method does not fit the model.
    """
    name, knob = adapter["name"], methods.of(adapter).knob()
    if knob is None:
        raise OutOfReach(f"adapter={name} states no option that a budget could choose; leave budget out.")
    filled: Plain = {}
    if knob.values == "layers":
        layers = meta_base(model).config.num_hidden_layers
        counted: Callable[[int], int] = lambda v: count(model, {**adapter, knob.option: v}).trainable  # noqa: E731
        tried = _tried(counted, range(1, layers + 1))
    else:
        counted, shapes, filled = _counter(model, adapter, knob)
        every = knob.values != "integers" or not knob.grows
        tried = _tried(counted, knob.tried(shapes)) if every else _halved(counted, knob, budget)
        if every and knob.values == "integers" and knob.at_most is None:  # above the layers' sizes all counts grow
            tried |= _halved(counted, replace(knob, at_least=max(tried, default=knob.at_least)), budget)
    if not tried:
        raise QftError(f"adapter={name}: no value of {knob.option} suits this model.")
    within = {value: number for value, number in tried.items() if number <= budget}
    if not within:
        least = min(tried, key=lambda value: tried[value])
        smallest = f"{tried[least]:,} parameters ({knob.option}={least})"
        raise OutOfReach(f"adapter={name} has at least {smallest}, above the budget of {budget:,}.")
    best = max(within, key=lambda value: (within[value], -value))
    options = {knob.option: best, **knob.also, **filled}
    return Choice({**adapter, **options}, options, knob.option, best, within[best])


def _tried(counted: Callable[[int], int], values: Iterable[int]) -> dict[int, int]:
    """Value -> count of every value that the method takes."""
    numbers = {}
    for value in values:
        try:
            numbers[value] = counted(value)
        except QftError:
            continue
    return numbers


def _halved(counted: Callable[[int], int], knob: Knob, budget: int) -> dict[int, int]:
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


def _counter(model: Spec, adapter: Spec, knob: Knob) -> tuple[Callable[[int], int], list[tuple[int, int]], Plain]:
    """A function from the knob's value to the count, the (in, out) sizes of the adapted layers, and the options that
    the method fills in by them, which are held while the knob is turned."""
    method, base = methods.of(adapter), meta_base(model)
    targets = model.get("target_modules") if adapter.get("target_modules") is None else adapter["target_modules"]
    if isinstance(method, methods.OurMethod):
        config = method.config(**({"target_modules": targets} if method.takes_targets else {}))
        config.choose_targets(base)
        sizes = target_sizes(base, config, config.candidates(base), config.wraps)
        before = dict(vars(config))
        config.resolve(list(sizes.values()))
        filled = {k: v for k, v in vars(config).items() if k != knob.option and v != before[k]}
        found = list(sizes.values())
        return lambda value: _by_formula(replace(config, **knob.also, **{knob.option: value}), sizes), found, filled
    shapes = list(reference_sizes(base, targets).values())
    return lambda value: _by_building({**adapter, **knob.also, knob.option: value}, Counter(shapes)), shapes, {}


def _by_formula(config: QftConfig, sizes: dict[str, tuple[int, int]]) -> int:
    config.resolve(list(sizes.values()))
    own = sum(n * config.delta_class.count(*s, config) for s, n in Counter(sizes.values()).items())
    return int(own + (config.shared_count(list(sites_of(sizes).values())) if isinstance(config, SharedConfig) else 0))


def _by_building(adapter: Spec, shapes: Counter[tuple[int, int]]) -> int:
    """Put a method of a library on one layer of each size."""
    model: Any = nn.Module()
    with torch.device("meta"):
        for i, shape in enumerate(shapes):
            model.add_module(f"layer{i}", nn.Linear(*shape))
    method = methods.of(adapter)
    assert isinstance(method, methods.LibraryMethod)
    config = method.config(target_modules=[f"layer{i}" for i in range(len(shapes))])
    config.task_type = None
    try:
        with torch.device("meta"):
            get_peft_model(model, config)
    except (ValueError, TypeError, ZeroDivisionError, RuntimeError) as error:
        raise QftError(str(error)) from error
    total = 0
    for layer, number in zip(model.children(), shapes.values(), strict=True):
        total += number * sum(p.numel() for p in layer.parameters() if p.requires_grad)
    return total
