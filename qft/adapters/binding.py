"""A circuit on a backend, for an adapter: what is refused, and the read-out that autograd can rely on."""

import torch
from torch import Tensor

from qft.errors import QftError
from qft.quantum.autodiff import is_traced
from qft.quantum.backends.base import Backend, Readout
from qft.quantum.circuit import Circuit


def check(backend: Backend, circuit: Circuit, training: bool = False) -> None:
    """Raise QftError where ``backend`` cannot evaluate ``circuit`` or, with ``training``, gives no gradient."""
    if reason := backend.refusal(circuit):
        raise QftError(f"backend={backend.name} cannot run this circuit: {reason}.")
    if training and backend.gradient is None:
        raise QftError(
            f"backend={backend.name} gives no gradient, so it cannot train: train with backend=statevector or "
            f"backend=noisy and evaluate with qft eval backend={backend.name}."
        )


def bind(backend: Backend, circuit: Circuit, angles: Tensor) -> Readout:
    """The backend's read-out of ``circuit`` at these angles: inputs (num_inputs, t) -> <Z> (qubits, t).

    Raises QftError when called under torch.func, torch.compile or forward-mode derivatives on a backend that does not
    compute with torch's operations alone.
    """
    if backend.compiles if torch.compiler.is_compiling() else backend.plain_torch:
        return backend.bind(circuit, angles)

    def refuse(of: Tensor) -> None:
        if is_traced(of):
            shots = "" if backend.shots is None else f" with shots={backend.shots}"
            raise QftError(
                f"backend={backend.name}{shots} does not work under torch.func, torch.compile or forward-mode "
                "derivatives, which follow torch's own operations alone; use backend=statevector there."
            )

    refuse(angles)
    read = backend.bind(circuit, angles)

    def checked(z: Tensor) -> Tensor:
        refuse(z)
        return read(z)

    return checked
