"""Which rows are compared, over which samples and seeds, and when a comparison decides."""

import json
from pathlib import Path

import pytest
import synthetic

from qft.evaluation import metrics
from qft.reports import read
from qft.reports.analysis import comparisons, measures, same_size


def test_scores_are_paired_over_samples_and_averaged_over_common_seeds(first, compared) -> None:
    v = next(
        v
        for v in compared
        if (v.row, v.data, v.n, v.measure.name) == ("QuanTA", "cpsycoun", 300, "rougel_llamafactory")
    )
    assert v.seeds == 2, "seed 1 of QuanTA is missing, so LoRA's is left out too"
    rows = {}
    for label in ("quanta", "lorar4"):
        found = []
        for seed in (0, 2):
            path = first.path / "cells" / f"final-{label}-cpsycoun-n300-seed{seed}" / "scores.jsonl"
            found.append([json.loads(line)["scores"]["rougel_llamafactory"] for line in path.read_text().splitlines()])
        rows[label] = [sum(pair) / 2 for pair in zip(*found, strict=True)]
    difference = sum(a - b for a, b in zip(rows["quanta"], rows["lorar4"], strict=True)) / synthetic.SAMPLES
    assert v.difference.mean == pytest.approx(difference) and v.difference.count == synthetic.SAMPLES
    assert v.difference.adjusted is not None and v.difference.adjusted >= v.difference.p


def test_the_question_about_the_circuit_is_corrected_by_itself(tmp_path: Path) -> None:
    many = [{"entangle": False}, {"train_angles": False}, {"mpo": False}, {"classical_path": False}]
    alone = comparisons.controls(read.load(synthetic.controls(tmp_path / "few", [{"circuit": "none"}], 0.0)))
    beside = comparisons.controls(read.load(synthetic.controls(tmp_path / "many", [{"circuit": "none"}, *many], 0.0)))
    for found in (alone, beside):
        v = next(v for v in found if "no circuit" in v.other and v.measure == measures.VALIDATION)
        assert v.difference.adjusted == v.difference.p, "one test is no family"
    rest = [v for v in beside if "no circuit" not in v.other and v.measure == measures.VALIDATION]
    assert min(v.difference.adjusted for v in rest) == pytest.approx(min(1, 4 * min(v.difference.p for v in rest)))


def test_a_sentence_is_about_accuracy_where_every_answer_can_be_right(tmp_path: Path) -> None:
    scores = ["rougel_llamafactory", "accuracy"]
    path = synthetic.controls(tmp_path, [{"circuit": "none"}], 8.0, scores=scores)
    assert measures.primary(read.load(path), "demo").name == "accuracy"
    assert measures.primary(read.load(path), "elsewhere") is None
    some = read.load(path)
    for cell in some.final():
        del cell.scores["accuracy"][next(iter(cell.scores["accuracy"]))]
    assert measures.primary(some, "demo").name == "rougel_llamafactory"


def test_seeds_that_agree_with_the_mean_are_counted(tmp_path: Path) -> None:
    path = synthetic.controls(tmp_path, [{"circuit": "none"}], 8.0)
    for measure in ("validation_loss", "rougel_llamafactory"):
        cells = {(bool(c.variant), c.seed): c for c in read.load(path).final()}
        values = {k: c.loss(measure) if "loss" in measure else c.score(measure) for k, c in cells.items()}
        apart = [values[False, seed] - values[True, seed] for seed in range(3)]
        found = next(v for v in comparisons.controls(read.load(path)) if v.measure.name == measure)
        assert (found.agree, found.compared) == (sum(d * sum(apart) > 0 for d in apart), 3)
    turned = path / "cells" / cells[False, 0].name / "record.json"
    content = json.loads(turned.read_text())
    content["training"]["validation_loss"] += 0.5  # one seed against the other two, the mean turned by it
    turned.write_text(json.dumps(content))
    found = next(v for v in comparisons.controls(read.load(path)) if v.measure == measures.VALIDATION)
    assert (found.agree, found.compared, found.verdict) == (1, 3, "undecided")


def test_a_method_is_also_held_against_the_lora_of_its_size(tmp_path: Path) -> None:
    of = read.load(synthetic.table1(tmp_path, sizes=(300,)))
    found = same_size.with_lora_of_its_size(of)
    assert {(v.row, v.other) for v in found} == {("QWTHN", "LoRA r=1")}, "QuanTA is nearest to LoRA r=4"
    losses = [v for v in found if v.measure == measures.VALIDATION]
    assert [v.data for v in losses] == ["cpsycoun", "demo"] and all(v.difference.mean > 0 for v in losses)
    (line,) = same_size.summary(of, found, [measures.VALIDATION, metrics.measure("accuracy")])
    assert line.startswith("QWTHN against LoRA r=1, which is about its size (237 and 250 parameters): validation loss")
    assert "accuracy" not in line.lower(), "it was not measured"
    verdicts = [v.verdict for v in losses]
    counted = [f"{w} in {verdicts.count(w)}" for w in ("worse", "undecided") if w in verdicts]
    assert f"validation loss {', '.join(counted)} of 2." in line
    for cell in of.final():  # sizes too far apart are no match
        if cell.label == "LoRA r=1":
            cell.record.parameters.trainable = 500
    assert same_size.with_lora_of_its_size(of) == []
