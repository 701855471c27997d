"""A circuit's response measured once on a grid of angles, then evaluated for any number of rows without the circuit.

An input uploaded L times by RX, RY or RZ enters <Z_k> as a trigonometric polynomial of degree L, whatever the gates
and a noise that does not depend on z. So n = 2 L + 1 equidistant angles x_g an input fix it:

    <Z_k>(z) = sum_g m_kg prod_i l_gi(z_i)        l_g(z) = (1 + 2 sum_{m=1..L} cos m (z - x_g)) / n
    variance  = sum_g v_kg prod_i l_gi(z_i)^2     v_kg of the mean of so many shots

which is the exact inverse on each axis (l_g(x_h) is 1 for g = h, else 0). prod_i (2 L_i + 1) settings: 81 for QWTHN
at r = 4, 6,561 for QTHA with 4 uploads. The grid is shifted, so that no angle is 0, which compilers drop.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from math import pi, prod

import numpy as np
import torch
from torch import Tensor

from qft.quantum.chunks import in_chunks
from qft.quantum.circuit import Circuit, Input
from qft.quantum.hardware.sampler import Request, Sampler, variance

log = logging.getLogger(__name__)

OFFSET = 0.5  # radians; with 3, 5, 7, 9 points no angle is near a multiple of pi / 2
HELD_OUT = 16  # random settings to check each fit at
SIGMAS = 3.0  # a fit whose residual exceeds what shots explain by more is warned of
AT_ONCE = {"cpu": 2**22, "cuda": 2**25}  # numbers held at a time while evaluating


def uploads(circuit: Circuit) -> tuple[int, ...]:
    """How often each input is uploaded. Raises ValueError for an input in a gate other than RX, RY, RZ, or unused."""
    if bad := [g.name for g in circuit.gates if isinstance(g.angle, Input) and g.name not in ("RX", "RY", "RZ")]:
        raise ValueError(f"an input is the angle of {bad[0]}; the grid is for RX, RY and RZ")
    times = Counter(g.angle.index for g in circuit.gates if isinstance(g.angle, Input))
    if not circuit.num_inputs or set(times) != set(range(circuit.num_inputs)):
        raise ValueError("the circuit leaves an input out")
    return tuple(times[i] for i in range(circuit.num_inputs))


def settings(circuit: Circuit) -> int:
    """Number of grid points, HELD_OUT not counted."""
    return prod(2 * times + 1 for times in uploads(circuit))


def points(times: int) -> np.ndarray:
    """The angles of one axis, (2 times + 1,), within (-pi, pi]."""
    angles = OFFSET + 2 * pi * np.arange(2 * times + 1) / (2 * times + 1)
    return pi - (pi - angles) % (2 * pi)


def grid(circuit: Circuit) -> np.ndarray:
    """All settings, (num_inputs, settings), the last input fastest."""
    axes = np.meshgrid(*(points(times) for times in uploads(circuit)), indexing="ij")
    return np.stack([axis.ravel() for axis in axes])


def held_out(circuit: Circuit, generator: np.random.Generator) -> np.ndarray:
    """Random settings to check against, (num_inputs, HELD_OUT)."""
    return generator.uniform(-pi, pi, (circuit.num_inputs, HELD_OUT))


class Surrogate:
    """The polynomial through ``means`` (r, settings), each of ``shots`` shots, in the order of ``grid``.

    ``variances`` gives the variance of such means where it is not that of ``shots`` outcomes: they were mitigated.
    """

    def __init__(
        self, circuit: Circuit, means: Tensor, shots: int, variances: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        self.uploads = uploads(circuit)
        self._variance = variances or partial(variance, shots=shots)
        self.means, self.variances = means.double(), self._variance(means.double())
        self.shots = shots

    def evaluate(self, z: Tensor) -> Tensor:
        """<Z_k> for inputs (num_inputs, t) -> (r, t), in the inputs' dtype."""
        return self._contract(self.means, z, 1)

    def errors(self, z: Tensor) -> Tensor:
        """Standard errors of ``evaluate``, (r, t)."""
        return self._contract(self.variances, z, 2).sqrt()

    def _contract(self, values: Tensor, z: Tensor, power: int) -> Tensor:
        values = values.to(z.device)
        half = (len(self.uploads) + 1) // 2
        left = prod(2 * times + 1 for times in self.uploads[:half])
        table = values.reshape(len(values), left, -1)
        out = []
        for (part,) in in_chunks(z.double(), numbers=len(values) * max(table.shape[1:]), at_once=AT_ONCE):
            kernels = [_kernel(times, row) ** power for times, row in zip(self.uploads, part, strict=True)]
            u, v = _products(kernels[:half], part), _products(kernels[half:], part)
            out.append(((table.mT @ u) * v).sum(1))
        return torch.cat(out, 1).to(z.dtype)

    def check(self, z: Tensor, measured: Tensor) -> tuple[float, float]:
        """Root-mean-square residual on held-out settings z with means ``measured`` (r, t), and its excess in sigmas.

        Squares of residuals over their standard errors have mean 1 and, N of them, deviation sqrt(2 / N).
        """
        residual = measured.double() - self._contract(self.means, z.double(), 1)
        expected = self._contract(self.variances, z.double(), 2) + self._variance(measured.double())
        squares = residual.square() / expected
        excess = (squares.mean() - 1) / (2 / squares.numel()) ** 0.5
        return float(residual.square().mean().sqrt()), float(excess)


def _kernel(times: int, z: Tensor) -> Tensor:
    """l_g(z): z (t,) -> (2 times + 1, t)."""
    x = torch.as_tensor(points(times), dtype=z.dtype, device=z.device)
    turns = torch.arange(1, times + 1, dtype=z.dtype, device=z.device)
    difference = z - x.unsqueeze(1)
    return (1 + 2 * (turns * difference.unsqueeze(-1)).cos().sum(-1)) / (2 * times + 1)


def _products(kernels: list[Tensor], z: Tensor) -> Tensor:
    out = z.new_ones(1, z.shape[1])
    for kernel in kernels:
        out = (out.unsqueeze(1) * kernel).flatten(0, 1)
    return out


class Surrogates:
    """The measured responses of a model's circuits, by circuit and weights.

    ``fits`` says of each, in the order measured: standard error, root-mean-square residual on the held-out settings,
    and how many standard deviations the residual exceeds what shots explain.
    """

    def __init__(self, sampler: Sampler, shots: int, seed: int) -> None:
        self._sampler, self._shots, self._seed = sampler, shots, seed
        self._fitted: dict[tuple[Circuit, bytes], Surrogate] = {}
        self.fits: list[dict[str, float]] = []

    def __contains__(self, key: tuple[Circuit, Tensor]) -> bool:
        return _frozen(*key) in self._fitted

    def __getitem__(self, key: tuple[Circuit, Tensor]) -> Surrogate:
        return self._fitted[_frozen(*key)]

    def measure(self, circuits: Sequence[tuple[Circuit, Tensor]]) -> None:
        """Measure the responses of circuits with weights (num_weights,), all together.

        Raises:
            ValueError: A circuit has no grid.
        """
        total = sum(settings(circuit) + HELD_OUT for circuit, _ in circuits)
        log.info("surrogate: %s circuits determine the response of %d modules", f"{total:,}", len(circuits))
        generator = np.random.default_rng(self._seed)
        requests = [
            Request(circuit, weights, np.concatenate((grid(circuit), held_out(circuit, generator)), 1))
            for circuit, weights in circuits
        ]
        measured = self._sampler.means(requests)
        for number, (request, means) in enumerate(zip(requests, measured, strict=True)):
            self._fit(number, request, torch.as_tensor(means))

    def _fit(self, number: int, request: Request, means: Tensor) -> None:
        fit = Surrogate(request.circuit, means[:, :-HELD_OUT], self._shots, self._sampler.variances)
        checked = torch.as_tensor(request.inputs[:, -HELD_OUT:])
        residual, excess = fit.check(checked, means[:, -HELD_OUT:])
        error = float(fit.errors(checked).square().mean().sqrt())
        self.fits.append({"standard_error": error, "residual": residual, "sigmas": excess})
        if excess > SIGMAS:
            log.warning(
                "warning: the surrogate of module %d misses %d held-out settings by %.3f (rms), %.1f sigmas more than "
                "shots explain: the chip drifts, or its noise depends on the angles.",
                number,
                HELD_OUT,
                residual,
                excess,
            )
        self._fitted[_frozen(request.circuit, request.weights)] = fit


def _frozen(circuit: Circuit, weights: Tensor) -> tuple[Circuit, bytes]:
    return circuit, weights.detach().double().cpu().numpy().tobytes()
