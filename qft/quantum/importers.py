"""Calibrations (``calibration.py``) from what vendors' libraries hold. What is imported is plain data."""

from typing import Any

from qft.errors import QftError
from qft.quantum.calibration import ONE_QUBIT, SCHEMA, TWO_QUBIT

DIGITS = 11  # that are kept of a number: far more than is measured, and enough to equal other simulators to 1e-9


def from_qiskit(backend: Any, name: str, source: str) -> dict[str, Any]:
    """The json document of a Qiskit backend (BackendV2 with ``properties()``), such as IBM's or its snapshots.

    Pairs whose error is 1, which is how IBM marks those that are switched off, are left out, as are qubits' own gates
    beyond sqrt X and X. Without P(1|0) and P(0|1), both are the read-out error.

    Args:
        backend: Of qiskit-ibm-runtime, say.
        name: What the chip is to be called.
        source: Where the numbers come from, and their licence.

    Raises:
        QftError: The chip has none of the gates that circuits are routed in, or two of them.
    """
    target, properties = backend.target, backend.properties()
    two_qubit = [gate for gate in TWO_QUBIT if gate in target.operation_names]
    if missing := [gate for gate in ("rz", *ONE_QUBIT) if gate not in target.operation_names]:
        raise QftError(f"{name} has no {missing[0]} gate.")
    if len(two_qubit) != 1:
        raise QftError(f"{name} must have one of the gates {', '.join(TWO_QUBIT)}; it has {len(two_qubit)} of them.")
    qubits = [_qubit(target, properties, q) for q in range(target.num_qubits)]
    gates = sorted(target[two_qubit[0]].items())
    pairs = [[*pair, *_gate(of)] for pair, of in gates if of is not None and of.error is not None and of.error < 1]
    date = str(properties.last_update_date.date())
    document = {"schema": SCHEMA, "name": name, "source": source, "date": date, "dt": _kept(target.dt, 1e9)}
    document["readout_time"] = _kept(max(of.duration for of in target["measure"].values()), 1e9)
    return document | {"two_qubit": two_qubit[0], "qubits": qubits, "pairs": pairs}


def _qubit(target: Any, properties: Any, q: int) -> dict[str, Any]:
    lifetimes = target.qubit_properties[q]
    known = properties.qubit_property(q)
    error = target["measure"][(q,)].error
    readout = [known[key][0] if key in known else error for key in ("prob_meas1_prep0", "prob_meas0_prep1")]
    out: dict[str, Any] = {"t1": _kept(lifetimes.t1, 1e6), "t2": _kept(lifetimes.t2, 1e6)}
    out["readout"] = [_kept(p) for p in readout]
    return out | {name: _gate(target[name][(q,)]) for name in ONE_QUBIT}


def _gate(of: Any) -> list[float | None]:
    return [_kept(of.error), _kept(of.duration, 1e9)]


def _kept(value: float | None, unit: float = 1.0) -> float | None:
    return None if value is None else float(f"{value * unit:.{DIGITS}g}")
