"""<Z> of a circuit by the compiled function, with a backward of its own; what it cannot do is left to torch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qft.quantum.autodiff import is_traced
from qft.quantum.circuit import Circuit
from qft.quantum.gradients import Readout
from qft.quantum.native.library import Function, find
from qft.quantum.native.program import GATES, MAX_QUBITS, Program, program

Bind = Callable[[Circuit, Tensor], Readout]


def bind(circuit: Circuit, weights: Tensor, eager: Bind) -> Readout | None:
    """A read-out by the compiled function, equal to ``eager``'s to rounding.

    Second derivatives, and what torch.compile or torch.func traces, are computed by ``eager``.

    Args:
        circuit: Any.
        weights: (num_weights,), float32 or float64; angles in radians.
        eager: The same by torch's operations.

    Returns:
        inputs (num_inputs, t) -> <Z> (r, t); None where no compiled function serves this circuit, device or machine,
        or where the weights are traced.
    """
    tables, run = _compiled(circuit, weights)
    if tables is None or run is None:
        return None

    def read(z: Tensor) -> Tensor:
        if is_traced(z, weights) or not _plain(z):
            return eager(circuit, weights)(z)
        if not torch.is_grad_enabled():
            return _forward(tables, run, z, weights)
        out: Tensor = _Native.apply(circuit, eager, tables, run, z, weights)  # type: ignore[no-untyped-call]
        return out

    return read


def bind_few(circuit: Circuit, weights: Tensor, eager: Bind) -> Readout | None:
    """As ``bind``, for a few rows at a time and without gradients: the angles are read once, not at each call."""
    tables, run = _compiled(circuit, weights)
    if tables is None or run is None:
        return None
    angles, outputs = _angles(tables, weights), int(tables.sizes[0])

    def read(z: Tensor) -> Tensor:
        if is_traced(z):
            return eager(circuit, weights)(z)
        z = z if z.stride(1) == 1 else z.contiguous()
        out = z.new_empty(outputs, z.shape[1])
        run(tables, angles, z, None, out, None)
        return out

    return read


def _compiled(circuit: Circuit, weights: Tensor) -> tuple[Program | None, Function | None]:
    """The circuit's tables and the function that runs them; a None where there is none for these weights."""
    if is_traced(weights) or not _plain(weights):
        return None, None
    tables = program(circuit)
    return tables, find(circuit.qubits, weights.dtype).function if tables is not None else None


def refusal(circuit: Circuit) -> str | None:
    """Why no compiled function serves this circuit on this machine, as the end of a sentence; None where one does."""
    if program(circuit) is None:
        return f"the kernel knows at most {MAX_QUBITS} qubits and the gates {', '.join(GATES)}, with inputs in RY alone"
    return find(circuit.qubits, torch.float32).reason or None


def _plain(tensor: Tensor) -> bool:
    """Whether the numbers lie in a CPU's memory: not on a GPU, in no tensor without memory, and not negated lazily."""
    return tensor.device.type == "cpu" and type(tensor) in (Tensor, torch.nn.Parameter) and not tensor.is_neg()


class _Native(torch.autograd.Function):
    """(circuit, eager, program, function, z, weights) -> <Z>; keeps z and the weights."""

    @staticmethod
    def forward(
        ctx: Any, circuit: Circuit, eager: Bind, tables: Program, run: Function, z: Tensor, weights: Tensor
    ) -> Tensor:
        ctx.circuit, ctx.eager, ctx.tables, ctx.run = circuit, eager, tables, run
        ctx.save_for_backward(z, weights)
        return _forward(tables, run, z, weights)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        z, weights = ctx.saved_tensors
        if torch.is_grad_enabled() or not _plain(grad):  # to be differentiated again
            needed = [t for t, needs in zip((z, weights), ctx.needs_input_grad[4:], strict=True) if needs]
            found = iter(torch.autograd.grad(ctx.eager(ctx.circuit, weights)(z), needed, grad, create_graph=True))
            grads = [next(found) if needs else None for needs in ctx.needs_input_grad[4:]]
        else:
            grads = list(_backward(ctx.tables, ctx.run, z, weights, grad))
        return None, None, None, None, *grads


def _forward(tables: Program, run: Function, z: Tensor, weights: Tensor) -> Tensor:
    z = z if z.stride(1) == 1 else z.contiguous()
    out = z.new_empty(int(tables.sizes[0]), z.shape[1])
    run(tables, _angles(tables, weights), z, None, out, None)
    return out


def _backward(tables: Program, run: Function, z: Tensor, weights: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    z, grad = (t if t.stride(1) == 1 else t.contiguous() for t in (z, grad))
    grad_z = z.new_empty(z.shape)
    grad_angles = np.empty(int(tables.sizes[2]))
    run(tables, _angles(tables, weights), z, grad, grad_z, grad_angles)
    return grad_z, torch.from_numpy(grad_angles[: len(weights)]).to(weights.dtype)


def _angles(tables: Program, weights: Tensor) -> np.ndarray:
    """The weights in double precision, then the constants."""
    angles = weights.detach().clone().numpy()  # numpy fixes the size of a storage, and FSDP frees its parameters'
    return np.concatenate((angles, tables.constants), dtype=np.float64)
