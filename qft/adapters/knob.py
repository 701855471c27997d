"""The one option by which a method is made larger or smaller: ours state it in their config, libraries' in a yaml."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
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
        falls: Of integers: where the count may be smaller than at the value below. Nowhere; at the values in
            ``breaks``; at those where ceil(n / value) changes for a size n of the layers; anywhere: all are tried.
        breaks: With ``falls="at breaks"``.
        also: Other options that are set with it.
        in_proportion: Options that keep their ratio to it, such as the alpha of a scale alpha / r.
    """

    option: str = "r"
    values: Literal["integers", "powers", "divisors", "layers"] = "integers"
    at_least: int = 1
    at_most: int | None = None
    step: int = 1
    falls: Literal["nowhere", "at breaks", "at quotients", "anywhere"] = "nowhere"
    breaks: tuple[int, ...] = ()
    also: Mapping[str, Any] = field(default_factory=dict)
    in_proportion: tuple[str, ...] = ()

    def turned(self, adapter: Mapping[str, Any], value: int) -> dict[str, Any]:
        """The options of a method whose knob is at ``value``: it, and what goes with it."""
        scaled = {
            name: adapter[name] * value / adapter[self.option] for name in self.in_proportion if adapter.get(name)
        }
        whole = {name: int(number) if number == int(number) else number for name, number in scaled.items()}
        return {self.option: value, **self.also, **whole}

    def tried(self, shapes: list[tuple[int, int]]) -> Iterator[int]:
        """All values to try, for layers of these (in, out) sizes, where they are not searched by halving."""
        most = self.at_most or max(n for shape in shapes for n in shape)
        divided = gcd(*(n for shape in shapes for n in shape))
        for value in range(self.at_least, most + 1, self.step):
            power = value & (value - 1) == 0
            if self.values == "integers" or (power if self.values == "powers" else divided % value == 0):
                yield value

    def pieces(self, shapes: list[tuple[int, int]]) -> Iterator["Knob"]:
        """Knobs over the ranges of values within which the count never falls, for layers of these (in, out) sizes."""
        breaks = set(self.breaks)
        if self.falls == "at quotients":
            sizes = {n for shape in shapes for n in shape}
            breaks |= {-(-n // -(-n // value)) for n in sizes for value in range(1, n + 1)}
        starts = sorted({self.at_least, *(b for b in breaks if self.at_least < b <= (self.at_most or b))})
        for start, following in zip(starts, [*starts[1:], None]):
            yield replace(self, at_least=start, at_most=self.at_most if following is None else following - 1)
