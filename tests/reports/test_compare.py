"""qft compare: rows differ in more than their seed, differences are those of reports, other test sets are refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import synthetic
import yaml
from program import qft_here

from qft import records
from qft.errors import QftError
from qft.records import RunDirectory
from qft.reports import report
from qft.reports.compare import compare
from qft.reports.sections import compared as sections

CONFIG = yaml.safe_load((Path(__file__).parents[1] / "fixtures/v0.1.0/run/config.yaml").read_text())
STRENGTH = {"LoRA r=4": (1000, 1.0, 40.0), "QWTHN": (237, 1.3, 30.0)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Finished runs of two methods and six seeds, each a directory of its own: lora0 to lora5, qwthn0 to qwthn5."""
    root = tmp_path_factory.mktemp("runs")
    kinds = [("LoRA r=4", "lora"), ("QWTHN", "qwthn")]
    cells = [synthetic.cell(label, adapter, "demo", 20, seed) for label, adapter in kinds for seed in range(6)]
    synthetic.write(root / "sweep", cells, STRENGTH)
    out = {}
    for spec in cells:
        folder = (root / "sweep/cells" / spec["name"]).rename(root / f"{spec['adapter']}{spec['seed']}")
        content = CONFIG | {"adapter": CONFIG["adapter"] | {"name": spec["adapter"]}, "seed": spec["seed"]}
        (folder / "config.yaml").write_text(yaml.safe_dump(content))
        (folder / "cell.json").unlink()
        answers = [
            records.Prediction(
                id=f"s{k}", turn=0, prompt=f"<|im_start|>user\nq{k}<|im_end|>", reference=f"r{k}",
                prediction=f"{spec['adapter']} says {k}", tokens=3, finished=True, seconds=0.1,
            )
            for k in range(synthetic.SAMPLES)
        ]  # fmt: skip
        records.write_lines(folder / "predictions.jsonl", answers)
        RunDirectory(folder).finish()
        out[folder.name] = folder
    return out


def test_two_runs_differ_by_the_mean_of_their_items(runs: dict[str, Path]) -> None:
    found = compare([runs["lora0"], runs["qwthn0"]])
    assert found.rows == ["lora", "qwthn"]
    loss = next(c for c in found.differences if c.measure.name == "heldout_loss")
    one, other = (RunDirectory(runs[name]).heldout() for name in ("qwthn0", "lora0"))
    expected = records.mean_loss(one) - records.mean_loss(other)
    assert loss.verdict.estimate == pytest.approx(expected)
    assert loss.interval is not None and loss.interval[0] < expected < loss.interval[1]
    assert (loss.row, loss.other, loss.items, loss.seeds, loss.word) == ("qwthn", "lora", 20, 1, "descriptive")
    assert any("does not cover another seed" in note for note in found.notes)


def test_seeds_of_one_configuration_are_one_row_and_five_give_a_verdict(runs: dict[str, Path]) -> None:
    found = compare([runs[f"{kind}{seed}"] for seed in range(6) for kind in ("lora", "qwthn")])
    assert found.rows == ["lora", "qwthn"]
    loss = next(c for c in found.differences if c.measure.name == "heldout_loss")
    assert (loss.seeds, loss.word) == (6, "worse")
    assert not any("does not cover another seed" in note for note in found.notes)


def test_runs_without_a_seed_in_common_are_compared_too(runs: dict[str, Path]) -> None:
    found = compare([runs["lora0"], runs["qwthn1"]])
    loss = next(c for c in found.differences if c.measure.name == "heldout_loss")
    one, other = (RunDirectory(runs[name]).heldout() for name in ("qwthn1", "lora0"))
    assert loss.verdict.estimate == pytest.approx(records.mean_loss(one) - records.mean_loss(other))
    assert any("no seed in common" in note for note in found.notes)


def test_a_run_of_an_earlier_version_is_of_its_row(runs: dict[str, Path], tmp_path: Path) -> None:
    later = copied(runs["lora1"], tmp_path / "later", lambda config: config["data"].update(split=None))
    assert compare([runs["lora0"], later, runs["qwthn0"]]).rows == ["lora", "qwthn"]


def test_rows_of_one_method_are_told_apart(runs: dict[str, Path], tmp_path: Path) -> None:
    longer = copied(runs["lora1"], tmp_path / "longer", lambda config: config["trainer"].update(max_steps=9))
    found = compare([runs["lora0"], longer, runs["qwthn0"]])
    assert found.rows == ["lora, max_steps=2", "lora, max_steps=9", "qwthn"]
    assert found.differences[0].planned == 2


def copied(run: Path, target: Path, change: Callable[[dict], object]) -> Path:
    """A run whose config is changed and whole again."""
    target.mkdir()
    for file in run.iterdir():
        if file.is_file() and file.name != "COMPLETE":
            (target / file.name).write_bytes(file.read_bytes())
    content = yaml.safe_load((target / "config.yaml").read_text())
    change(content)
    (target / "config.yaml").write_text(yaml.safe_dump(content))
    RunDirectory(target).finish()
    return target


def test_answers_stand_side_by_side_best_to_worst(runs: dict[str, Path]) -> None:
    found = compare([runs["lora0"], runs["qwthn0"]])
    beside = sections.side_by_side(found, 3)
    assert beside is not None and beside.rows == ["lora", "qwthn"] and len(beside.samples) == 3
    scores = found.sweep.cells[0].scores["rougel_llamafactory"]
    ids = [sample.title.removeprefix("sample ") for sample in beside.samples]
    assert scores[ids[0], "0"] == max(scores.values()) and scores[ids[2], "0"] == min(scores.values())
    first = beside.samples[0]
    k = ids[0][1:]
    assert first.answers == {"lora": f"lora says {k}", "qwthn": f"qwthn says {k}"}
    assert first.prompt.endswith(f"q{k}") and "im_start" not in first.prompt and first.reference == f"r{k}"


def test_a_report_says_what_is_nearly_in_training(tmp_path: Path) -> None:
    synthetic.table1(tmp_path / "s", seeds=5)
    for name, near in (("final-lorar4-demo-n300-seed0", 57), ("final-lorar4-demo-n300-seed1", 65)):
        run = RunDirectory(next(p for p in (tmp_path / "s/cells").iterdir() if p.name == name))
        record = run.record()
        assert record.data is not None
        record.data.near_duplicates, record.data.heldout = {"held out near training": near}, 256
        run.save(record)
    made = report.make(tmp_path / "s")
    said = [note for section in made.sections if section.title == "In short" for note in section.notes]
    assert any("demo: 0 to 65 of 256 held-out samples are nearly in training" in note for note in said)


def other_prompts(folder: Path) -> None:
    metrics = RunDirectory(folder).metrics()
    metrics.settings.prompts = records.Prompts(7, "1" * 64)
    RunDirectory(folder).save(metrics)


def other_held_out(folder: Path) -> None:
    rows = RunDirectory(folder).heldout()
    records.write_heldout(folder / "heldout.csv", rows[:-3])


def unfinished(folder: Path) -> None:
    (folder / "COMPLETE").unlink()


def damaged(folder: Path) -> None:
    (folder / "record.json").write_text("{")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_prompts, r"different test sets \(3 and 7 questions\)"),
        (other_held_out, r"different samples \(20 and 17, 17 in common\)"),
        (unfinished, "is not finished"),
        (damaged, "record.json is damaged"),
    ],
)
def test_what_cannot_be_compared_is_refused(change: Callable, said: str, runs: dict[str, Path], tmp_path: Path) -> None:
    other = copied(runs["qwthn0"], tmp_path / "other", lambda _: None)
    change(other)
    if change is other_held_out:
        RunDirectory(other).finish()
    with pytest.raises(QftError, match=said):
        compare([runs["lora0"], other])


def test_another_tokenizer_leaves_the_loss_out(runs: dict[str, Path], tmp_path: Path) -> None:
    other = copied(runs["qwthn0"], tmp_path / "other", lambda _: None)
    rows = [records.HeldoutLoss(r.sample, r.family, r.loss, r.tokens + 1) for r in RunDirectory(other).heldout()]
    records.write_heldout(other / "heldout.csv", rows)
    RunDirectory(other).finish()
    found = compare([runs["lora0"], other])
    assert not any(c.measure.name == "heldout_loss" for c in found.differences)
    assert any("left out" in note for note in found.notes)


def test_the_command_prints_and_writes_one_page(runs: dict[str, Path], tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    names = [str(runs["lora0"]), str(runs["qwthn0"])]
    assert qft_here("compare", *names, "html=page.html", "format=json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [r["row"] for r in document["runs"]] == ["lora", "qwthn"] and len(document["answers"]) == 3
    found = compare([runs["lora0"], runs["qwthn0"]])
    assert document["differences"][0]["difference"] == found.differences[0].verdict.estimate
    page = (tmp_path / "page.html").read_text()
    assert "lora says" in page and "data:text/csv" in page and "does not cover another seed" in page
    assert qft_here("compare", *names) == 0
    text = capsys.readouterr().out
    assert "qwthn against lora, held-out loss: +" in text and "qwthn says" in text
    assert qft_here("compare", names[0], "html=alone.html") == 2
    assert "Two runs are needed" in capsys.readouterr().err and not (tmp_path / "alone.html").exists()


def test_one_run_is_one_page(runs: dict[str, Path], capsys) -> None:
    assert qft_here("show", str(runs["qwthn0"])) == 0
    text = capsys.readouterr().out
    record = RunDirectory(runs["qwthn0"]).record()
    assert record.training is not None and f"{record.training.validation_loss:.4f}" in text
    assert "qwthn says" in text and "rougel_llamafactory" in text and "12,345" not in text
    assert qft_here("show", str(runs["qwthn0"]), "format=json", "answers=2") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["run"]["state"] == "done" and len(document["answers"]) == 2
    assert np.isclose(document["record"]["training"]["validation_loss"], record.training.validation_loss)
