"""Expectations of a circuit under noise: exact, for many rows, differentiable.

Unitaries and channels alike are linear on Pauli strings (``transfer.py``). So a noisy circuit that encodes each
input once is still the polynomial of ``multilinear.py``: each observable is carried back through the chip's gates
and their channels once a step, and a row costs what it costs without noise.

A circuit that uploads again is evaluated on the Pauli vector of the state, 4^r numbers a row. Everything between
two layers of uploads is one matrix (4^r, 4^r) up to DENSE_QUBITS, built once a step. Multiplications, L uploads:

    to build           gates 16 4^r 4^r       per row L 16^r       r = L = 4: 260,000 a row
    Fourier series     L 16^r (2L+1)^r        r (2L+1)^r           r = L = 4: 26,000 a row after 1.7 10^9

The series (``fourier.py``) pays beyond the (2L+1)^r rows it is made from, 6,561 here. Training batches do not reach
that; where no gradients are asked for, it takes over once as many rows have been read. Rows go in chunks that are
computed again in the backward, so memory is that of a chunk, its depth, and the inputs.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from qft.quantum.autodiff import checkpointed
from qft.quantum.chip_noise import ChipNoise, Noise
from qft.quantum.chunks import in_chunks
from qft.quantum.circuit import Circuit
from qft.quantum.gradients import Readout
from qft.quantum.simulators import fourier, multilinear, routed_layers
from qft.quantum.simulators.noisy_layers import PLANES, Layer, Upload, noisy_layers, transfer_steps
from qft.quantum.simulators.transfer import Step, pull_back

MAX_QUBITS = 6  # of a circuit that uploads again: 4^6 numbers a row; encoding once, multilinear.MAX_QUBITS
MAX_ROUTED = 8  # of a chip's qubits, for a circuit that encodes once
DENSE_QUBITS = 4  # above, a dense matrix costs more than its gates
MAX_GRID = 2**16  # angles of a Fourier series: its coefficients, up to 2^r times as many, must stay small
AT_ONCE = {"cpu": 2**20, "cuda": 2**25}  # numbers held of a layer at a time


def refusal(circuit: Circuit, noise: Noise) -> str | None:
    """Why this file cannot evaluate the circuit, as the end of a sentence, or None."""
    if isinstance(noise, ChipNoise):
        return _refused_routed(circuit, noise)
    if multilinear.is_multilinear(circuit) or circuit.qubits <= MAX_QUBITS:
        return None
    limit, what = (
        (multilinear.MAX_QUBITS, "one upload of each input")
        if len(noisy_layers(circuit)) <= 2
        else (MAX_QUBITS, "a circuit that uploads its inputs again")
    )
    return f"{circuit.qubits} qubits, and noise is simulated on at most {limit} for {what}"


def _refused_routed(circuit: Circuit, noise: ChipNoise) -> str | None:
    try:
        found = routed_layers.routed_layers(circuit, noise)
    except ValueError as error:
        return str(error)
    taken = len(found.routed.physical)
    limit = MAX_ROUTED if routed_layers.encodes_once(circuit, found) else MAX_QUBITS
    if taken <= limit:
        return None
    return f"{taken} qubits of {noise.chip.name} once it is routed, and its noise is simulated on at most {limit}"


def bind(circuit: Circuit, weights: Tensor, noise: Noise, observables: Tensor, folds: int = 1) -> Readout:
    """A read-out of observables under noise, wrong read-out included; differentiable once in weights and inputs.

    Args:
        circuit: Within the limits that ``refusal`` tells.
        weights: (num_weights,), float32 or float64; angles in radians.
        noise: Acts on the circuit in the chip's basis; that of a calibrated chip, on the circuit routed for it.
        observables: (k, 4, ..., 4) over (I, X, Y, Z) of each qubit, in the weights' dtype.
        folds: How often each gate on two qubits is run, an odd number (``mitigation.py``).

    Returns:
        A function of inputs (num_inputs, t), of the weights' dtype, that gives expectations (k, t).

    Raises:
        ValueError: The circuit is beyond the limits.
    """
    r = circuit.qubits
    if reason := refusal(circuit, noise):
        raise ValueError(reason)
    if isinstance(noise, ChipNoise):
        return _bind_routed(circuit, weights, noise, observables, folds)
    layers = noisy_layers(circuit)
    steps = transfer_steps(layers, weights, noise, folds)
    reading = torch.as_tensor(noise.readout_transfer(), dtype=weights.dtype, device=weights.device)
    observables = pull_back(observables, [((q,), reading) for q in range(r)], r)
    if multilinear.is_multilinear(circuit):
        c = multilinear.on_encoding(pull_back(observables, steps[1], r), r)
        return lambda z: multilinear.evaluate(c, z)
    return _Reader(_chain(layers, steps, weights, observables, r), circuit, layers, weights, 4**r)


def _bind_routed(circuit: Circuit, weights: Tensor, noise: ChipNoise, observables: Tensor, folds: int) -> Readout:
    found = routed_layers.routed_layers(circuit, noise, folds)
    routed, layers = found.routed, found.layers
    steps = routed_layers.steps(circuit, weights, noise, folds)
    observables = routed_layers.placed(observables, routed, noise)
    if routed_layers.encodes_once(circuit, found):
        c = routed_layers.coefficients(found, steps, observables)
        return lambda z: multilinear.evaluate(c, z)
    n = len(routed.physical)
    return _Reader(_chain(layers, steps, weights, observables, n), circuit, layers, weights, 4**n)


def _chain(
    layers: list[Layer], steps: list[list[Step]], weights: Tensor, observables: Tensor, qubits: int
) -> Callable[[Tensor], Tensor]:
    """The circuit on Pauli vectors, layer by layer: inputs (num_inputs, t) -> expectations (k, t)."""
    start = weights.new_zeros((4,) * qubits)
    start[tuple(slice(None, None, 3) for _ in range(qubits))] = 1  # <I> and <Z> of |0...0>
    first = _forward(start.reshape(-1, 1), steps[0], qubits)
    between: list[Callable[[Tensor], Tensor]]
    if qubits <= DENSE_QUBITS:
        eye = torch.eye(4**qubits, dtype=weights.dtype, device=weights.device).reshape(4**qubits, *(4,) * qubits)
        last = pull_back(observables, steps[-1], qubits).flatten(1)
        matrices = [*(pull_back(eye, s, qubits).flatten(1) for s in steps[1:-1]), last]
        between = [partial(torch.matmul, m) for m in matrices]
    else:
        between = [partial(_forward, steps=s, qubits=qubits) for s in steps[1:]]
        between[-1] = lambda v: observables.flatten(1) @ _forward(v, steps[-1], qubits)

    def run(z: Tensor) -> Tensor:
        v = first.expand(-1, z.shape[1])
        for layer, after in zip(layers[1:], between, strict=True):
            for u in layer.uploads:
                v = _turned(v, u, z[u.input] * u.factor)
            v = after(v)
        return v

    return run


class _Reader:
    """Reads rows in chunks; without gradients, by the Fourier series once enough rows have been read."""

    def __init__(self, run: Readout, circuit: Circuit, layers: list[Layer], like: Tensor, numbers: int) -> None:
        self._run, self._like = run, like
        self._inputs, self._degree = circuit.num_inputs, _degree(layers)
        self._numbers = numbers  # a row
        self._seen = 0
        self._series: Readout | None = None

    def __call__(self, z: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            return torch.cat([checkpointed(self._run, part) for part in self._chunks(z)], 1)
        self._seen += z.shape[1]
        if self._series is None and self._degree:
            points = (2 * self._degree + 1) ** self._inputs
            if points < min(self._seen, MAX_GRID):
                values = self._in_chunks(fourier.grid(self._inputs, self._degree, self._like))
                self._series = fourier.series(values, self._inputs, self._degree)
        return self._series(z) if self._series else self._in_chunks(z)

    def _chunks(self, z: Tensor) -> list[Tensor]:
        return [part for (part,) in in_chunks(z, numbers=self._numbers, at_once=AT_ONCE)]

    def _in_chunks(self, z: Tensor) -> Tensor:
        return torch.cat([self._run(part) for part in self._chunks(z)], 1)


def _degree(layers: list[Layer]) -> int:
    """Highest frequency of an input, in steps of 1; 0 where an input turns a CRZ and frequencies are halves."""
    uploads = [u for layer in layers for u in layer.uploads]
    most = max(Counter(u.input for u in uploads).values(), default=0)
    return most if all(u.factor == 1 for u in uploads) else 0


def _forward(v: Tensor, steps: list[Step], qubits: int) -> Tensor:
    """Pauli vectors of states, v (4^r, t), after ``steps``."""
    back = [(on, transfer.mT) for on, transfer in reversed(steps)]
    return pull_back(v.T.reshape(-1, *(4,) * qubits), back, qubits).flatten(1).T


def _turned(v: Tensor, upload: Upload, angles: Tensor) -> Tensor:
    """Pauli vectors v (4^r, t) after a rotation of one qubit by ``angles`` (t,)."""
    apart = list(v.unflatten(0, (4**upload.qubit, 4, -1)).unbind(1))
    a, b = PLANES[upload.name]
    cos, sin = angles.cos(), angles.sin()
    apart[a], apart[b] = cos * apart[a] - sin * apart[b], sin * apart[a] + cos * apart[b]
    return torch.stack(apart, 1).flatten(0, 2)
