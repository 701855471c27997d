"""One adapter on one layer: the function whose value is added to the layer's output."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import pi
from typing import Any

import torch
from torch import Tensor, nn

from qft.adapters import binding
from qft.adapters.cache import WeightCache
from qft.adapters.stacked import Stacked
from qft.quantum.backends.base import Backend, Readout
from qft.quantum.backends.statevector import Statevector
from qft.quantum.circuit import Circuit

HALF = (torch.bfloat16, torch.float16)


def never_half(fn: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """As ``fn``, but ``model.to(bfloat16)`` leaves an adapter's tensors in float32."""

    def moved(t: Tensor) -> Tensor:
        after = fn(t)
        return t.to(after.device) if after.dtype in HALF and t.dtype not in HALF else after

    return moved


class Delta(nn.Module):
    """y = W x + delta(x). A method of ours is a subclass; ``linear`` ones are affine and can be merged.

    A subclass is built as ``cls(in_features, out_features, config, generator)`` with float32 parameters
    (frozen tensors as buffers), computes in float32 or float64 whatever the base's dtype, and starts at
    exactly zero. It defines ``precompute``, ``compute`` and ``count``, and ``matrix`` where it is linear. One with a
    circuit calls ``add_circuit`` when it is built and ``read_circuit`` in ``precompute``.
    """

    linear: bool = False
    has_bias: bool = False  # of a linear one: delta(0) is not 0, so that a merge needs a bias to put it in
    bias_alone: bool = False  # of a linear one: a merge leaves the weight as it is, of any shape
    reads_output: bool = False  # True: a function of the wrapped block's output, not of its input
    side: str = "added"  # of a multiplicative one: "input" or "output"; see qft.adapters.multiplicative
    circuit_parameters: tuple[str, ...] = ("angles",)  # names of its parameters that are angles of a circuit
    circuit: Circuit | None = None  # evaluated for each token by ``backend``; None: it has none made of gates
    angles: Tensor  # of the circuit, where there is one: (circuit.num_weights,), radians
    backend: Backend

    def __init__(self) -> None:
        super().__init__()
        self._cache = WeightCache()

    def precompute(self) -> Any:
        """What depends on the weights alone and is the same for every token, of any type."""
        raise NotImplementedError

    def compute(self, x: Tensor, precomputed: Any) -> Tensor:
        """Rows x (t, in) in the parameters' dtype, and what ``precompute`` returned -> (t, out)."""
        raise NotImplementedError

    def stacked(self, precomputed: Any) -> Stacked | None:
        """How a layer takes few kernels with it where tokens are generated; None: it has no other way than ``compute``.

        Made of what ``precompute`` returned, and used as long as that is kept; see ``qft.adapters.generation``.
        """
        return None

    def matrix(self) -> tuple[Tensor, Tensor | None]:
        """Of a linear delta: weight (out, in) and bias (out,) or None."""
        raise NotImplementedError

    def low_rank(self) -> tuple[Tensor, Tensor] | None:
        """A (r, in) and B (out, r) whose product is ``matrix()``'s weight, exactly; None: no such factors are known."""
        return None

    @staticmethod
    def count(in_features: int, out_features: int, config: Any) -> int:
        """Trainable parameters by formula, of a layer of this size under this config."""
        raise NotImplementedError

    def report(self) -> dict[str, Any]:
        """What a run's record should say of this layer after training; most methods have nothing."""
        return {}

    def holders(self) -> Iterable[nn.Module]:
        """The modules whose weights it computes with: itself and its parts, and what it shares with other layers."""
        return self.modules()

    def weights(self) -> Iterator[nn.Parameter]:
        """The parameters of all these."""
        return (p for module in self.holders() for p in module._parameters.values() if p is not None)

    @property
    def is_quantum(self) -> bool:
        """Whether a backend evaluates a part of it."""
        return self.circuit is not None

    def add_circuit(self, circuit: Circuit | None, generator: torch.Generator | None, trained: bool = True) -> None:
        """Give the adapter the circuit of its config's ``build_circuit()``, with random angles U(-pi, pi) (radians).

        They are never zero: at zero every CRZ gradient vanishes exactly. ``trained=False`` freezes them, saved with
        the adapter all the same. Raises ValueError for None: the config does not say which circuit its layers have.
        """
        if circuit is None:
            raise ValueError(f"{type(self).__name__} has a circuit, so its config must define build_circuit().")
        self.circuit, self.backend = circuit, Statevector()
        angles = torch.empty(circuit.num_weights).uniform_(-pi, pi, generator=generator)
        if trained:
            self.angles = nn.Parameter(angles)
        else:
            self.register_buffer("angles", angles)

    def read_circuit(self) -> Readout:
        """The circuit at its present angles, on its backend: inputs (num_inputs, t), radians -> <Z> (qubits, t)."""
        assert self.circuit is not None, "add_circuit() comes first"
        return binding.bind(self.backend, self.circuit, self.angles)

    def circuits(self) -> list[tuple[Circuit, Tensor]]:
        """The circuits a chip would run for each token, with their angles; none for most methods."""
        return [] if self.circuit is None else [(self.circuit, self.angles)]

    def set_backend(self, backend: Backend) -> None:
        """Let ``backend`` evaluate the circuit. Raises QftError where it cannot."""
        if self.circuit is not None:
            binding.check(backend, self.circuit)
        self.backend = backend
        self.clear_cache()

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in) of any float dtype -> (..., out), autocast switched off."""
        self._cache.check(self, self.holders)
        with self.in_float32():
            if torch.is_autocast_enabled(x.device.type):
                with torch.autocast(x.device.type, enabled=False):
                    return self._rows(x)
            return self._rows(x)

    def _rows(self, x: Tensor) -> Tensor:
        dtype = torch.float64 if next(self.weights()).dtype == torch.float64 else torch.float32
        rows = x.reshape(-1, x.shape[-1]).to(dtype)
        out = self.compute(rows, self._cache.get(self, self.weights, self.precompute))
        return out.reshape(*x.shape[:-1], out.shape[-1])

    def merged(self, weight: Tensor) -> tuple[Tensor, Tensor | None]:
        """What a merge adds to the layer's ``weight`` (out, in), as it is without adapters, and to its bias.

        In float32 or wider, whatever dtype the weights are kept in.
        """
        with self.in_float32():
            return self.matrix()

    @contextmanager
    def in_float32(self) -> Iterator[None]:
        """Within it weights kept in half precision read as float32: a bfloat16 angle of 20 is off by up to 0.06."""
        swapped = []
        if next(self.weights()).dtype in HALF:
            for module in self.holders():
                for tensors in (module._parameters, module._buffers):
                    for name, tensor in tensors.items():
                        if tensor is not None and tensor.dtype in HALF:
                            swapped.append((tensors, name, tensor))
                            tensors[name] = tensor.float()  # type: ignore[assignment]
        try:
            yield
        finally:
            for tensors, name, tensor in swapped:
                tensors[name] = tensor  # type: ignore[assignment]

    def clear_cache(self) -> None:
        """Drop what is kept of ``precompute`` between calls; call it after changing weights by hand."""
        self._cache.clear()

    def train(self, mode: bool = True) -> "Delta":
        self._cache.reopen()
        return super().train(mode)

    def _apply(self, fn: Any, recurse: bool = True) -> "Delta":
        self.clear_cache()
        super()._apply(never_half(fn), recurse)  # type: ignore[no-untyped-call]
        return self

    def keep_in(self, dtype: torch.dtype) -> None:
        """Keep weights and frozen tensors in this dtype; they are computed with in float32 or wider all the same."""
        self.clear_cache()
        for tensor in itertools.chain(self.parameters(), self.buffers()):
            if tensor.is_floating_point():
                tensor.data = tensor.data.to(dtype)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self.clear_cache()
        super()._load_from_state_dict(*args, **kwargs)
