"""``qft eval backend=qcloud`` from the command line: surrogate and direct, and what the run directory holds."""

import json
from pathlib import Path

import pytest
import service
import torch
from peft import get_peft_model
from program import qft_forked

from qft import trust
from qft.adapters import QWTHNConfig
from qft.compose.typed import compose
from qft.config import EvalConfig
from qft.models import load
from qft.runs import evaluate as evaluation

DEMO = {"path": "package:qft/models/demo", "hub": "hf"}
EVAL = [
    "adapter.path=adapter",
    "backend=qcloud",
    "backend.poll=0.02",
    "n=10",
    "max_seq_len=64",
    "evaluation.limit=1",
    "evaluation.max_new_tokens=3",
    "evaluation.batch_size=1",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an adapter on two of the demo model's projections that does something."""
    where = tmp_path_factory.mktemp("cloud")
    config = QWTHNConfig(
        task_type="CAUSAL_LM", r=2, width=8, bond_dim=2, target_modules=r".*layers\.[01]\.self_attn\.q_proj"
    )
    model = get_peft_model(load.load_base(DEMO, torch.float32), config)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and "angles" not in name:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    model.save_pretrained(str(where / "adapter"))
    return where


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch):
    """``qft eval`` in this process, which has loaded everything already."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("QFT_QCLOUD_KEY", service.KEY)
    monkeypatch.setattr(evaluation, "quiet_libraries", lambda: None)

    def call(*overrides: str) -> None:
        with trust.command():
            evaluation.evaluate(compose("eval", EvalConfig, overrides))

    return call


def test_surrogate_and_direct_end_to_end(place: Path, emulator: service.Emulator, here) -> None:
    emulator.set(key=service.KEY, exact=True, faults=[], delay=0, polls=0, reorder=1, forget=True)
    arguments = [*EVAL, f"backend.url={emulator.url}", "backend.shots=1000000"]
    done = qft_forked("eval", *arguments, "out=direct", "format=json", cwd=place, QFT_QCLOUD_KEY=service.KEY)
    assert done.returncode == 0, done.stderr[-3000:]
    here(*arguments, "out=surrogate", "backend.mode=surrogate")
    documents = {d: json.loads((place / d / "metrics.json").read_text()) for d in ("surrogate", "direct")}
    assert json.loads(done.stdout)["metrics"] == documents["direct"]["metrics"]
    for document in documents.values():
        backend = document["backend"]
        assert backend["jobs"].keys() == {"done"} and backend["readouts_asked"] >= backend["results"] > 0
    one, other = documents.values()
    assert one["metrics"]["validation"]["loss"] == pytest.approx(other["metrics"]["validation"]["loss"], abs=1e-5)
    answers = [json.loads((place / d / "predictions.jsonl").read_text())["prediction"] for d in documents]
    assert answers[0] == answers[1]
    assert one["backend"]["circuits"] == other["backend"]["circuits"] > one["backend"]["circuits_sent"] == 2 * (9 + 16)
    assert len(one["backend"]["surrogates"]) == 2
    # the whole directory is searched for the key
    files = [p for d in documents for p in (place / d).rglob("*") if p.is_file()]
    assert {"qcloud.sqlite", "metrics.json", "log.txt"} <= {p.name for p in files}
    assert all(service.KEY.encode() not in p.read_bytes() for p in files)

    # a second start, with other options of how results are had, makes the answer anew and sends nothing
    (place / "direct/predictions.jsonl").unlink()
    submitted = emulator.seen()["requests"]["submit"]
    here(*arguments, "out=direct", "backend.batch_size=7", "backend.max_circuits=99999")
    assert emulator.seen()["requests"]["submit"] == submitted
    assert json.loads((place / "direct/predictions.jsonl").read_text())["prediction"] == answers[1]
