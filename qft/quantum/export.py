"""Bound circuits as text: OriginIR (what Origin's tools and cloud read) and OpenQASM 2 (what everyone reads)."""

from collections.abc import Sequence

from qft.quantum.hardware.chip import CZ, BoundOp

DECIMALS = 12  # where the caller has not rounded: enough for 1e-9 after a few dozen gates


def originir(qubits: int, ops: Sequence[BoundOp], measure: bool = True, decimals: int = DECIMALS) -> str:
    """OriginIR of a bound chip circuit; with ``measure``, qubit q is read into classical bit q."""
    lines = [f"QINIT {qubits}", f"CREG {qubits}"]
    for op in ops:
        if isinstance(op, CZ):
            lines.append(f"CZ q[{op.qubits[0]}],q[{op.qubits[1]}]")
        else:
            lines.append(f"U3 q[{op.qubit}],({op.theta:.{decimals}f},{op.phi:.{decimals}f},{op.lam:.{decimals}f})")
    if measure:
        lines += [f"MEASURE q[{q}],c[{q}]" for q in range(qubits)]
    return "\n".join(lines) + "\n"


def qasm(qubits: int, ops: Sequence[BoundOp], measure: bool = True, decimals: int = DECIMALS) -> str:
    """OpenQASM 2 of a bound chip circuit; with ``measure``, qubit q is read into classical bit q."""
    lines = ["OPENQASM 2.0;", 'include "qelib1.inc";', f"qreg q[{qubits}];", f"creg c[{qubits}];"]
    for op in ops:
        if isinstance(op, CZ):
            lines.append(f"cz q[{op.qubits[0]}],q[{op.qubits[1]}];")
        else:
            lines.append(f"u3({op.theta:.{decimals}f},{op.phi:.{decimals}f},{op.lam:.{decimals}f}) q[{op.qubit}];")
    if measure:
        lines += [f"measure q[{q}] -> c[{q}];" for q in range(qubits)]
    return "\n".join(lines) + "\n"
