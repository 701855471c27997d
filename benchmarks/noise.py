"""Circuits per second under noise, in one run: backend=noisy against pyqpanda3's two simulators. 4 qubits.

    python benchmarks/noise.py --threads 1

The noise is wukong_like (depolarising 0.01 on U3, 0.1 on CZ, wrong read-out), 1000 shots. pyqpanda3's programs are
built beforehand and only running them is timed, on one thread, its fastest setting; ours is timed with binding the
circuit (coefficients or matrices) and reading a large batch. Medians over the repeats, which alternate.
"""

import statistics
import time
from collections.abc import Callable

import measure
import numpy as np
import torch

from qft.quantum import ansatz
from qft.quantum.backends.noisy import Noisy
from qft.quantum.backends.pyqpanda import PyQPanda, one_thread
from qft.quantum.circuit import Circuit
from qft.quantum.hardware.chip import bound, to_chip

NOISE = {"p1": 0.01, "p2": 0.1, "readout": [[0.95, 0.05], [0.1, 0.9]]}
CIRCUITS = {"QWTHN": ansatz.qwthn(4), "QTHA, 1 layer": ansatz.qtha(4, 1), "QTHA, 4 layers": ansatz.qtha(4, 4)}


def ours(circuit: Circuit, rows: int, backward: bool, shots: int | None = None) -> Callable[[], float]:
    """A function that evaluates ``rows`` circuits in float32 and returns circuits per second."""
    z, w = torch.randn(4, rows, requires_grad=backward), torch.randn(circuit.num_weights, requires_grad=backward)

    def once() -> float:
        start = time.perf_counter()
        with torch.set_grad_enabled(backward):
            out = Noisy(NOISE, shots=shots).bind(circuit, w)(z)
        if backward:
            out.sum().backward()
        return rows / (time.perf_counter() - start)

    return once


def theirs(circuit: Circuit, rows: int, shots: int | None) -> Callable[[], float]:
    """The same for a simulator of pyqpanda3."""
    backend = PyQPanda(NOISE, shots=shots)
    draw = np.random.default_rng(0)
    chip, w = to_chip(circuit), draw.normal(size=circuit.num_weights)
    programs = [backend.program(4, bound(chip, z, w)) for z in draw.normal(size=(rows, 4))]

    def once() -> float:
        with one_thread():
            start = time.perf_counter()
            for program in programs:
                backend.outcomes(4, program)
            return rows / (time.perf_counter() - start)

    return once


GOALS = "goals: exact at least 500 x density matrix, 100,000 x shots"


def main() -> None:
    options = measure.parser(__doc__)
    options.add_argument("--rows", type=int, default=2**17, help="batch of backend=noisy")
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    where = f"{measure.machine(('pyqpanda3',))}; median of {args.repeats}, batch {args.rows:,}; {GOALS}"
    columns = ["circuit", "simulator", "circuits/s", "times density matrix", "times 1000 shots"]
    table = measure.Table("Circuits under noise (wukong_like), 4 qubits", where, columns)
    for name, circuit in CIRCUITS.items():
        runs = {
            "noisy, exact": ours(circuit, args.rows, backward=False),
            "noisy, exact, with gradients": ours(circuit, min(args.rows, 2**14), backward=True),
            "noisy, 1000 shots": ours(circuit, args.rows, backward=False, shots=1000),
            "pyqpanda3, density matrix": theirs(circuit, 100, shots=None),
            "pyqpanda3, 1000 shots": theirs(circuit, 1, shots=1000),
        }
        for once in list(runs.values())[:-1]:
            once()
        measured: dict[str, list[float]] = {key: [] for key in runs}
        for _ in range(args.repeats):
            for key, once in runs.items():
                measured[key].append(once())
        speed = {key: statistics.median(values) for key, values in measured.items()}
        for key, value in speed.items():
            dense, shots = (value / speed[f"pyqpanda3, {other}"] for other in ("density matrix", "1000 shots"))
            table.add(name, key, f"{value:,.3g}" if value < 100 else f"{value:,.0f}", f"{dense:,.3g}", f"{shots:,.0f}")
    measure.write(args.json, [table])


if __name__ == "__main__":
    main()
