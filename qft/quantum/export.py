"""Bound circuits as text: OriginIR (what Origin's tools and cloud read) and OpenQASM 2 (what everyone reads)."""

from collections.abc import Sequence

from qft.quantum.hardware.chip import CZ, BoundOp

DECIMALS = 12  # where the caller has not rounded: enough for 1e-9 after a few dozen gates


def originir(
    qubits: int, ops: Sequence[BoundOp], measured: Sequence[int] | None = None, decimals: int = DECIMALS
) -> str:
    """OriginIR of a bound chip circuit, angles in radians; ends in a line break.

    Args:
        qubits: Number of qubits, and of classical bits.
        ops: U3 and CZ in the order they are applied.
        measured: The k-th of these qubits is read into classical bit k; None: every qubit into the bit of its number.
        decimals: Of every angle.
    """
    lines = [f"QINIT {qubits}", f"CREG {qubits}"]
    for op in ops:
        if isinstance(op, CZ):
            lines.append(f"CZ q[{op.qubits[0]}],q[{op.qubits[1]}]")
        else:
            lines.append(f"U3 q[{op.qubit}],({op.theta:.{decimals}f},{op.phi:.{decimals}f},{op.lam:.{decimals}f})")
    lines += [f"MEASURE q[{q}],c[{k}]" for k, q in enumerate(range(qubits) if measured is None else measured)]
    return "\n".join(lines) + "\n"


def qasm(qubits: int, ops: Sequence[BoundOp], measured: Sequence[int] | None = None, decimals: int = DECIMALS) -> str:
    """OpenQASM 2 of a bound chip circuit; arguments as for ``originir``."""
    lines = ["OPENQASM 2.0;", 'include "qelib1.inc";', f"qreg q[{qubits}];", f"creg c[{qubits}];"]
    for op in ops:
        if isinstance(op, CZ):
            lines.append(f"cz q[{op.qubits[0]}],q[{op.qubits[1]}];")
        else:
            lines.append(f"u3({op.theta:.{decimals}f},{op.phi:.{decimals}f},{op.lam:.{decimals}f}) q[{op.qubit}];")
    lines += [f"measure q[{q}] -> c[{k}];" for k, q in enumerate(range(qubits) if measured is None else measured)]
    return "\n".join(lines) + "\n"
