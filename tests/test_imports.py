"""What the library rooms need: torch, transformers and peft, never Hydra; and what a plain import costs."""

import subprocess
import sys

from program import PATIENCE


def loaded(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*{{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_package_itself_is_light() -> None:
    assert not loaded("import qft, qft.config, qft.records") & {"torch", "peft", "transformers", "hydra", "numpy"}


def test_the_library_rooms_know_no_hydra() -> None:
    found = loaded("import qft.tensor.mpo, qft.quantum.backends.statevector, qft.adapters")
    assert {"torch", "transformers", "peft"} <= found
    assert not found & {"hydra", "omegaconf", "datasets", "sacrebleu", "matplotlib"}
