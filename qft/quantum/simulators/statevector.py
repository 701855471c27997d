"""<Z> of circuits that upload their inputs several times: a batched state vector, differentiated by adjoints.

Three exact ways to evaluate L uploads on r qubits, with multiplications per row and read-out of all qubits:

    Fourier grid      r (2L+1)^r             26,000 at r = L = 4,  10^14 at r = L = 10
    Pauli vector      L 16^r                260,000                10^13
    state vector      4 L 4^r (dense)         4,000                4 10^7; 5 10^6 layer by layer

So the state vector, except for one upload, where the grid is the polynomial of ``multilinear.py``. By
``unitary_layers.py`` a circuit is fixed matrices with phases exp(-i z lambda) between them. Up to DENSE_QUBITS all
fixed gates between two uploads are one matrix (2^r, 2^r), built once a step; above, local layers act on
groups of GROUP qubits and diagonals stay diagonals.

Here the circuit becomes a plan of such steps; ``adjoint.py`` runs it.
"""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from qft.quantum.autodiff import cached_constant, is_traced
from qft.quantum.circuit import Circuit
from qft.quantum.gradients import Readout
from qft.quantum.simulators.adjoint import Plan, PlanTensors, Step, act, differentiable_read_out, read_out
from qft.quantum.simulators.gate_matrices import diagonals, local_matrices
from qft.quantum.simulators.transfer import constant
from qft.quantum.simulators.unitary_layers import unitary_layers

MAX_QUBITS = 10
DENSE_QUBITS = 6  # above, a dense matrix costs more than its layers
GROUP = 4  # qubits a matrix acts on when layers are applied one by one


@cache
def _uploads(circuit: Circuit) -> tuple[list[int | None], list[np.ndarray]]:
    """Which upload ends each layer (None: none), and the distinct uploads as generators (num_inputs, 2^r)."""
    which: list[int | None] = []
    distinct: list[np.ndarray] = []
    for layer in unitary_layers(circuit):
        generator = np.zeros((circuit.num_inputs, 2**circuit.qubits))
        for index, term in layer.upload:
            generator[index] += term
        if not layer.upload:
            which.append(None)
            continue
        same = [k for k, g in enumerate(distinct) if np.array_equal(g, generator)]
        which.append(same[0] if same else len(distinct))
        if not same:
            distinct.append(generator)
    return which, distinct


@cached_constant
def _upload_of_layer(circuit: Circuit) -> list[int | None]:
    """Of ``_uploads`` the first. Raises ValueError for a circuit this file cannot evaluate."""
    if circuit.qubits > MAX_QUBITS:
        raise ValueError(f"{circuit.qubits} qubits; the state vector is for at most {MAX_QUBITS}")
    if not circuit.num_inputs:
        raise ValueError("the circuit has no input")
    return _uploads(circuit)[0]


@cached_constant
def _tensors(circuit: Circuit, dtype: torch.dtype, device: torch.device) -> PlanTensors:
    bits = (np.arange(2**circuit.qubits) >> np.arange(circuit.qubits)[::-1, None]) & 1
    generators = [constant(g, dtype, device) for g in _uploads(circuit)[1]]
    return PlanTensors(generators, constant(1.0 - 2 * bits, dtype, device))


def bind(circuit: Circuit, weights: Tensor) -> Readout:
    """A read-out of the circuit, differentiable in weights and inputs any number of times.

    Args:
        circuit: At most MAX_QUBITS wide, with one input at least.
        weights: (num_weights,), float32 or float64; angles in radians.

    Returns:
        A function of inputs (num_inputs, t), of the weights' dtype, that gives <Z> of every qubit (r, t).

    Raises:
        ValueError: The circuit is too wide or has no input.
    """
    which = _upload_of_layer(circuit)
    steps, operators = _steps(circuit, weights, which)
    start = next(u for u in which if u is not None)
    plan = Plan(tuple(steps), start, _tensors(circuit, weights.dtype, weights.device))

    def read(z: Tensor) -> Tensor:
        if is_traced(z, weights):
            return read_out(plan, z, [o.conj() for o in operators])
        return differentiable_read_out(plan, z, operators)

    return read


def is_short(circuit: Circuit) -> bool:
    """Whether ``bind_few`` can evaluate the circuit."""
    return circuit.num_inputs > 0 and circuit.qubits <= DENSE_QUBITS


@torch.no_grad()
def bind_few(circuit: Circuit, weights: Tensor) -> Readout:
    """As ``bind``, for one that ``is_short``, without a gradient: the fewest kernels for a few rows, rows first.

    The uploads are phases and all between two of them is one matrix, so that L uploads take 2 L + 5 kernels.
    """
    which = _upload_of_layer(circuit)
    steps, operators = _steps(circuit, weights, which)
    generators, signs = _tensors(circuit, weights.dtype, weights.device)
    start = next(u for u in which if u is not None)
    remaining = iter([(o if o.dim() == 1 else o.mT).conj().resolve_conj().contiguous() for o in operators])
    moves = [(kind, at if kind == "upload" else next(remaining)) for kind, at in steps]
    weighed = signs.T.repeat_interleave(2, 0)  # of the real and the imaginary part of each amplitude
    one = torch.ones((), dtype=weights.dtype, device=weights.device)

    def read(z: Tensor) -> Tensor:
        phases = [torch.polar(one.expand_as(angles), angles) for angles in (z.T @ g for g in generators)]
        psi = phases[start]
        for kind, by in moves:
            by = phases[by] if isinstance(by, int) else by
            psi = psi @ by if kind == "matrix" else psi * by
        return (torch.view_as_real(psi).flatten(1).square_() @ weighed).T

    return read


def _steps(circuit: Circuit, weights: Tensor, which: list[int | None]) -> tuple[list[Step], list[Tensor]]:
    """Steps after the first upload and their operators; the fixed gates before it are folded into the first."""
    r = circuit.qubits
    dense = r <= DENSE_QUBITS
    groups = [(0, r)] if dense else [(q, min(q + GROUP, r)) for q in range(0, r, GROUP)]
    matrices = [local_matrices(circuit, weights, first, last) for first, last in groups]
    phases = diagonals(circuit, weights)
    steps: list[Step] = []
    operators: list[Tensor] = []
    # the state before the first upload: |0...0> under the fixed gates
    start: Tensor | None = torch.eye(2**r, 1, dtype=matrices[0].dtype, device=weights.device)
    product: Tensor | None = None
    for k, upload in enumerate(which):
        local = [(first, m[k]) for (first, _), m in zip(groups, matrices)]
        phase = phases.get(k)
        if start is not None:
            for first, matrix in local:
                start = act(matrix, first, start)
            start = start if phase is None else phase.unsqueeze(1) * start
            if upload is not None:  # the state is now phases times start, and start a diagonal step
                steps, operators, start = [("diagonal", 0)], [start.squeeze(1)], None
            continue
        if dense:
            product = local[0][1] if product is None else local[0][1] @ product
            product = product if phase is None else phase.unsqueeze(1) * product
            if upload is not None or k == len(which) - 1:
                if len(steps) == 1:  # fold the start into the first matrix
                    steps, operators, product = [], [], product * operators[0]
                steps, operators, product = [*steps, ("matrix", 0)], [*operators, product], None
        else:
            steps += [("matrix", first) for first, _ in local]
            operators += [matrix for _, matrix in local]
            if phase is not None:
                steps, operators = [*steps, ("diagonal", 0)], [*operators, phase]
        if upload is not None:
            steps.append(("upload", upload))
    return steps, operators
