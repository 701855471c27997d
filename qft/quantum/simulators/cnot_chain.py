"""<Z_k> after CNOT 0 -> 1 -> ... -> n-1 on a noisy chip, as numbers on the bit strings before it.

The chip runs each CNOT as H CZ H. Carried back through that, Z_k stays a sum of strings of Z (X on a target between its
two H), and noise scales such strings or moves them to others of the kind: 2^n numbers, not 4^n. So

    <Z_k> = sum_b p(b) V_kb        p (2^n,) probabilities before the chain, qubit 0 the most significant bit

Without noise V_kb = (-1)^(b_0 + ... + b_k). Before the chain stands one gate on each qubit, which shares its U3 with
the first H; what goes wrong in those U3 is part of V.
"""

from functools import cache

import numpy as np

from qft.quantum.noise import NoiseModel
from qft.quantum.simulators.transfer import ID, X, Z, fixed_transfer


@cache
def values(n: int, noise: NoiseModel) -> np.ndarray:
    """V, float64 (n, 2^n), wrong read-out included."""

    def back(o: np.ndarray, transfer: np.ndarray, kinds: tuple[tuple[int, int], ...], first: int) -> np.ndarray:
        """Strings o (n, 2, ..., 2) before ``transfer``, on qubits from ``first`` with I and one Pauli on each."""
        index = [0]
        for kind in kinds:
            index = [4 * i + p for i in index for p in kind]
        small = transfer[np.ix_(index, index)]
        shape = (n * 2**first, len(index), -1)
        out: np.ndarray = np.einsum("aib,ij->ajb", o.reshape(shape), small).reshape(o.shape)
        return out

    z, x = (ID, Z), (ID, X)
    pulse, cz = noise.transfer(1), noise.transfer(2) @ fixed_transfer("CZ")
    o = np.zeros((n,) + (2,) * n)
    for k in range(n):
        o[(k, *(int(q == k) for q in range(n)))] = 1
    for q in range(n):
        o = back(o, noise.readout_transfer(), (z,), q)
    for target in reversed(range(1, n)):
        o = back(o, pulse, (z,), target)  # the second H
        o = back(o, cz, (z, x), target - 1)
        o = back(o, pulse, (x,), target)  # the gate before and the first H
    o = back(o, pulse, (z,), 0)
    for axis in range(1, n + 1):  # strings of Z -> their values on bits
        zero, one = np.moveaxis(o, axis, 0)
        o = np.stack((zero + one, zero - one), axis)
    return o.reshape(n, -1)
