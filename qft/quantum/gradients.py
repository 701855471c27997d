"""Gradients from expectations alone: the parameter-shift rule, for simulators and machines that only measure.

    RX, RY, RZ (frequency 1)          df/da = [f(a + pi/2) - f(a - pi/2)] / 2
    CRZ (frequencies 1/2 and 1)       df/da = c+ [f(a + pi/2) - f(a - pi/2)] - c- [f(a + 3pi/2) - f(a - 3pi/2)]
                                      c+- = (sqrt 2 +- 1) / (4 sqrt 2)

Exact, not finite differences (arXiv 1811.11184; four terms: arXiv 2104.05695). An input or weight that stands at
several gates is shifted at each of them on its own and the results are added: every occurrence is turned into an
angle of its own first. A backward costs 2 circuits a row and rotation, 4 a row and CRZ.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import pi, sqrt
from typing import Any, NamedTuple

import torch
from torch import Tensor

from qft.quantum.circuit import Circuit, Gate, Input, Weight

Readout = Callable[[Tensor], Tensor]  # inputs (num_inputs, t) -> expectations (k, t)
Bind = Callable[[Circuit, Tensor], Readout]

_NEAR, _FAR = (sqrt(2) + 1) / (4 * sqrt(2)), (sqrt(2) - 1) / (4 * sqrt(2))
TWO_TERMS = ((pi / 2, 0.5), (-pi / 2, -0.5))
FOUR_TERMS = ((pi / 2, _NEAR), (-pi / 2, -_NEAR), (3 * pi / 2, -_FAR), (-3 * pi / 2, _FAR))


class Unshared(NamedTuple):
    """A circuit in which no input and no weight stands twice, and where each of its angles comes from."""

    circuit: Circuit
    inputs: list[int]  # of each new input, the old one
    weights: list[int]
    rules: dict[Input | Weight, tuple[tuple[float, float], ...]]  # new angle -> (shift, factor) pairs


def unshare(circuit: Circuit) -> Unshared:
    """Every occurrence of an angle as an angle of its own, numbered in the order of the gates' old indices."""
    gates: list[Gate] = list(circuit.gates)
    old: dict[type, list[int]] = {Input: [], Weight: []}
    rules: dict[Input | Weight, tuple[tuple[float, float], ...]] = {}
    # by old index, so that a circuit without repetition stays as it is
    order = sorted(range(len(gates)), key=lambda k: _index(gates[k]))
    for k in order:
        angle = gates[k].angle
        if isinstance(angle, (Input, Weight)):
            kind = type(angle)
            new = kind(len(old[kind]))
            old[kind].append(angle.index)
            rules[new] = FOUR_TERMS if gates[k].name == "CRZ" else TWO_TERMS
            gates[k] = replace(gates[k], angle=new)
    return Unshared(Circuit(circuit.qubits, tuple(gates)), old[Input], old[Weight], rules)


def _index(gate: Gate) -> int:
    return gate.angle.index if isinstance(gate.angle, (Input, Weight)) else -1


def by_shift(circuit: Circuit, weights: Tensor, bind: Bind) -> Readout:
    """A read-out (num_inputs, t) -> (r, t) whose backward runs shifted circuits through ``bind``.

    ``bind(circuit, weights)`` evaluates without gradients; it is called once here, and in a backward once for each
    shift of a weight. A backward that is to be differentiated again is made of such read-outs itself.
    """
    plain = bind(circuit, weights.detach())

    def read(z: Tensor) -> Tensor:
        out: Tensor = _Shift.apply(circuit, bind, plain, z, weights)  # type: ignore[no-untyped-call]
        return out

    return read


class _Shift(torch.autograd.Function):
    """(circuit, bind, plain, z, weights) -> plain(z)."""

    @staticmethod
    def forward(ctx: Any, circuit: Circuit, bind: Bind, plain: Readout, z: Tensor, weights: Tensor) -> Tensor:
        ctx.circuit, ctx.bind = circuit, bind
        ctx.save_for_backward(z, weights)
        return plain(z.detach())

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[None, None, None, Tensor | None, Tensor | None]:
        z, weights = ctx.saved_tensors
        apart = unshare(ctx.circuit)
        inputs, angles = z[apart.inputs], weights[apart.weights]
        grad_z = torch.zeros_like(z) if ctx.needs_input_grad[3] else None
        grad_w = torch.zeros_like(weights) if ctx.needs_input_grad[4] else None
        bind = partial(by_shift, bind=ctx.bind) if torch.is_grad_enabled() else ctx.bind
        read = bind(apart.circuit, angles) if grad_z is not None else None
        for angle, rule in apart.rules.items():
            if isinstance(angle, Input) and grad_z is not None and read is not None:
                shifted = inputs.repeat(1, len(rule))
                shifted[angle.index] += inputs.new_tensor([s for s, _ in rule]).repeat_interleave(z.shape[1])
                values = read(shifted).unflatten(1, (len(rule), -1))
                factors = inputs.new_tensor([f for _, f in rule])
                grad_z[apart.inputs[angle.index]] += torch.einsum("kst,kt,s->t", values, upstream, factors)
            elif isinstance(angle, Weight) and grad_w is not None:
                for shift, factor in rule:
                    moved = angles.clone()
                    moved[angle.index] += shift
                    values = bind(apart.circuit, moved)(inputs)
                    grad_w[apart.weights[angle.index]] += factor * (values * upstream).sum()
        return None, None, None, grad_z, grad_w
