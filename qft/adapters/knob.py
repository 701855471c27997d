"""The one option by which a method is made larger or smaller: ours state it in their config, libraries' in a yaml."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import gcd
from typing import Any, Literal


@dataclass(frozen=True)
class Knob:
    """What ``budget=N`` turns. ``qft.models.budget`` looks for the largest count not above N.

    Attributes:
        option: Its name.
        values: Which values it may have: all integers, powers of two, divisors of every size of the layers, or
            numbers of layers.
        at_least: The smallest of them.
        at_most: The largest; None: there is none, or the method refuses what is above.
        step: From one integer to the next.
        grows: Of integers: the count never falls as the option rises. False: every value is tried.
        also: Other options that are set with it.
    """

    option: str = "r"
    values: Literal["integers", "powers", "divisors", "layers"] = "integers"
    at_least: int = 1
    at_most: int | None = None
    step: int = 1
    grows: bool = True
    also: Mapping[str, Any] = field(default_factory=dict)

    def tried(self, shapes: list[tuple[int, int]]) -> Iterator[int]:
        """All values to try, for layers of these (in, out) sizes, where they are not searched by halving."""
        most = self.at_most or max(n for shape in shapes for n in shape)
        divided = gcd(*(n for shape in shapes for n in shape))
        for value in range(self.at_least, most + 1, self.step):
            power = value & (value - 1) == 0
            if self.values == "integers" or (power if self.values == "powers" else divided % value == 0):
                yield value
