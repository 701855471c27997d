"""How the features of a layer are split into the axes of a tensor train, and what is said of axes that do not fit."""

from math import prod
from typing import Any

from qft.errors import QftError
from qft.tensor.factor import factorize

Axes = tuple[int, ...]


def near_equal(features: int) -> Axes:
    """The axes of LoRETTA's trains for one side of any size: three near-equal ones, two up to 256 features."""
    return factorize(features, 3 if features > 256 else 2)


def read(given: Any) -> list[list[list[int]]] | None:
    """The option ``axes`` as plain lists: for each size of layer the input's axes and the output's.

    Raises QftError for anything else.
    """
    if given is None:
        return None
    try:
        pairs = [[[int(d) for d in side] for side in pair] for pair in given]
    except (TypeError, ValueError):
        pairs = []
    if not pairs or any(len(pair) != 2 or any(not s or min(s) < 1 for s in pair) for pair in pairs):
        raise QftError(
            f"axes={given} should be, for each size of layer, [[input axes],[output axes]]: [[[8,4],[4,8]]]."
        )
    return pairs


def check(given: list[list[list[int]]], by_rule: dict[tuple[int, int], tuple[Axes, Axes]]) -> None:
    """Raise QftError where given axes multiply to no adapted layer's sizes.

    ``by_rule``: (in, out) of each adapted layer -> the axes it would have.
    """
    for ins, outs in given:
        product = prod(ins), prod(outs)
        if product not in by_rule:
            near = min(by_rule, key=lambda s: abs(s[0] - product[0]) + abs(s[1] - product[1]))
            could = ",".join("[" + ",".join(map(str, side)) + "]" for side in by_rule[near])
            raise QftError(
                f"axes of {product[0]} x {product[1]} features fit no adapted layer; the nearest is {near[0]} x "
                f"{near[1]}, whose axes could be [{could}]."
            )


def choose(
    given: list[list[list[int]]] | None, shape: tuple[int, int], by_rule: tuple[Axes, Axes]
) -> tuple[Axes, Axes]:
    """The axes given for a layer of this (in, out), else those of the rule."""
    for ins, outs in given or ():
        if (prod(ins), prod(outs)) == shape:
            return tuple(ins), tuple(outs)
    return by_rule


def describe(shape: tuple[int, int], axes: tuple[Axes, Axes]) -> str:
    """``3584 x 512: axes 16 x 4 x 4 x 7 x 2 | 2 x 4 x 4 x 16``, with the padded sizes where there is padding."""
    sides = " | ".join(" x ".join(map(str, side)) for side in axes)
    padded = prod(axes[0]), prod(axes[1])
    return f"{shape[0]} x {shape[1]}: axes {sides}" + (
        "" if padded == shape else f" (padded to {padded[0]} x {padded[1]})"
    )
