"""Run directories: whole or not at all, one process at a time, checkpoints that are what they say."""

from pathlib import Path

import pytest
import stored

from qft import records
from qft.errors import QftError


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    records.write_json(path, {"x": "ä"})
    monkeypatch.setattr(Path, "replace", lambda *a: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(QftError, match="No space left"):
        records.write_json(path, {"x": "new"})
    assert records.read_json(path) == {"x": "ä"}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    with pytest.raises(QftError, match="missing"):
        records.read_json(path)
    records.write_json(path, {"numbers": list(range(50))})
    whole = path.read_bytes()
    for cut in range(1, len(whole) - 2, len(whole) // 20):
        path.write_bytes(whole[:cut])
        with pytest.raises(QftError, match=r"record\.json is damaged"):
            records.read_json(path)


def test_history_round_trip(tmp_path: Path) -> None:
    rows = [records.HistoryRow(step=0, validation_loss=2.5), records.HistoryRow(step=1, train_loss=2.25, lr=0.1)]
    records.write_history(tmp_path / "history.csv", rows)
    assert records.read_history(tmp_path / "history.csv") == rows


def test_one_process_at_a_time(tmp_path: Path) -> None:
    held = records.RunDirectory(tmp_path / "run").open()
    with pytest.raises(QftError, match="in use"):
        records.RunDirectory(tmp_path / "run").open()
    held.close()
    records.RunDirectory(tmp_path / "run").open().close()


def checkpoint(folder: Path, step: int, mark: bool = True) -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "weights").write_bytes(bytes(range(100)))
    if mark:
        records.mark_checkpoint(path)
    return path


def test_the_newest_whole_checkpoint_is_chosen(tmp_path: Path) -> None:
    assert records.newest_checkpoint(tmp_path) is None
    nine, ten = checkpoint(tmp_path, 9), checkpoint(tmp_path, 10)
    checkpoint(tmp_path, 11, mark=False)
    assert records.newest_checkpoint(tmp_path) == ten
    assert records.newest_checkpoint(tmp_path, before=10) == nine and not records.newest_checkpoint(tmp_path, before=9)
    (ten / "weights").write_bytes(bytes(range(99)) + b"x")  # same length, another content
    assert records.newest_checkpoint(tmp_path) == nine
    (nine / records.MARKER).write_text('{"weights": [100')
    assert records.newest_checkpoint(tmp_path) is None


def test_a_record_knows_its_versions_and_commit() -> None:
    record = records.new_record(seed=3)
    assert record.seed == 3 and record.packages["torch"] and record.git.dirty in (None, True, False)


CHOICE = {"label": "A", "data": "demo", "n": 20, "lr": 0.1, "edge": False, "trials": []}
LINE = {"id": "s0", "turn": 1, "prompt": "", "reference": "", "prediction": "x", "tokens": 3, "finished": True}


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        (records.Choices, {"grid": {}}, "there is no key 'grid'"),
        (records.Choices, {"chosen": {}}, r"'chosen' is {}, not a list"),
        (records.Choices, {"schema": 2, "chosen": [CHOICE | {"lr": "x"}]}, r"'chosen\[0\]\.lr' is \"x\", not a number"),
        (
            records.Choices,
            {"schema": 2, "chosen": [CHOICE | {"trials": [1]}]},
            r"'chosen\[0\]\.trials\[0\]' is 1, not a map",
        ),
        (records.Choices, {"chosen": [{"label": "A"}]}, r"'chosen\[0\]\.data' is missing \(there is: label\)"),
        (records.Choices, {"schema": 3}, "written by a newer qft .schema 3.; update qft"),
        (records.Choices, {"schema": True}, "'schema' is true, not a whole number"),
        (records.CellState, {"id": "x", "state": None}, "'state' is null, not text"),
        (records.Completion, {"finished": "", "files": {"a": [1]}}, r"'files\.a' holds 1 values, not 2"),
        (records.Prediction, LINE | {"seconds": True}, "'seconds' is true, not a number"),
        (records.Prediction, [1], r"it is \[1\], not a mapping"),
    ],
)
def test_content_of_another_kind_is_one_sentence(kind: type, content: object, words: str) -> None:
    with pytest.raises(records.Misfit, match=words):
        records.from_json(kind, content)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    run = records.RunDirectory(tmp_path)
    score = records.Score(50.0, (40.0, 60.0), "sa", samples=3)
    scores = records.Scores(stored.loss(1.0), stored.generation(), {"sa": score}, "0" * 64)
    use = records.BackendUse("qcloud", 7, {"jobs": {"finished": 2}})
    documents = (stored.record(), stored.settings(decoding=records.Sampling(0.5, 0.9, 1)))
    for document in (*documents, stored.metrics(scores, base=scores, backend=use, record=stored.record())):
        run.save(document)
    assert (run.record(), run.settings()) == documents
    assert run.metrics() == stored.metrics(scores, base=scores, backend=use, record=stored.record())
    rows = [records.Prediction(**LINE, seconds=0.5, answer=None), records.Prediction(**LINE, seconds=1, answer="7")]
    records.write_lines(run / "base_predictions.jsonl", rows)
    assert run.predictions(base=True) == rows and run.predictions() == []


def test_a_newer_file_is_refused_and_an_unknown_key_is_named_with_its_file(tmp_path: Path) -> None:
    run = records.RunDirectory(tmp_path)
    records.write_json(run / "record.json", records.to_json(stored.record()) | {"schema": 9})
    with pytest.raises(QftError, match=r"record\.json cannot be read: it was written by a newer qft"):
        run.record()
    records.write_json(run / "record.json", records.to_json(stored.record()) | {"notes": ""})
    with pytest.raises(QftError, match=r"record\.json is damaged \(there is no key 'notes'\); run again"):
        run.record()
