"""Every artefact of a run, cut off at 20 places: a clear error or made again, never used as it is.

predictions.jsonl and scores.jsonl have tests of their own: tests/evaluation/test_{generate,predictions,score}.py.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import stored
import tiny

from qft import records
from qft.errors import QftError
from qft.evaluation.evaluate import open_predictions, recorded_batch_size
from qft.models.inject import load_adapter
from qft.process import files

CONFIG = "n: 300\nseed: 0\nmax_seq_len: 1024\nmodel: {path: somewhere, name: demo}\ndata:\n  metrics: [bleu, rouge]\n"


def cuts(path: Path, keep_last: int = 1) -> Iterator[int]:
    """Cut the file at 20 places, its end (``keep_last`` bytes) left alone; it is whole again afterwards."""
    whole = path.read_bytes()
    end = len(whole) - keep_last
    for k in range(20):
        path.write_bytes(whole[: k * end // 20])
        yield k * end // 20
    path.write_bytes(whole[:end])
    yield end
    path.write_bytes(whole)


@pytest.fixture
def run(tmp_path: Path) -> records.RunDirectory:
    """A finished run, as training leaves it."""
    from peft import LoraConfig, get_peft_model

    directory = records.RunDirectory(tmp_path / "r")
    model = get_peft_model(tiny.build("qwen2"), LoraConfig(target_modules=["q_proj"]))
    model.save_pretrained(directory / "adapter")
    files.write_text(directory / "config.yaml", CONFIG)
    directory.save(records.new_record(0))
    records.write_history(
        directory / "history.csv", [records.HistoryRow(step=k, train_loss=1 / k) for k in range(1, 9)]
    )
    directory.finish()
    return directory


def test_what_training_left(run: records.RunDirectory) -> None:
    run.verify()
    files = (
        "config.yaml",
        "record.json",
        "history.csv",
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
    )
    for name in files:
        for _ in cuts(run / name):
            with pytest.raises(QftError, match=rf"{name} is damaged"):
                run.verify()
        run.verify()
    for _ in cuts(run / "COMPLETE", keep_last=2):
        with pytest.raises(QftError, match="COMPLETE is damaged"):
            run.verify()
    (run / "adapter/README.md").write_text("a card written later is nobody's damage")
    run.verify()
    (run / "history.csv").unlink()
    with pytest.raises(QftError, match=r"history\.csv is missing"):
        run.verify()


def test_a_record_and_a_history_on_their_own(run: records.RunDirectory) -> None:
    for _ in cuts(run / "record.json", keep_last=2):
        with pytest.raises(QftError, match=r"record\.json is damaged"):
            run.record()
    whole = records.read_history(run / "history.csv")
    for cut in cuts(run / "history.csv"):
        if (run / "history.csv").read_bytes()[-1:] == b"\n":  # at the end of a line; verify() sees that
            assert (
                records.read_history(run / "history.csv") == whole[: (run / "history.csv").read_text().count("\n") - 1]
            )
            continue
        with pytest.raises(QftError, match=r"history\.csv is damaged"):
            records.read_history(run / "history.csv")
        assert cut < 400


def test_an_adapter_that_belongs_to_no_run(run: records.RunDirectory) -> None:
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        for _ in cuts(run / "adapter" / name, keep_last=2):
            with pytest.raises(QftError, match="adapter"):
                load_adapter(tiny.build("qwen2"), run / "adapter")
    load_adapter(tiny.build("qwen2"), run / "adapter")


def test_checkpoints(tmp_path: Path) -> None:
    for step in (1, 2):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "adapter_model.safetensors").write_bytes(bytes(range(200)))
        (folder / "trainer_state.json").write_text(json.dumps({"global_step": step, "log_history": list(range(30))}))
        records.mark_checkpoint(folder)
    one, two = tmp_path / "checkpoint-1", tmp_path / "checkpoint-2"
    for name in ("adapter_model.safetensors", "trainer_state.json", records.MARKER):
        for _ in cuts(two / name, keep_last=2):
            assert records.newest_checkpoint(tmp_path) == one
        assert records.newest_checkpoint(tmp_path) == two


def test_settings_of_answers(tmp_path: Path) -> None:
    settings = stored.settings()
    open_predictions(tmp_path, settings, overwrite=False)
    (tmp_path / "predictions.jsonl").write_text("{}\n")
    for _ in cuts(tmp_path / "evaluation.json", keep_last=2):
        with pytest.raises(QftError, match=r"evaluation\.json is damaged"):
            open_predictions(tmp_path, settings, overwrite=False)
        assert recorded_batch_size(tmp_path) is None
        assert (tmp_path / "predictions.jsonl").exists(), "nothing is lost"
    open_predictions(tmp_path, settings, overwrite=False)
    with pytest.raises(QftError, match=r"base: f+ -> g"):
        open_predictions(tmp_path, replace(settings, base="g"), overwrite=False)
    (tmp_path / "evaluation.json").unlink()
    with pytest.raises(QftError, match=r"predictions\.jsonl has no evaluation\.json beside it"):
        open_predictions(tmp_path, settings, overwrite=False)
    open_predictions(tmp_path, settings, overwrite=True)
    assert not (tmp_path / "predictions.jsonl").exists() and recorded_batch_size(tmp_path) == 16


def test_scores_of_a_run(tmp_path: Path) -> None:
    run = records.RunDirectory(tmp_path)
    run.save(stored.metrics(scored_with=["x"]))
    for _ in cuts(tmp_path / "metrics.json", keep_last=2):
        with pytest.raises(QftError, match=r"metrics\.json is damaged"):
            run.metrics()
