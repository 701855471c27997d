"""Options that are numbers: each states its range where it is declared, and one function checks all of them.

@dataclass
class Options:
    rate: float = number(0.1, above=0)
    steps: int | None = number(None, at_least=1)
"""

import math
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, is_dataclass
from numbers import Integral, Real
from typing import Any

from qft.errors import QftError
from qft.names import shortened

MOST = 2**31 - 1  # the largest count, unless less is stated: what the counters of the libraries hold
SEEDS = 2**32 - 1  # the largest seed that every library takes


@dataclass(frozen=True)
class Range:
    """The numbers that an option may be; None: no such bound."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def holds(self, value: float) -> bool:
        """Whether the finite number is in the range."""
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        bounds = {"at least": self.at_least, "above": self.above, "at most": self.at_most, "below": self.below}
        return " and ".join(f"{words} {bound}" for words, bound in bounds.items() if bound is not None)


SEED = Range(at_least=0, at_most=SEEDS)


def within(**bounds: float) -> "dict[str, Range]":
    """Metadata of a dataclass field that is a number in this range."""
    return {"range": Range(**bounds)}


def number(default: Any, **bounds: float) -> Any:
    """A field of a dataclass that is a number, or a list of numbers, in this range."""
    return field(default=default, metadata=within(**bounds))


def a_seed(default: int = 0) -> Any:
    """A field of a dataclass that is a seed."""
    return field(default=default, metadata={"range": SEED})


def check(config: Any, prefix: str = "") -> None:
    """Check every number of a config against its range.

    Numbers of dataclasses, nested ones included, must be in their range. In other options of any depth floats must be
    finite, and a ``seed`` must be one.

    Args:
        config: A dataclass or a mapping.
        prefix: What to put before the names of its options.

    Raises:
        QftError: With the name of the option and what it may be.
    """
    if is_dataclass(config):
        values = vars(config)
        for f in fields(config):
            value = values[f.name]
            if "range" in f.metadata:
                _field(f, value, prefix)
            else:
                _other(f.name, value, prefix)
    else:
        _other("", config, prefix)


def _field(f: "Field[Any]", value: Any, prefix: str) -> None:
    whole = "float" not in str(f.type)
    for each in value if isinstance(value, (list, tuple)) else [value]:
        if each is not None and not (each == "auto" and f.metadata.get("auto")):
            check_one(f"{prefix}{f.name}", each, f.metadata["range"], whole)


def check_one(name: str, value: Any, allowed: Range, whole: bool = False) -> None:
    """Raise QftError unless ``value`` is a (whole) number in the range."""
    kinds = Integral if whole else Real
    kind = "a whole number" if whole else "a finite number"
    wrong = isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value)
    if whole and not wrong and allowed.at_most is None and value > MOST:
        raise QftError(f"{name}={shortened(str(value))} must be at most {MOST}.")
    if wrong or not allowed.holds(value):
        raise QftError(f"{name}={shortened(str(value))} must be {', '.join(filter(None, (kind, str(allowed))))}.")


def _other(name: str, value: Any, prefix: str) -> None:
    if is_dataclass(value):
        check(value, f"{prefix}{name}.")
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _other(str(key), inner, f"{prefix}{name}." if name else prefix)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _other(name, inner, prefix)
    elif isinstance(value, float):
        check_one(f"{prefix}{name}", value, Range())
    elif name == "seed" and value is not None:
        check_one(f"{prefix}{name}", value, SEED, whole=True)
