"""Draw an adapter's circuit, list its size, write it as OriginIR and OpenQASM 2.

Files: circuit.txt and circuit.png (as designed), circuit.originir and circuit.qasm (in the chip's basis, U3 and CZ,
with measurements), angles.json (the numbers in both). Input and weight angles are random unless they are given.
"""

import random
from collections.abc import Sequence
from math import pi
from pathlib import Path
from typing import TYPE_CHECKING

from qft.cli._command import Command
from qft.cli._output import log, show
from qft.config import CircuitConfig
from qft.errors import QftError
from qft.names import place, slug
from qft.process.files import write_text
from qft.progress import quiet_libraries, start_logging
from qft.records import Plain, write_json

if TYPE_CHECKING:
    from qft.quantum.circuit import Circuit
    from qft.quantum.hardware.chip import BoundOp

DRAWN = 2000  # gates in a picture at most; it would take minutes to draw, and nobody could read it


def run(config: CircuitConfig) -> None:
    """Options -> circuit -> chip's basis -> drawings, figures and texts."""
    start_logging()
    if "_target_" not in config.adapter:
        raise QftError("Choose a method with a circuit: adapter=qwthn or adapter=qtha.")
    quiet_libraries()
    from qft.adapters import methods
    from qft.quantum import draw
    from qft.quantum.hardware import chip

    name = config.adapter["name"]
    folder = place("out", config.out) if config.out else place("output_dir", config.output_dir)
    folder = folder if config.out else folder / slug(f"circuit-{name}")
    circuit = methods.of(config.adapter).build_circuit() or _simulated(config)
    generator = random.Random(config.seed)
    z = _angles("inputs", config.inputs, circuit.num_inputs, generator)
    w = _angles("weights", config.weights, circuit.num_weights, generator)
    ops = chip.bound(chip.to_chip(circuit), z, w)
    drawing = draw.text(circuit)
    _write(folder, name, circuit, drawing, ops, {"inputs": z, "weights": w})

    sizes = _sizes(circuit, ops)
    if config.format == "table":
        print(drawing)
    document = {"adapter": name, "directory": str(folder)} | sizes | {"angles": {"inputs": z, "weights": w}}
    rows = [[key, sizes["circuit"][key], sizes["chip"][key]] for key in sizes["circuit"]]
    show(config.format, document, f"{name}'s circuit", ["", "as designed", "in U3 and CZ"], rows)
    drawn = [key for key, angles in (("inputs", config.inputs), ("weights", config.weights)) if angles is None]
    if drawn:
        log.info("%s in the texts: random U(-pi, pi), seed %d", " and ".join(drawn), config.seed)
    log.info("written: %s/circuit.{txt,png,originir,qasm}, angles.json", folder)


def _simulated(config: CircuitConfig) -> "Circuit":
    """Build the circuit that hardware would run for a method that is simulated here, on this model's layers."""
    from qft.adapters import methods
    from qft.models import inject, load

    name, method = config.adapter["name"], methods.of(config.adapter)
    used = None
    if method.has_hardware_form:
        base = load.meta_base(config.model)
        model = method.add_to(base, config.model.get("target_modules"), seed=0)
        used = method.on_hardware(inject.shapes(model))
    if used is None:
        raise QftError(
            f"adapter={name} has no circuit of gates with these options; adapter=qwthn and adapter=qtha have."
        )
    if used.circuit is None:
        raise QftError(f"adapter={name} has no circuit of gates: {used.refused}.")
    log.info("measured: %s", used.measures)
    if used.refused:
        log.info("not for tokens: %s", used.refused)
    return used.circuit


def _write(
    folder: Path, name: str, circuit: "Circuit", drawing: str, ops: "Sequence[BoundOp]", angles: dict[str, list[float]]
) -> None:
    """The drawings, the texts in the chip's basis, and the angles in them."""
    from qft.quantum import draw, export

    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "circuit.txt", drawing + "\n")
        if len(circuit.gates) <= DRAWN:
            draw.picture(circuit, folder / "circuit.png", f"{name}: z inputs, w trainable angles")
        else:
            log.warning("%s gates are too many for a picture; the text has them all.", f"{len(circuit.gates):,}")
        write_text(folder / "circuit.originir", export.originir(circuit.qubits, ops))
        write_text(folder / "circuit.qasm", export.qasm(circuit.qubits, ops))
        write_json(folder / "angles.json", angles)
    except OSError as error:
        raise QftError(f"{folder} cannot be written: {error.strerror}.") from error


def _sizes(circuit: "Circuit", ops: "Sequence[BoundOp]") -> dict[str, Plain]:
    """Figures of the circuit as it is designed and in the chip's basis."""
    from qft.quantum.hardware import chip

    designed = _size(circuit.qubits, [g.qubits for g in circuit.gates], [g.name for g in circuit.gates])
    designed["angles in gates"] = sum(g.angle is not None for g in circuit.gates)
    on = [op.qubits if isinstance(op, chip.CZ) else (op.qubit,) for op in ops]
    in_basis = _size(circuit.qubits, on, [type(op).__name__.removeprefix("Bound") for op in ops])
    in_basis["angles in gates"] = 3 * sum(isinstance(op, chip.BoundU3) for op in ops)
    both = {"inputs": circuit.num_inputs, "trainable parameters": circuit.num_weights}
    return {"circuit": designed | both, "chip": in_basis | both}


def _size(qubits: int, on: Sequence[tuple[int, ...]], names: list[str]) -> Plain:
    from qft.quantum import draw

    return {
        "qubits": qubits,
        "depth": draw.depth(on),
        "gates": len(names),
        "of them": draw.counts(names),
        "on two qubits": sum(len(q) == 2 for q in on),
    }


def _angles(name: str, given: list[float] | None, size: int, generator: random.Random) -> list[float]:
    if given is None:
        return [generator.uniform(-pi, pi) for _ in range(size)]
    if len(given) != size:
        raise QftError(f"{name} takes {size} angles for this circuit, and {len(given)} are given.")
    return given


COMMAND = Command(CircuitConfig, run)
