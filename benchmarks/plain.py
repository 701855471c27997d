"""The circuit layer in plain lines of torch or JAX, which anybody can write: the rivals that count.

The product state of the encoding; the fixed gates between two uploads as the real and imaginary part of one dense
matrix (above DENSE qubits as phases and turns, which is less work there); probabilities times signs. ``xp`` is torch or
jax.numpy, whose functions have the same names here.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

DENSE = 6
Group = tuple[str, list[tuple[int, ...]], list[int]]  # "upload", "phases" or "turns"; qubits and angles of its gates


def circuit(xp: Any, asarray: Callable[[Any], Any], qubits: int, groups: list[Group]) -> Callable[[Any, Any], Any]:
    """A function of z (inputs, t) and w (weights,) that gives <Z> (qubits, t).

    Args:
        xp: torch or jax.numpy.
        asarray: Makes a constant of a float32 array.
        qubits: r.
        groups: Gates of one kind in the order applied, all on different qubits or diagonal; the first is an upload.
    """
    size = 2**qubits
    bits = (np.arange(size) >> np.arange(qubits)[::-1, None]) & 1
    signs = asarray(1.0 - 2 * bits)
    unit = asarray(np.eye(size if qubits <= DENSE else 1))
    nothing = 0 * unit
    generators = [
        asarray([bits[c] * (0.5 - bits[t]) for c, t in on]) if kind == "phases" else 0 for kind, on, _ in groups
    ]

    def turned(x: Any, q: int, c: Any, s: Any) -> Any:
        x = x.reshape(2**q, 2, size // 2 ** (q + 1), x.shape[-1])
        return xp.stack((c * x[:, 0] - s * x[:, 1], s * x[:, 0] + c * x[:, 1]), 1).reshape(size, x.shape[-1])

    def run(z: Any, w: Any) -> Any:
        c, s = xp.cos(z / 2), xp.sin(z / 2)
        re = xp.stack((c[0], s[0]))
        for q in range(1, qubits):
            re = xp.stack((re * c[q], re * s[q]), 1).reshape(2 ** (q + 1), -1)
        im = xp.zeros_like(re)
        fixed = None  # of the gates since the last upload
        for (kind, on, angles), generator in zip(groups[1:], generators[1:]):
            if kind == "upload":
                if fixed is not None:
                    re, im, fixed = fixed[0] @ re - fixed[1] @ im, fixed[0] @ im + fixed[1] @ re, None
                for q in range(qubits):
                    re, im = turned(re, q, c[q], s[q]), turned(im, q, c[q], s[q])
                continue
            if qubits <= DENSE:
                a, b = fixed if fixed is not None else (unit, nothing)
            else:
                a, b = re, im
            if kind == "phases":
                phase = (w[angles[0] : angles[-1] + 1] @ generator)[:, None]
                a, b = a * xp.cos(phase) + b * xp.sin(phase), b * xp.cos(phase) - a * xp.sin(phase)
            else:
                for (q,), k in zip(on, angles):
                    a, b = (turned(part, q, xp.cos(w[k] / 2), xp.sin(w[k] / 2)) for part in (a, b))
            if qubits <= DENSE:
                fixed = a, b
            else:
                re, im = a, b
        if fixed is not None:
            re, im = fixed[0] @ re - fixed[1] @ im, fixed[0] @ im + fixed[1] @ re
        return signs @ (re * re + im * im)

    return run
