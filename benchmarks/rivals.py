"""Rivals of the circuit layer, each a function that does some steps and returns their seconds, and what each needs."""

import itertools
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import measure
import numpy as np
import plain
import torch

from qft.quantum.circuit import Circuit, Input

HERE = Path(__file__).parent
PYTHON = HERE.parent / ".venv-rivals" / "bin" / "python"  # with JAX; made by make bench
Timed = Callable[[], float]


def groups(circuit: Circuit) -> list[plain.Group]:
    """Gates of one kind that follow each other. Raises ValueError for other circuits than those of QWTHN and QTHA."""
    out: list[plain.Group] = []
    for (name, encodes), gates in itertools.groupby(circuit.gates, lambda g: (g.name, isinstance(g.angle, Input))):
        if name not in ("RY", "CRZ"):
            raise ValueError(f"the rivals know RY and CRZ, not {name}")
        kind = "phases" if name == "CRZ" else "upload" if encodes else "turns"
        all_of, size = list(gates), circuit.qubits if kind != "phases" else len(circuit.gates)
        for part in (all_of[k : k + size] for k in range(0, len(all_of), size)):
            out.append((kind, [g.qubits for g in part], [g.angle.index for g in part]))
    return out


def in_turn(tasks: dict[str, Timed], repeats: int) -> dict[str, list[float]]:
    """As measure.in_turn, for tasks that tell their own seconds; each has run once already."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(repeats):
        for name, task in list(tasks.items())[:: -1 if number % 2 else 1]:
            times[name].append(task())
    return times


def timed(step: Callable[[], Any]) -> Timed:
    """A step of this process, by the clock of the benchmarks."""

    def run() -> float:
        measure.wait()
        start = measure.clock()
        step()
        measure.wait()
        return measure.clock() - start

    return run


def plain_torch(circuit: Circuit, compiled: bool) -> Callable[[Circuit, torch.Tensor, torch.Tensor], torch.Tensor]:
    """The lines of plain.py in torch."""
    asarray = lambda a: torch.tensor(np.asarray(a), dtype=torch.float32, device=measure.device())  # noqa: E731
    run = plain.circuit(torch, asarray, circuit.qubits, groups(circuit))
    if compiled:
        torch._dynamo.reset()
        run = torch.compile(run, dynamic=False)
    return lambda _, z, w: run(z, w)


class Elsewhere:
    """benchmarks/jax_circuit.py in the environment of rivals, one process for all requests.

    Attributes:
        missing: Why there is none; empty where there is.
        versions: "jax 0.10.2, tensorcircuit-ng 1.10.0; "
    """

    def __init__(self, threads: int) -> None:
        self.missing = (
            "" if PYTHON.exists() else "JAX and TensorCircuit-NG: no environment (make bench makes .venv-rivals)"
        )
        self._process: subprocess.Popen[str] | None = None
        self.versions = ""
        self._room = tempfile.TemporaryDirectory()
        if self.missing:
            return
        flags = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"
        environment = {**os.environ, "XLA_FLAGS": flags, "OMP_NUM_THREADS": str(threads), "JAX_PLATFORMS": "cpu"}
        environment.pop("PYTHONPATH", None)
        cores = sorted(os.sched_getaffinity(0))[:threads]
        self._process = subprocess.Popen(
            [str(PYTHON), str(HERE / "jax_circuit.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self.versions = f"{self._ask({'versions': ['jax', 'tensorcircuit-ng']})['versions']}; "
        os.sched_setaffinity(self._process.pid, cores)  # as many cores as threads: its pools are not otherwise limited

    def start(
        self, how: str, circuit: Circuit, tensors: tuple[torch.Tensor, ...], steps: int
    ) -> tuple[Timed, float, tuple[torch.Tensor, ...]]:
        """Steps of one rival, the seconds its first one took (compiling), and the gradients of z and w it gave."""
        data = str(Path(self._room.name) / f"{how}-{time.monotonic_ns()}.npz")
        names = ("z", "w", "upstream")
        np.savez(data, **{n: t.detach().cpu().numpy() for n, t in zip(names, tensors)})
        asked = {"how": how, "qubits": circuit.qubits, "groups": groups(circuit), "data": data, "steps": steps}
        answer = self._ask(asked)
        with np.load(data + ".out.npz") as out:
            grads = tuple(torch.from_numpy(out[name]) for name in ("z", "w"))
        return (lambda: self._ask({"step": answer["step"]})["seconds"]), answer["compile"], grads

    def _ask(self, what: Any) -> dict[str, Any]:
        assert self._process and self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("benchmarks/jax_circuit.py ended; run it by hand to see why")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process and self._process.stdin:
            self._process.stdin.close()
            self._process.wait()
        self._room.cleanup()
