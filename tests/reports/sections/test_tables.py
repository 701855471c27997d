"""Tables of synthetic sweeps: layout, published beside measured, missing and failed cells."""

import json
import re
from pathlib import Path

import pytest
import synthetic

from qft import records
from qft.reports import document, read, report
from qft.reports.analysis import comparisons, measures
from qft.reports.document import Entry, Table
from qft.reports.render import table
from qft.reports.sections import entries, pareto, published_tables, runs, training


def cell(of: Table, row: str, column: str) -> Entry:
    """The entry in the row that starts with ``row`` and the column called ``column``, its group before it."""
    heads = of.headings
    return next(r for r in of.rows if r[0].text.startswith(row))[heads.index(column)]


def test_table_one_shows_means_over_seeds_beside_published_numbers(first, compared) -> None:
    made = {t.name: t for t in published_tables.loss_tables(first, compared)}
    assert list(made) == ["losses-cpsycoun", "losses-demo"]
    of = made["losses-cpsycoun"]
    assert of.groups == [("", 5), ("Small (300)", 5), ("Medium (600)", 5)]
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


def test_missing_and_failed_cells_are_shown_as_such(first, compared) -> None:
    made = {t.name: t for t in published_tables.loss_tables(first, compared)}
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
    compared = comparisons.with_lora(of)
    found = cell(published_tables.loss_tables(of, compared)[0], "QWTHN", "Small (300): train")
    assert found.sd is None and "±" not in found.text and found.remark == "1 seed"
    assert all(v.interval is None for v in compared if v.measure in measures.LOSSES)
    assert all(v.word == "descriptive" for v in compared), "one seed says nothing of others"
    assert "(1 seed)" in table.markdown(published_tables.loss_tables(of, compared)[0])


def test_bold_is_what_a_verdict_calls_better(first, compared, tmp_path: Path) -> None:
    # with LoRA the weakest, the others are better and bold; as drawn above, on 3 seeds, none is
    assert not [e for t in published_tables.loss_tables(first, compared) for row in t.rows for e in row if e.bold]
    strength = {"LoRA r=4": (1000, 2.0, 20.0), "QWTHN": (237, 1.0, 40.0), "Same": (237, 2.0, 20.0)}
    cells = [
        synthetic.cell(label, adapter, "demo", 300, seed)
        for label, adapter in (("LoRA r=4", "lora"), ("QWTHN", "qwthn"), ("Same", "other"))
        for seed in range(5)
    ]
    of = read.load(synthetic.write(tmp_path, cells, strength))
    better = comparisons.with_lora(of)
    for made in (*published_tables.loss_tables(of, better), *published_tables.score_tables(of, better)):
        for row in made.rows:
            bold = [heading for heading, e in zip(made.headings, row, strict=True) if e.bold]
            decided = "Small (300): held out" if made.name.startswith("losses") else "ROUGE-L"
            assert bold == ([decided] if row[0].text == "QWTHN" else [])


def test_survey_prints_both_where_the_paper_contradicts_itself(tmp_path: Path) -> None:
    of = read.load(synthetic.survey(tmp_path))
    (made,) = published_tables.score_tables(of, comparisons.with_lora(of))
    assert cell(made, "SoRA", "BLEU-4: published").text == "0.67 / 2.67"
    assert cell(made, "SoRA", "ratio, published").text == "0.10 % / 0.09 %"
    assert cell(made, "QAA", "ROUGE-2: published").text == "3.89"
    assert any("not of which order" in note for note in made.notes)
    assert cell(made, "LoRA", "of all weights").text == "3.69 %"


def test_a_set_by_another_name_has_no_published_numbers_beside_it(first, compared) -> None:
    made = {t.name: t for t in published_tables.loss_tables(first, compared)}["losses-cpsycoun"]
    assert "Measured on: data=cpsycoun." in made.notes
    named = read.load(first.path, {"cpsycoun": "our-talks"})
    tables_of = [*published_tables.loss_tables(named, []), *published_tables.score_tables(named, [])]
    assert {c.data for c in named.cells} == {"our-talks", "demo"} == {c.data for c in named.choices}
    assert not [c for t in tables_of for c in t.columns if "published" in c]
    assert "losses-our-talks" in {t.name for t in tables_of}


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


def test_without_lora_nothing_is_said_of_its_steps(tmp_path: Path) -> None:
    of = read.load(synthetic.ablation(tmp_path, seeds=1))
    assert training.reduction_table(of) is None


def test_what_a_row_declares_to_differ_stands_beside_it_everywhere(tmp_path: Path) -> None:
    path = synthetic.table1(tmp_path, sizes=(300,), seeds=2)
    plan = json.loads((path / "sweep.json").read_text())
    for planned in plan["cells"]:
        if planned["label"] == "QuanTA":
            planned["differs"] = {"layers": "up_proj; theirs: q_proj"}
    records.write_json(path / "sweep.json", plan)
    made = report.make(path)
    named = {t.name: [r[0].remark for r in t.rows if r[0].text.startswith("QuanTA")] for t in made.tables}
    for name in ("losses-cpsycoun", "scores-demo-n300", "lora", "reduction", "cost"):
        assert named[name] and set(named[name]) == {"layers: up_proj; theirs: q_proj"}, name
    assert not [r for t in made.tables if t.name == "cost" for r in t.rows if "QuanTA" not in r[0].text and r[0].remark]
    (cost,) = (t for t in made.tables if t.name == "cost")
    for form in (table.markdown, table.csv_text):
        assert "QuanTA (layers: up_proj; theirs: q_proj)" in form(cost)
    assert r"QuanTA (layers: up\_proj; theirs: q\_proj)" in table.latex(cost)
    assert "QuanTA<small>layers: up_proj; theirs: q_proj</small>" in table.html_text(cost)


def test_size_against_result_says_who_is_on_the_front_and_what_it_costs(tmp_path: Path) -> None:
    made = report.make(synthetic.pareto(tmp_path, seeds=2))
    (of,) = (t for t in made.tables if t.name == "pareto")
    assert [row[0].text for row in of.rows] == ["base", *synthetic.FRONT], "by size"
    assert cell(of, "LoRA r=4", "on the front").text == "held-out loss, ROUGE-L"
    assert cell(of, "QWTHN", "on the front").text == document.DASH
    assert cell(of, "QWTHN", "forgetting").value == pytest.approx(0.25)
    assert cell(of, "QWTHN", "s a step").value == pytest.approx(0.5)
    head, *lines = table.csv_text(of).splitlines()
    assert head.startswith("Row,data,n,parameters") and len(lines) == 15
    losses = next(t for t in made.tables if t.name == "losses-demo")
    assert cell(losses, "all norms", "Small (300): forgetting").value == pytest.approx(0.25)


def test_the_front_is_drawn_with_every_name_and_the_worst_at_the_edge(tmp_path: Path) -> None:
    figure = pareto.front_figure(read.load(synthetic.pareto(tmp_path, seeds=2)))
    assert [p.row for p in figure.panels] == ["demo n=300", "demo n=300"] and figure.scrolls
    for panel in figure.panels:
        for name in synthetic.FRONT:
            assert f">{name}" in panel.svg, name
    assert re.search(r">QuanTA: 4\.\d", figure.panels[0].svg), "its loss is said where it is not drawn"


def test_few_rows_have_no_section_of_their_own(first) -> None:
    made = report.make(first.path)
    assert "pareto" not in {t.name for t in made.tables}
    assert "forgetting" not in {c for t in made.tables for c in t.columns}, "where nothing was measured"
