"""Which rows are compared, over which samples and seeds, and when a comparison decides."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic

from qft.evaluation import metrics
from qft.reports import read
from qft.reports.analysis import comparisons, contribution, measures, same_size


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
    assert v.verdict.estimate == pytest.approx(difference) and v.items == synthetic.SAMPLES
    assert v.adjusted is not None and v.adjusted >= v.p
    assert (v.word, v.verdict.help) == ("descriptive", "5 seeds or more")


def test_the_question_about_the_circuit_is_asked_by_itself(tmp_path: Path) -> None:
    many = [{"entangle": False}, {"train_angles": False}, {"mpo": False}, {"classical_path": False}]
    alone = comparisons.controls(read.load(synthetic.controls(tmp_path / "few", [{"circuit": "none"}], 0.0)))
    beside = comparisons.controls(read.load(synthetic.controls(tmp_path / "many", [{"circuit": "none"}, *many], 0.0)))
    for found in (alone, beside):
        v = next(v for v in found if "no circuit" in v.other and v.measure == measures.HELDOUT)
        assert v.planned == 1 and v.adjusted == v.p
    rest = [v for v in beside if "no circuit" not in v.other and v.measure == measures.HELDOUT]
    assert {v.planned for v in rest} == {4}
    assert min(v.adjusted for v in rest) == pytest.approx(min(1, 4 * min(v.p for v in rest)))


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
    path = synthetic.controls(tmp_path, [{"circuit": "none"}], 8.0, heldout=False)
    for measure in ("validation_loss", "rougel_llamafactory"):
        cells = {(bool(c.variant), c.seed): c for c in read.load(path).final()}
        values = {k: c.loss(measure) if "loss" in measure else c.score(measure) for k, c in cells.items()}
        apart = [values[False, seed] - values[True, seed] for seed in range(3)]
        found = next(v for v in comparisons.controls(read.load(path)) if v.measure.name == measure)
        assert (found.agree, found.seeds) == (sum(d * sum(apart) > 0 for d in apart), 3)
    turned = path / "cells" / cells[False, 0].name / "record.json"
    content = json.loads(turned.read_text())
    content["training"]["validation_loss"] += 0.5  # one seed against the other two, the mean turned by it
    turned.write_text(json.dumps(content))
    found = next(v for v in comparisons.controls(read.load(path)) if v.measure == measures.VALIDATION)
    assert (found.agree, found.seeds, found.word) == (1, 3, "descriptive")


def test_a_method_is_also_held_against_the_lora_of_its_size(tmp_path: Path) -> None:
    of = read.load(synthetic.table1(tmp_path, sizes=(300,), seeds=5))
    found = same_size.with_lora_of_its_size(of)
    assert {(v.row, v.other) for v in found} == {("QWTHN", "LoRA r=1")}, "QuanTA is nearest to LoRA r=4"
    losses = [v for v in found if v.measure == measures.HELDOUT]
    assert [(v.data, v.word) for v in losses] == [("cpsycoun", "worse"), ("demo", "worse")], "drawn 0.2 apart"
    (line,) = same_size.summary(of, found, [measures.HELDOUT, metrics.measure("accuracy")])
    assert line.startswith(
        "QWTHN against LoRA r=1, which is about its size (237 and 250 parameters): held-out loss worse"
    )
    assert "accuracy" not in line.lower(), "it was not measured"
    assert "held-out loss worse in 2 of 2." in line
    for cell in of.final():  # sizes too far apart are no match
        if cell.label == "LoRA r=1":
            cell.record.parameters.trainable = 500
    assert same_size.with_lora_of_its_size(of) == []


def of(found: list[comparisons.Comparison], row: str, measure: str, data: str = "demo") -> comparisons.Comparison:
    return next(v for v in found if (v.row, v.data, v.measure.name) == (row, data, measure))


def test_held_out_losses_decide_and_are_the_printed_ones(tmp_path: Path) -> None:
    sweep = read.load(synthetic.table1(tmp_path, sizes=(300,), seeds=5))
    found = comparisons.with_lora(sweep)
    loss = of(found, "QWTHN", "heldout_loss")
    printed = [[c.loss("heldout_loss") for c in sweep.of((row, "demo", 300))] for row in ("QWTHN", "LoRA r=4")]
    assert (loss.mean, loss.other_mean) == pytest.approx(tuple(sum(losses) / 5 for losses in printed))
    assert loss.word == "worse" and loss.items == synthetic.SAMPLES and loss.seeds == 5
    assert loss.planned == 6, "three rows on two data sets; the untuned base is a question of its own"
    assert loss.interval[0] > 0 and -1 <= loss.correlation <= 1
    for name in ("validation_loss", "train_loss_run_mean"):
        shown = of(found, "QWTHN", name)
        assert (shown.word, shown.verdict.help, shown.items) == ("descriptive", "a held-out loss", 1)
    other = of(found, "QWTHN", "bleu4_standard")
    assert other.word == "descriptive" and other.verdict.help == "ROUGE-L, which decides"
    base = of(found, "base", "heldout_loss")
    assert (base.word, base.planned, base.correlation, base.verdict.paired) == ("worse", 2, None, True)


def test_old_sweeps_are_descriptive(tmp_path: Path) -> None:
    sweep = read.load(synthetic.table1(tmp_path, sizes=(300,), heldout=False))
    found = comparisons.with_lora(sweep)
    assert {v.word for v in found} == {"descriptive"} and not any(v.measure == measures.HELDOUT for v in found)
    assert measures.main(sweep)[0] == measures.VALIDATION


def test_rows_within_the_margin_are_equal(tmp_path: Path) -> None:
    """A control that changes nothing: both rows' losses are drawn about one mean, and the margin is wide."""
    path = synthetic.controls(tmp_path, [{"entangle": False}], 0.0, seeds=8, seed=2)
    sweep = read.load(path)
    (loss,) = [v for v in comparisons.controls(sweep) if v.measure == measures.HELDOUT]
    assert (loss.word, loss.verdict.help) == ("undecided", "25 seeds")
    for cell in sweep.final():
        cell.record.data.margin = 0.06
    (loss,) = [v for v in comparisons.controls(sweep) if v.measure == measures.HELDOUT]
    assert loss.word == "equal" and loss.verdict.help == ""


def test_a_row_whose_search_is_open_is_not_called_worse(tmp_path: Path) -> None:
    sweep = read.load(synthetic.table1(tmp_path, sizes=(300,), seeds=5))
    assert of(comparisons.with_lora(sweep), "QWTHN", "heldout_loss").word == "worse"
    sweep.choices = [replace(choice, edge=choice.data == "demo") for choice in sweep.choices]
    found = comparisons.with_lora(sweep)
    assert of(found, "QWTHN", "heldout_loss").word == "undecided"
    assert "learning rate" in of(found, "QWTHN", "heldout_loss").verdict.help
    assert of(found, "QWTHN", "heldout_loss", "cpsycoun").word == "worse"


def test_a_control_stands_against_the_row_it_is_of(tmp_path: Path) -> None:
    strength = {"QWTHN within 1,000": (900, 2.0, 20.0), "QWTHN within 4,000": (3900, 1.0, 40.0)}
    strength |= {"QWTHN, no circuit within 1,000": (890, 2.0, 20.0)}
    cells = [
        synthetic.cell(label, "qwthn", "demo", 300, seed) | {"key": key, "of": of} | {"variant": variant}
        for label, key, of, variant in (
            ("QWTHN within 1,000", "qwthn_1000", "", {}),
            ("QWTHN within 4,000", "qwthn_4000", "", {}),
            ("QWTHN, no circuit within 1,000", "no_circuit_1000", "qwthn_1000", {"circuit": "none"}),
        )
        for seed in range(5)
    ]
    sweep = read.load(synthetic.write(tmp_path, cells, strength))
    found = [c for c in comparisons.controls(sweep) if c.measure == measures.HELDOUT]
    assert [(c.row, c.other, c.planned) for c in found] == [("QWTHN within 1,000", "QWTHN, no circuit within 1,000", 1)]
    assert found[0].mean == pytest.approx(2.0, abs=0.15)
    answered = contribution.answers(sweep, comparisons.controls(sweep))
    assert {a.sentence.partition(" on ")[0] for a in answered} == {"QWTHN within 1,000"}


def test_a_margin_that_was_changed_in_between_is_none(tmp_path: Path) -> None:
    sweep = read.load(synthetic.pareto(tmp_path, seeds=5))
    base = next(c for c in comparisons.with_lora(sweep) if c.row == "base" and c.measure == measures.HELDOUT)
    assert base.margin == synthetic.MARGIN, "the base states none; LoRA's runs do"
    last = next(c for c in reversed(sweep.final()) if c.label == "QWTHN")
    assert last.record and last.record.data
    last.record.data.margin = 0.5
    found = {c.row: c.margin for c in comparisons.with_lora(sweep) if c.measure == measures.HELDOUT}
    assert found["QWTHN"] is None and found["QTHA"] == synthetic.MARGIN


def test_rows_of_unknown_size_are_planned_against_a_lora_of_theirs(tmp_path: Path) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    synthetic.table1(whole, sizes=(300,), seeds=5)
    synthetic.table1(part, sizes=(300,), seeds=5, missing=["qwthn-demo"])
    of_all, of_some = (
        [c for c in same_size.with_lora_of_its_size(read.load(path)) if c.measure == measures.HELDOUT]
        for path in (whole, part)
    )
    assert [(c.data, c.planned) for c in of_all] == [("cpsycoun", 2), ("demo", 2)]
    assert [(c.data, c.planned) for c in of_some] == [("cpsycoun", 2)], "m does not grow as runs finish"
