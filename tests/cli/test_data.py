"""qft data, and what training and evaluation say about texts that do not fit."""

import io
import json
import sys
from pathlib import Path

import pytest
from program import qft_here

from qft.data import prepare
from qft.data.datasets import r1_distill_sft


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": f"question {k}", "response": "word " * (k + 1)} for k in range(30)]
    rows += [{"prompt": "question", "response": " "}, {"prompt": "question 1", "response": "again"}]
    (tmp_path / "my.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return tmp_path


MINE = ("data=jsonl", "data.path=my.jsonl")


def test_the_numbers_are_those_of_training(capsys: pytest.CaptureFixture[str]) -> None:
    assert qft_here("data", *MINE, "n=20", "samples=2", "max_seq_len=40", "format=json") == 0
    said = capsys.readouterr()
    shown = json.loads(said.out)
    source = prepare.load({"_target_": "qft.data.datasets.jsonl.load", "path": "my.jsonl"})
    summary = prepare.split(source, 20, {"name": "jsonl"}).summary
    assert {k: shown[k] for k in vars(summary)} == vars(summary)
    assert shown["counts"]["rows left out: the answer is empty"] == 1
    assert shown["left_out"] == ["my.jsonl, line 31: the answer is empty"]
    assert shown["fingerprint"] == source.fingerprint()
    training = shown["parts"]["training"]
    assert len(shown["lengths"]["training"]) == training["samples"] == 18
    assert max(shown["lengths"]["training"]) == training["longest"] > 40
    assert training["truncated"] == sum(n > 40 for n in shown["lengths"]["training"]) > 0
    assert training["tokens"] == sum(min(n, 40) for n in shown["lengths"]["training"])
    assert training["whole"] == sum(shown["lengths"]["training"])
    assert len(shown["samples"]) == 2
    assert Path(shown["picture"]).read_bytes().startswith(b"\x89PNG")


def test_the_text_shows_the_mask_and_what_was_met(capsys: pytest.CaptureFixture[str]) -> None:
    assert qft_here("data", *MINE, "n=20", "samples=1", "max_seq_len=40", "data.overlong=drop") == 0
    said = capsys.readouterr()
    assert "<|im_start|>assistant\n⟦word " in said.out and "<|im_end|>⟧" in said.out
    assert "my.jsonl, line 31: the answer is empty" in said.out
    assert "rows with the question of a test row dropped" in said.out
    assert "validation near training 0, test near training 0, test near validation 0" in said.out
    assert "█" in said.out and "max_seq_len=40" in said.out
    assert "training samples longer than 40 tokens dropped" in said.err


def test_a_terminal_that_has_few_characters(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "my.jsonl").write_text("".join(f'{{"prompt": "问 {k}", "response": "é😀"}}\n' for k in range(20)))

    def printed(encoding: str, *more: str) -> str:
        out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            assert qft_here("data", *MINE, "n=10", "samples=1", *more) == 0
        return out.buffer.getvalue().decode(encoding)

    text = printed("latin-1")
    assert "<|im_start|>assistant\n[[é?<|im_end|>]]" in text and "####" in text
    learned = [s["text"] for s in json.loads(printed("ascii", "format=json"))["samples"][0]["spans"] if s["learned"]]
    assert learned == ["é😀<|im_end|>"], "JSON means the same everywhere"


def test_null_rows_are_all_rows(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    (here / "r1.jsonl").write_text(r1_distill_sft.EXAMPLE["train.jsonl"])
    assert qft_here("data", "data=r1_distill_sft", "data.path=r1.jsonl", "data.rows=null", "n=9", "format=json") == 0
    assert json.loads(capsys.readouterr().out)["available"] == 54


def test_more_than_there_is_shows_all_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert qft_here("data", *MINE, "format=json") == 0
    said = capsys.readouterr()
    assert "n=300 is more than there is: all 27 samples are shown" in said.err
    assert json.loads(said.out)["n"] == 27


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("data", *MINE, "data.overlong=cut"), "data.overlong=cut does not exist"),
        (("train", *MINE, "n=9", "data.overlong=cut"), "data.overlong=cut does not exist"),
        (("eval", *MINE, "n=9", "data.overlong=cut"), "data.overlong=cut does not exist"),
        (("data", *MINE, "data.overlong=error", "max_seq_len=40"), "tokens, more than max_seq_len=40"),
        (("data", *MINE, "samples=-1"), "samples=-1"),
        (("data", *MINE, "data.ruws=0:3"), "data.rows"),
        (("data", "data=jsonl"), "data=jsonl needs its source"),
        (("data", *MINE, "output_dir=my.jsonl"), "my.jsonl is not a directory"),
    ],
)
def test_what_cannot_be_is_one_sentence(args: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert qft_here(*args) == 2
    said = capsys.readouterr().err
    assert said.startswith("qft: ") or "\nqft: " in said
    assert words in said


def test_a_run_says_and_records_what_did_not_fit(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fitting = ("n=20", "max_seq_len=40", "trainer.max_steps=1")
    scored = ("eval=true", "evaluation.max_new_tokens=26", "evaluation.metrics=[bleu]")
    assert qft_here("train", *MINE, *fitting, *scored, "run=r", "format=json") == 0
    said = capsys.readouterr().err
    record = json.loads((here / "outputs/r/record.json").read_text())["data"]
    for part, what in (("train_tokens", "training"), ("validation_tokens", "validation")):
        assert (f"{record[part]['truncated']} {what} samples cut to 40 tokens" in said) == (
            record[part]["truncated"] > 0
        )
    assert record["train_tokens"]["truncated"] > 0
    assert "left out: my.jsonl, line 31: the answer is empty" in said
    metrics = json.loads((here / "outputs/r/metrics.json").read_text())
    assert metrics["settings"]["overlong"] == "truncate"
    assert metrics["prompt_counts"]["prompts"] == 3
    lines = [json.loads(line) for line in (here / "outputs/r/predictions.jsonl").read_text().splitlines()]
    assert all(line["answer"] is None for line in lines)
