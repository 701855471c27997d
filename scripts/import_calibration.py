"""Write a chip's calibration, as ``backend.noise=FILE`` takes it, from the properties of an IBM backend.

    python scripts/import_calibration.py fake_torino -o qft/quantum/chips/torino.json
    python scripts/import_calibration.py ibm_fez -o ibm_fez.json         # your saved account, today's numbers

``fake_NAME`` is a snapshot that ships with qiskit-ibm-runtime (Apache-2.0) and needs no network. Any other name is
asked of the service by the account that qiskit-ibm-runtime has saved. Needs pip install 'qft[ibm]'.
"""

import argparse
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from qft.quantum.calibration import as_json, parse
from qft.quantum.importers import from_qiskit


def backend(name: str) -> Any:
    """IBM's backend of this name, or the snapshot of one."""
    if not name.startswith("fake_"):
        from qiskit_ibm_runtime import QiskitRuntimeService

        return QiskitRuntimeService().backend(name)
    from qiskit_ibm_runtime import fake_provider

    title = "Fake" + name.removeprefix("fake_").title()
    found = vars(fake_provider).get(f"{title}V2") or vars(fake_provider).get(title)
    if found is None:
        sys.exit(f"qiskit-ibm-runtime has no snapshot {name}.")
    return found()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("backend", help="fake_NAME, or a backend of your saved account")
    options.add_argument("-o", "--output", type=Path, required=True, help="a file that ends in .json")
    args = options.parse_args()
    chip = backend(args.backend)
    licence = ", Apache-2.0" if args.backend.startswith("fake_") else ""
    source = f"{args.backend} of qiskit-ibm-runtime {version('qiskit-ibm-runtime')}{licence}"
    document = from_qiskit(chip, args.output.stem, source)
    parse(document, args.output.name)
    args.output.write_text(as_json(document), encoding="utf-8")


if __name__ == "__main__":
    main()
