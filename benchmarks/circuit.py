"""The circuit layer, forward and backward: against other libraries in one run, then how its cost grows.

    python benchmarks/circuit.py --threads 1

The QWTHN circuit on 4 qubits for 8,192 rows of inputs (float32), gradients of inputs and angles. PennyLane:
default.qubit, backprop, inputs broadcast. DeepQuantum: batched state vector. Whichever is not installed is
said so and left out (``pip install 'qft[bench]'``).
"""

import statistics
from collections.abc import Callable

import measure
import torch

from qft.quantum import ansatz
from qft.quantum.backends import statevector
from qft.quantum.circuit import Circuit, Input

GOAL = 25.0  # times the best of the others
STEPS = 5  # steps a turn: in training the layer runs many times in a row, and its memory is at hand


def ours(circuit: Circuit, z: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """<Z> (r, t) by the backend a training step uses."""
    return statevector.Statevector().bind(circuit, w)(z)


def pennylane(circuit: Circuit, z: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """The same circuit as a QNode, all rows at once."""
    import pennylane as qml

    @qml.qnode(qml.device("default.qubit", wires=circuit.qubits), interface="torch", diff_method="backprop")
    def node() -> list:
        for gate in circuit.gates:
            angle = z[gate.angle.index] if isinstance(gate.angle, Input) else w[gate.angle.index]
            getattr(qml, gate.name)(angle, wires=gate.qubits)
        return [qml.expval(qml.PauliZ(q)) for q in range(circuit.qubits)]

    return torch.stack(list(node()))


def deepquantum() -> Callable:
    """The same circuit as a batched QubitCircuit."""
    import deepquantum as dq

    def run(circuit: Circuit, z: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        built = dq.QubitCircuit(circuit.qubits)
        for gate in circuit.gates:
            encode = isinstance(gate.angle, Input)
            if gate.name == "CRZ":
                built.crz(*gate.qubits, inputs=w[gate.angle.index])
            else:
                built.ry(gate.qubits[0], encode=encode, inputs=None if encode else w[gate.angle.index])
        for q in range(circuit.qubits):
            built.observable(q)
        built(z.T)
        return built.expectation().T

    return run


def inputs(circuit: Circuit, rows: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """z, w and an upstream gradient, on the device."""
    place = measure.device()
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(*shape, generator=generator).to(place)  # noqa: E731
    z, w = draw(circuit.qubits, rows).requires_grad_(), draw(circuit.num_weights).requires_grad_()
    return z, w, draw(circuit.qubits, rows)


def step(run: Callable, circuit: Circuit, rows: int) -> Callable[[], None]:
    """Forward and backward, STEPS times."""
    z, w, upstream = inputs(circuit, rows)

    def turn() -> None:
        for _ in range(STEPS):
            torch.autograd.grad(run(circuit, z, w), (z, w), upstream)

    return turn


def against_others(args: object) -> measure.Table:
    """4 qubits, 8,192 rows."""
    circuit, rows = ansatz.qwthn(4), args.rows
    runs = {"qft": ours}
    missing = []
    for name, get in (("pennylane", lambda: pennylane), ("deepquantum", deepquantum)):
        try:
            __import__(name)
            runs[name] = get()
        except ImportError as error:
            missing.append(f"{name}: not installed ({error})")
    reference = ours(circuit, *inputs(circuit, 64)[:2])
    for name, run in runs.items():
        worst = (run(circuit, *inputs(circuit, 64)[:2]) - reference).abs().max().item()
        assert worst < 1e-5, f"{name} computes something else ({worst})"
    times = measure.in_turn({name: step(run, circuit, rows) for name, run in runs.items()}, args.repeats)
    title = f"Circuit layer, forward + backward: QWTHN circuit, 4 qubits, {rows:,} rows, float32"
    where = measure.machine(("pennylane", "deepquantum"))
    table = measure.Table(title, where, ["library", "ms", "circuits/s", "times qft's"])
    for name, values in times.items():
        median = statistics.median(values) / STEPS
        table.add(name, 1e3 * median, f"{rows / median:,.0f}", measure.ratio(values, times["qft"]))
    others = [measure.ratio(v, times["qft"]) for name, v in times.items() if name != "qft"]
    if others:
        table.add("goal", "", "", f"the best of the others at least {GOAL:.0f} x: measured {min(others):.1f} x")
    for note in missing:
        table.add(note, "", "", "")
    return table


def growth(args: object) -> measure.Table:
    """Rows, qubits and uploads, against what must be moved and done."""
    place = measure.device()
    big = torch.randn(1 << 24, device=place)
    out = torch.empty_like(big)
    copy = statistics.median(measure.in_turn({"copy": lambda: out.copy_(big)}, 5)["copy"])
    bandwidth = 2 * 4 * big.numel() / copy
    a = torch.randn(81, 81, device=place)
    b = torch.randn(81, 1 << 15, device=place)
    product = statistics.median(measure.in_turn({"matmul": lambda: a @ b}, 9)["matmul"])
    flops = 2 * 81 * 81 * b.shape[1] / product
    where = f"{measure.machine(())}; copy {bandwidth / 1e9:.1f} GB/s, matmul {flops / 1e9:.0f} GFLOP/s (81 x 81)"
    columns = ["circuit", "qubits", "uploads", "rows", "ms", "ns/row", "least ms by bytes", "least ms by operations"]
    table = measure.Table("How the circuit layer's cost grows, forward + backward", where, columns)
    cases = [("qwthn", ansatz.qwthn(4), 1, t) for t in (100, 1_000, 10_000, 100_000, 1_000_000)]
    cases += [("qwthn", ansatz.qwthn(r), 1, 8192) for r in (2, 3, 5, 6, 7, 8)]
    cases += [("qwthn (state vector)", ansatz.qwthn(r), 1, 1024) for r in (9, 10)]
    cases += [("qtha", ansatz.qtha(4, uploads), uploads, 8192) for uploads in (1, 2, 3, 4)]
    for name, circuit, uploads, rows in cases:
        if rows > args.most_rows:
            continue
        seconds = statistics.median(measure.in_turn({"": step(ours, circuit, rows)}, 3)[""]) / STEPS
        r = circuit.qubits
        # inputs and gradients in, results and gradients out, once each
        least_bytes = 4 * 4 * r * rows / bandwidth
        multilinear = uploads == 1 and r <= 8
        # forward and the two gradients; state vector: 2^r amplitudes, 4 real products each
        work = 3 * 2 * r * 3**r if multilinear else 3 * 8 * 2**r * (uploads * r)
        table.add(
            name,
            r,
            uploads,
            f"{rows:,}",
            1e3 * seconds,
            1e9 * seconds / rows,
            1e3 * least_bytes,
            1e3 * work * rows / flops,
        )
    return table


def main() -> None:
    options = measure.parser(__doc__)
    options.add_argument("--rows", type=int, default=8192)
    options.add_argument("--most-rows", type=int, default=1_000_000, help="leave out larger cases of the growth table")
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    measure.write(args.json, [against_others(args), growth(args)])


if __name__ == "__main__":
    main()
