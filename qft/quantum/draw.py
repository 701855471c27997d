"""A circuit as text and as a picture, and its size: gates that do not touch share a column.

q0: -RY(z0)----o----
q1: -RY(z1)-CRZ(w0)-
"""

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from qft.process.files import write_bytes
from qft.quantum.circuit import Circuit, Gate, Input, Weight

COLUMNS = 16  # of one row of the picture
COLOURS = {Input: "#fdd0a2", Weight: "#c6dbef"}  # what an angle is; others are grey


def depth(operations: Iterable[tuple[int, ...]]) -> int:
    """Length of the longest chain of operations, each given by the qubits it acts on."""
    level: dict[int, int] = {}
    for qubits in operations:
        new = 1 + max(level.get(q, 0) for q in qubits)
        level |= dict.fromkeys(qubits, new)
    return max(level.values(), default=0)


def counts(names: Iterable[str]) -> str:
    """Gates by name: ``4 CRZ, 8 RY``."""
    return ", ".join(f"{n} {name}" for name, n in sorted(Counter(names).items()))


def columns(circuit: Circuit) -> list[list[Gate]]:
    """Gates in order, each in the first column whose wires it can cross: a gate takes all between its qubits."""
    out: list[list[Gate]] = []
    level = [0] * circuit.qubits
    for gate in circuit.gates:
        span = range(min(gate.qubits), max(gate.qubits) + 1)
        at = max(level[q] for q in span)
        if at == len(out):
            out.append([])
        out[at].append(gate)
        for q in span:
            level[q] = at + 1
    return out


def angle(gate: Gate) -> str:
    """z0 for an input, w0 for a weight, a number as it is, nothing for a gate without angle."""
    match gate.angle:
        case Input(k):
            return f"z{k}"
        case Weight(k):
            return f"w{k}"
        case None:
            return ""
    return f"{gate.angle:.3g}"


def text(circuit: Circuit, width: int = 100) -> str:
    """One line a qubit, wrapped to ``width`` characters; o is a control, | a wire that is crossed."""
    parts = []
    for column in columns(circuit):
        labels = [""] * circuit.qubits
        for gate in column:
            for q in range(min(gate.qubits) + 1, max(gate.qubits)):
                labels[q] = "|"
            for q in gate.qubits[:-1]:
                labels[q] = "o"
            labels[gate.qubits[-1]] = gate.name + (f"({angle(gate)})" if gate.angle is not None else "")
        size = max(map(len, labels))
        parts.append([f"-{label.center(size, '-')}" for label in labels])
    heads = [f"q{q}: " for q in range(circuit.qubits)]
    heads = [h.ljust(max(map(len, heads))) for h in heads]
    blocks: list[list[str]] = [list(heads)]
    for part in parts:
        if len(blocks[-1][0]) + len(part[0]) >= width and len(blocks[-1][0]) > len(heads[0]):
            blocks.append(list(heads))
        blocks[-1] = [line + piece for line, piece in zip(blocks[-1], part, strict=True)]
    return "\n\n".join("\n".join(line + "-" for line in block) for block in blocks)


def picture(circuit: Circuit, path: Path, title: str) -> None:
    """Write a PNG: inputs orange, weights blue; dots are controls. Long circuits take several rows."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    every = columns(circuit)
    rows = [every[k : k + COLUMNS] for k in range(0, len(every), COLUMNS)] or [[]]
    wide = max(map(len, rows))
    figure = Figure(figsize=(1.2 + 0.62 * wide, 0.5 + len(rows) * (0.35 + 0.62 * circuit.qubits)), layout="constrained")
    figure.suptitle(title, fontsize=10)
    for number, (axes, row) in enumerate(zip(figure.subplots(len(rows), squeeze=False)[:, 0], rows, strict=True)):
        for q in range(circuit.qubits):
            axes.plot([-0.6, len(row) - 0.4], [q, q], color="black", linewidth=0.8, zorder=0)
            axes.text(-0.7, q, f"q{q}" if number else f"q{q}  |0>", ha="right", va="center", fontsize=8)
        for x, column in enumerate(row):
            for gate in column:
                _gate(axes, x, gate)
        axes.set_xlim(-1.6, wide - 0.3)
        axes.set_ylim(circuit.qubits - 0.4, -0.6)
        axes.set_aspect("equal")
        axes.axis("off")
    content = io.BytesIO()
    figure.savefig(content, dpi=150, format="png")
    write_bytes(path, content.getvalue())


def _gate(axes: object, x: int, gate: Gate) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    axes.plot([x, x], [min(gate.qubits), max(gate.qubits)], color="black", linewidth=0.8, zorder=1)
    dots: Sequence[int] = gate.qubits if gate.name == "CZ" else gate.qubits[:-1]
    axes.plot([x] * len(dots), dots, "o", color="black", markersize=4, zorder=2)
    if gate.name != "CZ":
        label = "\n".join(filter(None, (gate.name.removeprefix("C"), angle(gate))))
        box = {"boxstyle": "square,pad=0.25", "facecolor": COLOURS.get(type(gate.angle), "#eeeeee"), "linewidth": 0.8}
        axes.text(x, gate.qubits[-1], label, ha="center", va="center", fontsize=7, bbox=box, zorder=3)
