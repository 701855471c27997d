"""The circuit layer, forward and backward: against other ways to compute it in one run, and how its cost grows.

    python benchmarks/circuit.py --threads 1

The QWTHN circuit on 4 qubits for 8,192 rows of inputs (float32), gradients of inputs and angles. PennyLane:
default.qubit, backprop, inputs broadcast. DeepQuantum: batched state vector. Plain torch and plain JAX: the lines of
plain.py, as they are and compiled. TensorCircuit-NG: on JAX, vmap and jit. Those on JAX run in a process and an
environment of their own (.venv-rivals), in turn with the others. Compiling is not counted and is a column. What is
not installed is said so and left out. On one thread times are CPU time.
"""

import statistics
import time
from collections.abc import Callable

import measure
import rivals
import torch

from qft.quantum import ansatz
from qft.quantum.backends import statevector
from qft.quantum.circuit import Circuit, Input

GOAL = 40.0  # times the best library that does not compile
GOAL_COMPILED = 2.0  # times every compiled rival
GOAL_MS, GOAL_NS = 1.5, 130  # at 8,192 rows; a row, from 10^4 to 10^6 rows
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


Run = Callable[[Circuit, torch.Tensor, torch.Tensor], torch.Tensor]


def by_torch(circuit: Circuit, z: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """<Z> by torch's operations, as where there is no compiler."""
    return statevector.Statevector(kernel=False).bind(circuit, w)(z)


def step(run: Run, circuit: Circuit, rows: int, steps: int = STEPS) -> Callable[[], None]:
    """Forward and backward, some times."""
    z, w, upstream = inputs(circuit, rows)

    def turn() -> None:
        for _ in range(steps):
            torch.autograd.grad(run(circuit, z, w), (z, w), upstream)

    return turn


class Contest:
    """One circuit and size: every way to compute it, checked against ours and timed in turn."""

    def __init__(self, circuit: Circuit, rows: int, steps: int = STEPS) -> None:
        self.circuit, self.rows, self.steps = circuit, rows, steps
        self.tasks: dict[str, rivals.Timed] = {}
        self.first: dict[str, float] = {}  # seconds of the first step
        z, w, upstream = inputs(circuit, rows)
        self._expected = torch.autograd.grad(by_torch(circuit, z, w), (z, w), upstream)

    def add(self, name: str, run: Run) -> None:
        """Something of this process."""
        z, w, upstream = inputs(self.circuit, self.rows)
        start = time.perf_counter()
        self._check(name, torch.autograd.grad(run(self.circuit, z, w), (z, w), upstream))
        self.first[name] = time.perf_counter() - start
        self.tasks[name] = rivals.timed(step(run, self.circuit, self.rows, self.steps))

    def add_elsewhere(self, name: str, how: str, elsewhere: rivals.Elsewhere) -> None:
        """Something in the environment of rivals."""
        given = inputs(self.circuit, self.rows)
        self.tasks[name], self.first[name], grads = elsewhere.start(how, self.circuit, given, self.steps)
        self._check(name, tuple(g.to(given[0].device) for g in grads))

    def seconds(self, repeats: int) -> dict[str, list[float]]:
        """Of a step of each, for every round; the first of each is not counted."""
        for task in self.tasks.values():
            task()
        times = rivals.in_turn(self.tasks, repeats)
        return {name: [t / self.steps for t in values] for name, values in times.items()}

    def _check(self, name: str, grads: tuple[torch.Tensor, ...]) -> None:
        for found, expected in zip(grads, self._expected):  # sums over thousands of rows, in float32
            worst = ((found - expected).abs().max() / expected.abs().max()).item()
            assert worst < 1e-3, f"{name} computes something else ({worst})"


def against_others(args: object, elsewhere: rivals.Elsewhere) -> measure.Table:
    """4 qubits, 8,192 rows."""
    contest = Contest(ansatz.qwthn(4), args.rows)
    contest.add("qft", ours)
    contest.add("qft without a compiler", by_torch)
    missing = [elsewhere.missing] if elsewhere.missing else []
    for name, get in (("pennylane", lambda: pennylane), ("deepquantum", deepquantum)):
        try:
            __import__(name)
            contest.add(name, get())
        except ImportError as error:
            missing.append(f"{name}: not installed ({error})")
    eager = [name for name in contest.tasks if not name.startswith("qft")]
    contest.add("plain torch", rivals.plain_torch(contest.circuit, compiled=False))
    contest.add("plain torch, torch.compile", rivals.plain_torch(contest.circuit, compiled=True))
    if not elsewhere.missing:
        contest.add_elsewhere("plain JAX, jit", "plain", elsewhere)
        contest.add_elsewhere("tensorcircuit-ng on JAX, vmap and jit", "tensorcircuit", elsewhere)
    times = contest.seconds(args.repeats)
    title = f"Circuit layer, forward + backward: QWTHN circuit, 4 qubits, {args.rows:,} rows, float32"
    where = f"{measure.machine(('pennylane', 'deepquantum'))}; {elsewhere.versions}{measure.clock_name()}"
    table = measure.Table(title, where, ["way", "ms", "circuits/s", "times qft's", "first step, s"])
    for name, values in times.items():
        median = statistics.median(values)
        share = measure.ratio(values, times["qft"])
        table.add(name, 1e3 * median, f"{args.rows / median:,.0f}", share, contest.first[name])
    table.add("goal", 1e3 * statistics.median(times["qft"]), "", f"at most {GOAL_MS} ms", "")
    for names, goal in ((eager, GOAL), ([n for n in times if "compile" in n or "JAX" in n], GOAL_COMPILED)):
        if names and (best := min(names, key=lambda n: statistics.median(times[n]))):
            share = measure.ratio(times[best], times["qft"])
            table.add("goal", "", "", f"{best} at least {goal:.0f} x: measured {share:.1f} x", "")
    for note in missing:
        table.add(note, "", "", "", "")
    return table


def of_all_sizes(args: object, elsewhere: rivals.Elsewhere) -> measure.Table:
    """1 to 10 qubits and 1 to 4 uploads, with the fastest of the plain lines."""
    columns = ["qubits", "uploads", "rows", "qft ms", "without a compiler", "fastest rival", "its ms", "times qft's"]
    where = f"{measure.machine(())}; {measure.clock_name()}; rivals: plain torch"
    where += "" if elsewhere.missing else ", plain JAX with jit"
    where += f", plain torch with torch.compile up to {args.most_compiled} qubits; goal: none is faster"
    table = measure.Table("Circuit layer of QTHA by qubits and uploads, forward + backward", where, columns)
    for qubits in range(1, args.most_qubits + 1):
        for uploads in (1, 2, 3, 4):
            rows = 8192 if qubits <= 6 else 1024
            contest = Contest(ansatz.qtha(qubits, uploads), rows, STEPS if qubits <= 4 else 1)
            contest.add("qft", ours)
            contest.add("without", by_torch)
            contest.add("plain torch", rivals.plain_torch(contest.circuit, compiled=False))
            if qubits <= args.most_compiled:
                contest.add("torch.compile", rivals.plain_torch(contest.circuit, compiled=True))
            if not elsewhere.missing:
                contest.add_elsewhere("plain JAX, jit", "plain", elsewhere)
            times = contest.seconds(args.repeats)
            medians = {name: 1e3 * statistics.median(values) for name, values in times.items()}
            best = min((n for n in times if n not in ("qft", "without")), key=lambda n: medians[n])
            share = f"{measure.ratio(times[best], times['qft']):.1f}"
            cells = (f"{rows:,}", medians["qft"], medians["without"], best, medians[best], share)
            table.add(qubits, uploads, *cells)
    return table


def growth(args: object) -> measure.Table:
    """Rows, against what must be moved and done."""
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
    where += f"; {measure.clock_name()}; goal: at most {GOAL_NS} ns a row from 10,000 rows on"
    columns = ["rows", "ms", "ns a row", "without a compiler", "least by bytes", "least by operations (81 terms)"]
    table = measure.Table("How the cost of QWTHN's circuit on 4 qubits grows with rows", where, columns)
    circuit = ansatz.qwthn(4)
    for rows in (100, 1_000, 10_000, 100_000, 1_000_000):
        if rows > args.most_rows:
            continue
        tasks = {name: rivals.timed(step(run, circuit, rows, 1)) for name, run in (("", ours), ("eager", by_torch))}
        for task in tasks.values():
            task()
        times = {name: statistics.median(t) for name, t in rivals.in_turn(tasks, args.repeats).items()}
        # inputs and gradients in, results and gradients out, once each
        least_bytes = 4 * 4 * circuit.qubits * rows / bandwidth
        work = 3 * 2 * circuit.qubits * 3**circuit.qubits  # the polynomial forward, and its two gradients
        table.add(
            f"{rows:,}",
            1e3 * times[""],
            1e9 * times[""] / rows,
            1e9 * times["eager"] / rows,
            1e9 * least_bytes / rows,
            1e9 * work / flops,
        )
    return table


def main() -> None:
    options = measure.parser(__doc__)
    options.add_argument("--rows", type=int, default=8192)
    options.add_argument("--most-rows", type=int, default=1_000_000, help="leave out larger cases of the growth table")
    options.add_argument("--most-qubits", type=int, default=10, help="of the table by qubits and uploads")
    options.add_argument("--most-compiled", type=int, default=2, help="compile plain torch up to so many qubits there")
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    elsewhere = rivals.Elsewhere(args.threads)
    try:
        measure.write(args.json, [against_others(args, elsewhere), growth(args), of_all_sizes(args, elsewhere)])
    finally:
        elsewhere.close()


if __name__ == "__main__":
    main()
