"""Tables made of synthetic sweeps: layout, published beside measured, missing and failed cells, four formats."""

import csv
import io
import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
import synthetic

from qft import records
from qft.errors import QftError
from qft.evaluation import metrics
from qft.reports import document, read, report
from qft.reports.analysis import claims, comparisons, convergence, measures, published, statistics
from qft.reports.analysis.divergence import diverged
from qft.reports.render import table
from qft.reports.sections import entries, published_tables, runs, training
from qft.reports.sweep import Cell, Sweep
from qft.training.curve import running_mean


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """Table I with one run missing, one failed, and one method failed on all seeds of a cell."""
    path = tmp_path_factory.mktemp("sweep") / "t1"
    synthetic.table1(path, missing=["quanta-cpsycoun-n300-seed1"], failed=["lorar1-demo-n600-seed2", "qwthn-demo-n600"])
    return read.load(path)


@pytest.fixture(scope="module")
def versus(first: Sweep) -> list[comparisons.Comparison]:
    return comparisons.with_lora(first)


def cell(of: document.Table, row: str, column: str) -> document.Entry:
    """The entry in the row that starts with ``row`` and the column called ``column``, its group before it."""
    heads = of.headings
    return next(r for r in of.rows if r[0].text.startswith(row))[heads.index(column)]


def test_table_one_shows_means_over_seeds_beside_published_numbers(first, versus) -> None:
    made = {t.name: t for t in published_tables.loss_tables(first, versus)}
    assert list(made) == ["losses-cpsycoun", "losses-demo"]
    of = made["losses-cpsycoun"]
    assert of.groups == [("", 5), ("Small (300)", 4), ("Medium (600)", 4)]
    runs = [c for c in first.plain() if (c.row, c.data, c.n) == ("QWTHN", "cpsycoun", 300)]
    losses = [json.loads((first.path / c.link).read_text())["training"]["train_loss_run_mean"] for c in runs]
    found = cell(of, "QWTHN", "Small (300): train")
    assert found.value == pytest.approx(sum(losses) / 3) and found.seeds == 3 and found.sd is not None
    assert cell(of, "QWTHN", "Small (300): train, published").text == "1.529"
    assert cell(of, "LoRA r=4", "Medium (600): val, published").text == "1.514"
    assert cell(of, "QWTHN", "of LoRA r=4").text == "23.7 %"
    assert cell(of, "QWTHN", "ratio, published").text == "23.7 %"
    assert cell(of, "LoRA r=1", "Small (300): train, published").text == document.DASH
    assert (
        cell(of, "base", "Small (300): val").text
        == f"{first.of(('base', 'cpsycoun', 300))[0].loss('validation_loss'):.3f}"
    )
    assert [r[0].text for r in of.rows] == ["LoRA r=4 (paper: MLP)", "LoRA r=1", "QuanTA", "QWTHN", "base"]
    assert not any("published" in c for c in made["losses-demo"].columns), "the papers print nothing for the demo"


def test_missing_and_failed_cells_are_shown_as_such(first, versus) -> None:
    made = {t.name: t for t in published_tables.loss_tables(first, versus)}
    partly = cell(made["losses-cpsycoun"], "QuanTA", "Small (300): train")
    assert partly.seeds == 2 and partly.remark == "2 of 3 seeds" and "seed 1: missing" in partly.hint
    failed = cell(made["losses-demo"], "QWTHN", "Medium (600): val")
    assert (failed.text, failed.value, failed.kind) == ("failed", None, "failed")
    nothing = entries.mean_over_seeds([c for c in first.cells if c.state == "missing"], [None], 3)
    assert nothing.text == "missing" and nothing.value is None
    listed = runs.table(first)
    assert len(listed.rows) == len(first.cells)
    states = [row[2].text for row in listed.rows]
    assert (states.count("missing"), states.count("failed")) == (1, 4)
    assert sum("not a number" in row[6].text for row in listed.rows) == 4


def test_one_seed_shows_no_deviation_and_says_so(tmp_path: Path) -> None:
    of = read.load(synthetic.table1(tmp_path, seeds=1, sizes=(300,)))
    versus = comparisons.with_lora(of)
    found = cell(published_tables.loss_tables(of, versus)[0], "QWTHN", "Small (300): train")
    assert found.sd is None and "±" not in found.text and found.remark == "1 seed"
    assert all(v.difference.interval is None for v in versus if measures.is_loss(v.measure))
    assert all(v.verdict == "undecided" for v in versus), "one seed says nothing of others"
    assert "(1 seed)" in table.markdown(published_tables.loss_tables(of, versus)[0])


def test_nothing_is_bold_whose_interval_holds_zero(first, versus, tmp_path: Path) -> None:
    # with LoRA the weakest, the others are better and bold; as drawn above none is
    assert not [e for t in published_tables.loss_tables(first, versus) for row in t.rows for e in row if e.bold]
    strength = {"LoRA r=4": (1000, 2.0, 20.0), "QWTHN": (237, 1.0, 40.0), "Same": (237, 2.0, 20.0)}
    cells = [
        synthetic.cell(label, adapter, "demo", 300, seed)
        for label, adapter in (("LoRA r=4", "lora"), ("QWTHN", "qwthn"), ("Same", "other"))
        for seed in range(3)
    ]
    of = read.load(synthetic.write(tmp_path, cells, strength))
    better = comparisons.with_lora(of)
    for made in (*published_tables.loss_tables(of, better), *published_tables.score_tables(of, better)):
        for row in made.rows:
            assert any(e.bold for e in row) == (row[0].text == "QWTHN")
    for v in better:
        low, high = v.difference.interval
        assert v.verdict == "undecided" or not low <= 0 <= high


def test_scores_are_paired_over_samples_and_averaged_over_common_seeds(first, versus) -> None:
    v = next(
        v for v in versus if (v.row, v.data, v.n, v.measure.name) == ("QuanTA", "cpsycoun", 300, "rougel_llamafactory")
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


def test_survey_prints_both_where_the_paper_contradicts_itself(tmp_path: Path) -> None:
    of = read.load(synthetic.survey(tmp_path))
    (made,) = published_tables.score_tables(of, comparisons.with_lora(of))
    assert cell(made, "SoRA", "BLEU-4: published").text == "0.67 / 2.67"
    assert cell(made, "SoRA", "ratio, published").text == "0.10 % / 0.09 %"
    assert cell(made, "QAA", "ROUGE-2: published").text == "3.89"
    assert any("not of which order" in note for note in made.notes)
    assert cell(made, "LoRA", "of all weights").text == "3.69 %"


def test_markdown_csv_and_latex_hold_the_same_cells(first, versus) -> None:
    whole = report.make(first.path).tables
    assert {"losses-demo", "scores-cpsycoun-n600", "claims", "reduction", "lora", "choices", "cost", "runs"} <= {
        made.name for made in whole
    }
    for made in whole:
        assert {len(row) for row in made.rows} == {len(made.columns)}
        assert not made.groups or sum(span for _, span in made.groups) == len(made.columns)
        lines = [x for x in table.markdown(made).splitlines() if x.startswith("|")]
        assert len(lines) == len(made.rows) + 2
        assert {len(re.split(r"(?<!\\)\|", x)) for x in lines} == {len(made.columns) + 2}
        rows = list(csv.reader(io.StringIO(table.csv_text(made))))
        assert len(rows) == len(made.rows) + 1 and len({len(r) for r in rows}) == 1
        text = table.latex(made)
        body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
        assert body.count(r"\\") == len(made.rows) and r"\toprule" in text
        assert {len(re.split(r"(?<!\\)&", x)) for x in body.splitlines()[1:]} == {len(made.columns)}
    row = next(r for r in csv.DictReader(io.StringIO(table.csv_text(published_tables.loss_tables(first, versus)[1]))))
    assert float(row["Small (300): train sd"]) > 0 and row["Small (300): train seeds"] == "3"
    assert float(row["parameters"]) == 1000


def test_text_that_means_something_to_a_format_is_escaped() -> None:
    made = document.Table("x", "a_b & 5 %", ["A|B", "C"], [[document.Entry("<i>|\\$"), document.Entry("−1 ± 2", -1.0)]])
    assert "&lt;i>\\|" in table.markdown(made)
    assert r"\textbackslash{}\$" in table.latex(made) and r"a\_b \& 5 \%" in table.latex(made)
    assert "&lt;i&gt;" in table.html_text(made) and "<i>" not in table.html_text(made)


def test_steps_to_loras_final_loss_by_hand() -> None:
    def run(losses: list[float]) -> Cell:
        history = [records.HistoryRow(step=k, train_loss=x) for k, x in enumerate(losses, 1)]
        return Cell("", "final", "", "", "", 300, 0, [], state="done", history=history)

    lora = run([4, 3, 2, 1, 2])  # as low as its end after three steps
    assert convergence.percent_of_steps(lora, lora) == 100
    assert convergence.percent_of_steps(run([3, 2, 1, 1, 1]), lora) == pytest.approx(200 / 3)
    assert convergence.percent_of_steps(run([4, 3, 3, 3, 1]), lora) == pytest.approx(500 / 3)
    assert convergence.percent_of_steps(run([4, 3, 3, 3, 2.1]), lora) is None
    assert convergence.percent_of_steps(run([]), lora) is None
    lucky = run([1.5] + [3.0] * 39)  # one batch is no running mean of two
    assert convergence.percent_of_steps(lucky, run([4.0] * 20 + [2.0] * 20)) is None
    steps, means = running_mean(run([float(k) for k in range(40)]).history)  # a window of two
    assert list(means[:3]) == [0.0, 0.5, 1.5] and len(steps) == 40


def test_loss_reduction_is_in_percent_of_the_same_seeds_lora(first) -> None:
    made = training.reduction_table(first)
    row = next(r for r in made.rows if [e.text for e in r[:3]] == ["QWTHN", "demo", "300"])
    own, lora = (first.of((label, "demo", 300)) for label in ("QWTHN", "LoRA r=4"))
    percent = [
        100 * (1 - a.loss("validation_loss") / b.loss("validation_loss")) for a, b in zip(own, lora, strict=True)
    ]
    assert row[5].value == pytest.approx(sum(percent) / 3) and row[5].value < 0 and row[5].text.startswith("−")
    assert row[6].text == "never" and row[7].text == "0 of 3"
    failed = next(r for r in made.rows if [e.text for e in r[:3]] == ["QWTHN", "demo", "600"])
    assert [e.text for e in failed[3:]] == ["failed"] * 4 + [document.DASH]


def test_published_tables_are_whole_and_transcribed() -> None:
    papers = published.papers()
    stated = {m.published for m in metrics.measures().values()}
    for paper in papers.values():
        names = {m.name for m in paper.methods}
        for block in paper.losses:
            assert set(block.cells) == {300, 600, 1000}
            assert all(set(c) == names and all(len(v) == 2 for v in c.values()) for c in block.cells.values())
        for block in paper.scores:
            assert set(block.cells) == names and set(block.metrics) <= stated
            assert all(len(values) == len(block.metrics) for values in block.cells.values())
    assert [b.name for b in papers["qwthn"].losses] == ["CPsyCounD", "R1-Distill-SFT"]
    assert papers["qwthn"].losses[0].cells[1000]["QWTHN"] == [1.497, 1.464]
    assert papers["qwthn"].losses[1].cells[600]["quanTA"] == [0.164, 0.159]
    assert papers["qwthn"].scores[0].cells["QWTHN"] == [14.593, 37.345, 14.023, 32.32]
    assert papers["qwthn"].scores[2].cells["quanTA"] == [84, 74, 82, 68]
    assert papers["survey"].scores[0].cells["Full"] == [12.19, 84.69, 20.39, 12.64, 20.25]
    # what the text says of Table I: up to 15 % lower train loss, and validation loss falls with n for LoRA
    table_one = papers["qwthn"].losses[0].cells
    assert 1 - table_one[300]["QWTHN"][0] / table_one[300]["MLP"][0] == pytest.approx(0.15, abs=0.005)
    assert all(a > b for a, b in pairwise(table_one[n]["MLP"][1] for n in (300, 600, 1000)))


def test_damaged_cells_are_reported_not_raised(tmp_path: Path) -> None:
    synthetic.table1(tmp_path, seeds=1, sizes=(300,))
    (tmp_path / "cells/final-qwthn-demo-n300-seed0/metrics.json").write_text("{")
    (tmp_path / "cells/final-quanta-demo-n300-seed0/scores.jsonl").write_text('{"id": 1}\n')
    damaged = {c.name: c.error for c in read.load(tmp_path).cells if c.state == "damaged"}
    assert set(damaged) == {"final-qwthn-demo-n300-seed0", "final-quanta-demo-n300-seed0"}
    assert all("cannot be read" in error for error in damaged.values())


def test_files_cut_at_the_end_of_a_line_are_damaged_too(tmp_path: Path) -> None:
    synthetic.table1(tmp_path, seeds=1, sizes=(300,))
    cut = {"qwthn": "scores.jsonl", "quanta": "history.csv", "lorar1": "scores.jsonl"}
    for label, name in cut.items():
        path = tmp_path / f"cells/final-{label}-demo-n300-seed0" / name
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[:-1])) if label != "lorar1" else path.unlink()
        metrics = json.loads((path.parent / "metrics.json").read_text())
        for score in metrics["metrics"]["test"].values():
            score["samples"] = synthetic.SAMPLES
        records.write_json(path.parent / "metrics.json", metrics)
    damaged = {c.name: c.error for c in read.load(tmp_path).cells if c.state == "damaged"}
    assert set(damaged) == {f"final-{label}-demo-n300-seed0" for label in cut}
    assert "19 of 20 answers" in damaged["final-qwthn-demo-n300-seed0"]


def test_a_set_by_another_name_has_no_published_numbers_beside_it(first, versus) -> None:
    made = {t.name: t for t in published_tables.loss_tables(first, versus)}["losses-cpsycoun"]
    assert "Measured on: data=cpsycoun." in made.notes
    named = read.load(first.path, {"cpsycoun": "our-talks"})
    tables_of = [*published_tables.loss_tables(named, []), *published_tables.score_tables(named, [])]
    assert {c.data for c in named.cells} == {"our-talks", "demo"} == {c.data for c in named.choices}
    assert not [c for t in tables_of for c in t.columns if "published" in c]
    assert "losses-our-talks" in {t.name for t in tables_of}


def test_a_published_tie_is_no_claim() -> None:
    def claim(better: int, worse: int) -> claims.Claim:
        return claims.Claim("QuanTA", metrics.measure("sa"), better, worse, 1, better=0, worse=1, undecided=0)

    assert claims.printed_orders(published.papers()["qwthn"], "quanTA", metrics.measure("sa")) == (0, 0, 1)  # 68 % both
    assert (claim(0, 0).direction, claim(0, 0).outcome) == ("equal", "the paper prints no order")
    assert claim(0, 1).outcome == "confirmed" and claim(1, 0).outcome == "contradicted"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no sweep.json"),
        ({"schema": 2, "name": "x", "scale": "demo", "cells": []}, "newer qft"),
        ({"schema": 1, "name": "x", "scale": "demo", "cells": []}, "no cells"),
        ({"schema": 1, "name": "x", "scale": "demo", "cells": [{"name": "a"}]}, "damaged"),
        ([], "damaged"),
    ],
)
def test_what_is_no_sweep_is_refused_in_one_sentence(content, words: str, tmp_path: Path) -> None:
    if content is not None:
        records.write_json(tmp_path / "sweep.json", content)
    with pytest.raises(QftError, match=words):
        read.load(tmp_path)


def test_a_run_that_diverged_is_named_and_not_averaged_away(tmp_path: Path) -> None:
    path = synthetic.table1(tmp_path, sizes=(300,))
    record = next(path.glob("cells/final-qwthn-demo-n300-seed1/record.json"))
    content = json.loads(record.read_text())
    content["training"]["validation_loss"] = 12.125
    record.write_text(json.dumps(content))
    (path / "cells" / record.parent.name / "metrics.json").unlink()
    of = read.load(path)
    own = of.of(("QWTHN", "demo", 300))
    assert entries.measured(own, measures.VALIDATION).remark == ""
    assert diverged(of) == ["QWTHN on demo, n = 300 (1 of 3 seeds, up to 12.1)"]
    with pytest.raises(ValueError, match="not finite"):
        statistics.compare_seeds([1.0, float("nan")], [1.0, 2.0])


def test_without_lora_nothing_is_said_of_its_steps(tmp_path: Path) -> None:
    of = read.load(synthetic.ablation(tmp_path, seeds=1))
    assert training.reduction_table(of) is None
