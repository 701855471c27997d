"""A simulator in the place of a chip: what the job runner measures once is measured once here too.

mode=direct        a circuit a row; a row whose angles were measured before gets the same counts (``fresh_shots=false``)
mode=surrogate     each circuit's response is measured on its grid, and rows are evaluated on that (``surrogate.py``)

That decides how a loss scatters: shots that many rows share do not average out over them.
"""

import numpy as np
import torch
from torch import Tensor

from qft.errors import QftError, nearest
from qft.quantum.backends.base import Backend, Readout
from qft.quantum.circuit import Circuit
from qft.quantum.hardware.sampler import DECIMALS
from qft.quantum.hardware.surrogate import Surrogate, grid

MODES = ("direct", "surrogate")
_MIX = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # of splitmix64


class Rehearsal(Backend):
    """Read-outs as a chip would give them, from a simulator that samples shots.

    Args:
        simulator: With ``shots``; draws anew for each row it is given.
        mode: direct or surrogate.

    Raises:
        QftError: There is no such mode.
    """

    name = "rehearsal"
    trains = False

    def __init__(self, simulator: Backend, mode: str = "direct") -> None:
        super().__init__()
        if mode not in MODES:
            raise QftError(f"mode={mode} does not exist.{nearest(mode, MODES)}")
        assert simulator.shots is not None
        self.simulator, self.mode, self.shots = simulator, mode, simulator.shots
        self._measured: dict[tuple[Circuit, bytes], Readout] = {}

    @property
    def sent(self) -> int:
        """Circuits that were measured; what was measured before is not among them."""
        return self.simulator.evaluations

    def refusal(self, circuit: Circuit) -> str | None:
        return self.simulator.refusal(circuit)

    @torch.no_grad()
    def bind(self, circuit: Circuit, weights: Tensor) -> Readout:
        key = circuit, weights.detach().double().cpu().numpy().tobytes()
        if key not in self._measured:
            read = self.simulator.bind(circuit, weights)
            if self.mode == "surrogate":
                means = read(torch.as_tensor(grid(circuit), dtype=weights.dtype, device=weights.device))
                self._measured[key] = Surrogate(circuit, means, self.simulator.shots or 1).evaluate
            else:
                self._measured[key] = _Once(read)
        measured = self._measured[key]

        @torch.no_grad()
        def values(inputs: Tensor) -> Tensor:
            self.count(inputs.shape[-1])
            return measured(inputs)

        return values


class _Once:
    """Rows (r, t) of a read-out, each setting of the angles (to DECIMALS) measured the first time it is asked for."""

    def __init__(self, read: Readout) -> None:
        self._read = read
        self._keys = np.empty(0, dtype=np.uint64)  # sorted
        self._values: Tensor | None = None  # (r, len(keys))

    def __call__(self, inputs: Tensor) -> Tensor:
        keys, first, back = np.unique(_digests(inputs), return_index=True, return_inverse=True)
        new = ~np.isin(keys, self._keys, assume_unique=True)
        if new.any() or self._values is None:
            measured = self._read(inputs[:, torch.as_tensor(first[new], device=inputs.device)])
            known = measured if self._values is None else torch.cat((self._values, measured), 1)
            together = np.concatenate((self._keys, keys[new]))
            order = np.argsort(together)
            self._keys, self._values = together[order], known[:, torch.as_tensor(order, device=known.device)]
        places = np.searchsorted(self._keys, keys)[back]
        return self._values[:, torch.as_tensor(places, device=inputs.device)]


def _digests(inputs: Tensor) -> np.ndarray:
    """64 bits of each column (num_inputs, t) rounded to DECIMALS, by splitmix64: (t,)."""
    rounded = (inputs.detach().double().cpu() * 10**DECIMALS).round().long().numpy().view(np.uint64)
    out = np.zeros(rounded.shape[1], dtype=np.uint64)
    with np.errstate(over="ignore"):
        for row in rounded:
            out = (out ^ row) + np.uint64(_MIX[0])
            out = (out ^ (out >> np.uint64(30))) * np.uint64(_MIX[1])
            out = (out ^ (out >> np.uint64(27))) * np.uint64(_MIX[2])
            out ^= out >> np.uint64(31)
    return out
