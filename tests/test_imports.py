"""What the library rooms need: torch, transformers and peft, never Hydra; and what a plain import costs."""

import shutil
import subprocess
import sys
from pathlib import Path

from program import PATIENCE, qft_light

OLD = Path(__file__).parent / "fixtures/v0.1.0"


def loaded(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*{{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_package_itself_is_light() -> None:
    assert not loaded("import qft, qft.config, qft.records") & {"torch", "peft", "transformers", "hydra", "numpy"}


def test_scores_and_reports_need_no_torch(tmp_path: Path) -> None:
    shutil.copytree(OLD, tmp_path / "old")
    commands = [["score", "run=old/run", "evaluation.metrics=[bleu,rouge,reasoning]"], ["report", "old/sweep"]]
    for words, (code, error) in zip(commands, qft_light(commands, tmp_path), strict=True):
        assert code == 0, (words, error)


def test_the_library_rooms_know_no_hydra() -> None:
    tokenizer = "import qft.models.load\nassert not {'peft', 'transformers.modeling_utils'} & set(sys.modules)\n"
    found = loaded(f"{tokenizer}import qft.tensor.mpo, qft.quantum.backends.statevector, qft.adapters")
    assert {"torch", "transformers", "peft"} <= found
    assert not found & {"hydra", "omegaconf", "datasets", "sacrebleu", "matplotlib"}
