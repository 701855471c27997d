"""``qft eval backend=qcloud`` from the command line: surrogate and direct, and what the run directory holds."""

import json
from pathlib import Path

import pytest
import service
import torch
from program import qft

from qft.adapters import QWTHNConfig
from qft.models import load
from qft.quantum.journal import Journal

DEMO = {"path": "package:qft/models/demo", "hub": "hf"}
EVAL = [
    "eval",
    "adapter.path=adapter",
    "backend=qcloud",
    "backend.poll=0.02",
    "n=10",
    "max_seq_len=96",
    "evaluation.limit=1",
    "evaluation.max_new_tokens=3",
    "evaluation.batch_size=1",
    "format=json",
]

# one worker starts programs of this file, one after another
pytestmark = pytest.mark.xdist_group("cloud_end_to_end")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an adapter on two of the demo model's projections that does something."""
    where = tmp_path_factory.mktemp("cloud")
    config = QWTHNConfig(
        task_type="CAUSAL_LM", r=2, width=8, bond_dim=2, target_modules=r".*layers\.[01]\.self_attn\.q_proj"
    )
    from peft import get_peft_model

    model = get_peft_model(load.load_base(DEMO, torch.float32), config)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and "angles" not in name:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    model.save_pretrained(str(where / "adapter"))
    return where


def test_surrogate_and_direct_end_to_end(place: Path, emulator: service.Emulator) -> None:
    emulator.set(key=service.KEY, exact=True, faults=[], delay=0, polls=0, reorder=1, forget=True)
    options = [f"backend.url={emulator.url}", "backend.shots=1000000"]
    documents = {}
    for name, more in {"sur": ["backend.mode=surrogate"], "dir": []}.items():
        done = qft(*EVAL, *options, *more, f"out={name}", cwd=place, QFT_QCLOUD_KEY=service.KEY)
        assert done.returncode == 0, done.stderr[-3000:]
        documents[name] = json.loads(done.stdout)
    exact = qft(*EVAL, "backend=statevector", "out=exact", "~backend.poll", cwd=place)
    if exact.returncode:  # an override of an option that this backend has not
        kept = [a for a in EVAL if not a.startswith("backend")]
        exact = qft(*kept, "out=exact", cwd=place)
    expected = json.loads(exact.stdout)
    for name, document in documents.items():
        assert document["metrics"]["validation"]["loss"] == pytest.approx(
            expected["metrics"]["validation"]["loss"], abs=1e-4
        ), name
        answers = [json.loads((place / d / "predictions.jsonl").read_text())["prediction"] for d in (name, "exact")]
        assert answers[0] == answers[1]
        backend = document["backend"]
        assert backend["circuits"] == expected["backend"]["circuits"]
        assert backend["jobs"].keys() == {"done"} and backend["readouts_asked"] >= backend["results"]
    assert documents["sur"]["backend"]["circuits_sent"] == 2 * (9 + 16)
    assert len(documents["sur"]["backend"]["surrogates"]) == 2
    # the whole directory is searched for the key
    files = [p for d in ("sur", "dir") for p in (place / d).rglob("*") if p.is_file()]
    assert {"qcloud.sqlite", "metrics.json", "log.txt"} <= {p.name for p in files}
    assert all(service.KEY.encode() not in p.read_bytes() for p in files)


def test_a_second_start_sends_nothing_that_was_paid_for(place: Path, emulator: service.Emulator) -> None:
    """Goes on with other batch size, limit and address options; overwritten predictions are made from the journal."""
    before = emulator.seen()["requests"]["submit"]
    (place / "dir/predictions.jsonl").unlink()
    done = qft(
        *EVAL,
        f"backend.url={emulator.url}",
        "backend.shots=1000000",
        "backend.batch_size=7",
        "backend.max_circuits=99999",
        "out=dir",
        cwd=place,
        QFT_QCLOUD_KEY=service.KEY,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert emulator.seen()["requests"]["submit"] == before
    journal = Journal(place / "dir/qcloud.sqlite", write=False)
    assert set(journal.counts()) == {"done"}
    journal.close()
    other = qft(*EVAL, f"backend.url={emulator.url}", "out=sur", "overwrite=true", cwd=place)
    assert other.returncode == 2 and "export QFT_QCLOUD_KEY" in other.stderr
