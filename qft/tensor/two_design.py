"""Orthonormal columns from a shallow real circuit of RY rotations and CZ gates (arXiv 2503.05431).

    U = prod_l [ RY, CZ on (1,2),(3,4),... , RY, CZ on (0,1),(2,3),... ]_l RY(all)     (the right-most acts first)

The rotations of a brick act on the wires its CZ gates touch, as in PennyLane's SimplifiedTwoDesign. Wire 0 is the
most significant. On q qubits and with L layers: (2 L + 1) q - 2 L angles and L (q - 1) CZ gates.

A width that is no power of two is m 2^p with m odd: ``truncate`` takes the first n rows of the next larger circuit,
whose columns are then no longer orthonormal; ``mixed`` (ours) replaces the first wires by one of m levels, turned by
a Cayley block of m (m - 1) / 2 numbers, whose CZ is -1 on (last level, 1). Its columns are orthonormal.

A layer of rotations is applied as two Kronecker halves, a brick of CZ gates as a vector of signs: K columns cost
O(L n K sqrt(n)). No n x n matrix is formed.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import prod

import torch
from torch import Tensor

from qft.tensor.constant import constant
from qft.tensor.orthogonal import cayley

SIZES = ("truncate", "mixed")
MOST_LEVELS = 63  # of the one wire that is no qubit; a wire of m levels takes m (m - 1) / 2 numbers a rotation


@dataclass(frozen=True)
class TwoDesign:
    """The circuit: levels of each wire (2: a qubit), and the number of layers of two bricks each."""

    levels: tuple[int, ...]
    layers: int

    @classmethod
    def for_width(cls, n: int, layers: int, sizes: str = "truncate") -> "TwoDesign":
        """The circuit of a width. Raises ValueError, with the nearest width that has one, where this one has none."""
        if sizes not in SIZES or n < 2:
            raise ValueError(f"sizes={sizes} has no circuit for {n} features: it needs 2 or more")
        odd = n // (n & -n)
        if sizes == "truncate" or odd == 1:
            return cls((2,) * (n - 1).bit_length(), layers)
        if odd > MOST_LEVELS:
            nearest = min(range(2, 2 * n), key=lambda m: (m // (m & -m) > MOST_LEVELS, abs(m - n)))
            raise ValueError(
                f"sizes=mixed splits {n} features into one axis of {odd} and qubits, and {MOST_LEVELS} is the longest "
                f"axis there is; the nearest size that splits is {nearest}, and sizes=truncate takes any"
            )
        return cls((odd,) + (2,) * ((n & -n).bit_length() - 1), layers)

    @property
    def width(self) -> int:
        """Rows of U."""
        return prod(self.levels)

    @property
    def bricks(self) -> list[tuple[int, ...]]:
        """Wires of each layer of rotations: all, then those of each brick."""
        wires = range(len(self.levels))
        even = tuple(w for a, b in zip(wires[0::2], wires[1::2]) for w in (a, b))
        odd = tuple(w for a, b in zip(wires[1::2], wires[2::2]) for w in (a, b))
        return [tuple(wires), *([even, odd] * self.layers)]

    def numbers(self, wire: int) -> int:
        """Free numbers of one rotation on this wire: an angle, or those of a Cayley block."""
        m = self.levels[wire]
        return 1 if m == 2 else m * (m - 1) // 2

    @property
    def count(self) -> int:
        """Free numbers in all."""
        return sum(self.numbers(w) for wires in self.bricks for w in wires)

    @property
    def entanglers(self) -> int:
        """CZ gates in all."""
        return sum(len(wires) // 2 for wires in self.bricks[1:])


def columns(numbers: Tensor, plan: TwoDesign, k: int) -> Tensor:
    """The first k columns of U, of several circuits of one plan at a time.

    Args:
        numbers: (..., plan.count), by layers and wires; an angle in radians for a qubit.
        plan: the circuit.
        k: how many; at most plan.width.

    Returns:
        (..., k, plan.width), one column a row: orthonormal. Equal numbers give equal bits, with gradients or without.
    """
    cut = len(plan.levels) // 2
    left, right = prod(plan.levels[:cut]), prod(plan.levels[cut:])
    gates = _gates(numbers.reshape(-1, plan.count), plan)
    low, high = kron(gates[cut:]), kron(gates[:cut] or [torch.ones_like(gates[0][:, :, :1, :1])])
    count = low.shape[0]
    start = torch.eye(plan.width, k, dtype=numbers.dtype, device=numbers.device)
    state = start.view(left, right, k).mT.expand(count, left, k, right)
    for number, wires in enumerate(plan.bricks):
        if number:
            state = state * _signs(plan.levels, wires).to(state).view(left, 1, right)
        state = torch.bmm(high[:, number], state.reshape(count, left, k * right)).reshape(count, left * k, right)
        state = torch.bmm(state, low[:, number].mT).view(count, left, k, right)
    return state.transpose(1, 2).reshape(*numbers.shape[:-1], k, plan.width)


def _gates(numbers: Tensor, plan: TwoDesign) -> list[Tensor]:
    """For each wire the rotations of all bricks (circuits, bricks, levels, levels); the identity where it has none."""
    with_zero = torch.nn.functional.pad(numbers, (0, 1))
    chosen = with_zero.index_select(1, _places(plan).to(numbers.device)).unflatten(1, (len(plan.bricks), -1))
    half = chosen / 2
    cosine, sine = half.cos(), half.sin()
    turns = torch.stack([cosine, -sine, sine, cosine], -1).unflatten(-1, (2, 2))  # RY(theta)
    gates, place = [], 0
    for wire, levels in enumerate(plan.levels):
        size = plan.numbers(wire)
        gates.append(turns[:, :, place] if levels == 2 else cayley(chosen[..., place : place + size], levels))
        place += size
    return gates


@constant
def _places(plan: TwoDesign) -> Tensor:
    """By brick and wire the places of its numbers, flattened; one past the last, a zero, where it has none."""
    places, next_one = [], 0
    for wires in plan.bricks:
        for wire in range(len(plan.levels)):
            size = plan.numbers(wire)
            present = wire in wires
            places += [next_one + i if present else plan.count for i in range(size)]
            next_one += size if present else 0
    return torch.tensor(places)


def kron(gates: list[Tensor]) -> Tensor:
    """The Kronecker product over the last two dimensions."""
    out = gates[0]
    for gate in gates[1:]:
        product = out[..., :, None, :, None] * gate[..., None, :, None, :]
        out = product.flatten(-4, -3).flatten(-2, -1)
    return out


@constant
def _signs(levels: tuple[int, ...], wires: tuple[int, ...]) -> Tensor:
    """The diagonal of CZ gates on (wires 0, 1), (2, 3), ...: -1 where both are at their last level."""
    out = torch.ones(levels)
    for a, b in list(pairwise(wires))[::2]:
        index: list[slice | int] = [slice(None)] * len(levels)
        index[a] = index[b] = -1
        out[tuple(index)] *= -1
    return out.flatten()
