"""A sweep directory of a stranger's: nothing is written outside, no markup of theirs is run, altered runs are named."""

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import synthetic

from qft import records
from qft.errors import QftError
from qft.reports.analysis import facts
from qft.reports.read import load
from qft.reports.render import markdown, write
from qft.reports.report import make

EVIL = "x/../../..<script>alert(1)</script>\"'|$\\frac{ \x1b[31m\n# h\u202e ![](http://t)[a](javascript:b)`"
FORMULA = "=HYPERLINK(1)"


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Two data sets and two rows whose names are attacks, a search, a failure."""
    cells: list[dict[str, Any]] = []
    for data in (EVIL, EVIL.replace("/", "-"), "demo"):
        for label, adapter in ((FORMULA, "qwthn"), ("LoRA r=4", "lora"), (EVIL, "qtha")):
            made = synthetic.cell(label, adapter, data, 300, 0)
            cells.append(made | {"name": f"cell{len(cells)}"})
    strength = {FORMULA: (237, 1.4, 30.0), "LoRA r=4": (1000, 1.5, 28.0), EVIL: (300, 1.6, 20.0)}
    path = tmp_path / "a/b/c/sweep"
    synthetic.write(path, cells, strength, name="s", scores=["rougel_llamafactory"], failed=("cell4",))
    trials = [replace(trial, cell=EVIL, taken_from=EVIL) for trial in synthetic.trials({0.01: 1.4, 0.1: None})]
    chosen = [records.Choice(EVIL, EVIL, 300, 0.01, False, trials)]
    records.write(path / "choices.json", records.Choices(chosen=chosen))
    plan = json.loads((path / "sweep.json").read_text()) | {"command": f"qft sweep {EVIL} ```"}
    records.write_json(path / "sweep.json", plan)
    return path


class Elements(HTMLParser):
    """The elements of a page, their ids and addresses."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value or "" for key, value in attrs if key == "id"]
        self.links += [value or "" for key, value in attrs if key in ("href", "src")]
        assert not [key for key, _ in attrs if key.startswith("on")]


def test_names_stay_names(sweep: Path, tmp_path: Path) -> None:
    before = everything(tmp_path)
    report = make(sweep)
    write.everything(report)
    written = {name: text for name, text in everything(tmp_path).items() if before.get(name) != text}
    assert all(name.startswith("a/b/c/sweep/") and name.count("/") <= 5 for name in written)
    tables = [Path(name) for name in written if "/tables/" in name]
    # three sets have losses and scores, each in a file of its own
    assert len({p.name for p in tables if p.name.startswith("losses-")}) == 9

    page = (sweep / "report.html").read_text()
    found = Elements(page)
    assert found.tags.count("script") == 1 and "img" not in found.tags
    assert len(set(found.ids)) == len(found.ids) and all(re.fullmatch(r"[\w.-]+", name) for name in found.ids)
    assert all(re.match(r"#[\w.-]+$|cells/cell\d/|tables/[\w.-]+\.csv$|data:,", link) for link in found.links)

    for path in tables:
        text = (tmp_path / path).read_text()
        assert not set(text) & set("\x1b\u202e"), path
        if path.suffix == ".csv":
            for row in csv.reader(text.splitlines()):
                assert not any(entry[:1] in ("=", "+", "@") for entry in row), row
        if path.suffix == ".tex":
            assert re.findall(r"\\label\{tab:[\w.-]+\}", text) and not re.search(r"(?<!\\)[$]\\frac", text)
    text = markdown.page([report], "r.md")
    assert not set(text) & set("\x1b\u202e")
    shown = outside_fences(text)
    assert not [bad for bad in ("<script>", "](javascript", "](http", "\n# h") if bad in shown]


def outside_fences(markdown: str) -> str:
    """Without fenced code, read as Markdown reads it: a fence ends at one as long as that it began with."""
    out, fence = [], ""
    for line in markdown.splitlines():
        mark = (re.match("`{3,}", line) or [""])[0]
        if not fence and mark:
            fence = mark
        elif fence and line.strip() == mark and len(mark) >= len(fence):
            fence = ""
        elif not fence:
            out.append(line)
    assert not fence
    return "\n".join(out)


@pytest.mark.parametrize("name", ["../../x", "a/b", "..", "a\nb"])
def test_a_cell_is_one_name(name: str, sweep: Path) -> None:
    plan = json.loads((sweep / "sweep.json").read_text())
    plan["cells"][0]["name"] = name
    records.write_json(sweep / "sweep.json", plan)
    with pytest.raises(QftError, match="cell="):
        load(sweep)


def alter(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_altered_runs_are_named(sweep: Path) -> None:
    chosen = (0, 1, 2, 3, 6)
    folders = [sweep / f"cells/cell{k}" for k in chosen]
    for folder in folders:
        records.RunDirectory(folder).finish()
        records.RunDirectory(folder).scored()
    assert all(load(sweep).cells[k].done for k in chosen)
    alter(folders[0] / "record.json", '"validation_loss": 1', '"validation_loss": 0')
    alter(folders[1] / "history.csv", "\n40,", "\n40,,,")
    metrics = json.loads((folders[2] / "metrics.json").read_text())
    metrics["metrics"]["test"]["rougel_llamafactory"]["value"] = 99.9
    records.write_json(folders[2] / "metrics.json", metrics)
    scores = (folders[3] / "scores.jsonl").read_text()
    (folders[3] / "scores.jsonl").write_text(re.sub(r'_llamafactory": [\d.]+', '_llamafactory": 100.0', scores))
    alter(folders[4] / "heldout.csv", ",a,", ",b,")
    report = make(sweep)
    names = ("record.json", "history.csv", "metrics.json", "scores.jsonl", "heldout.csv")
    for cell, name in zip([report.analysis.sweep.cells[k] for k in chosen], names, strict=True):
        assert cell.state == "damaged" and name in str(cell.error) and "not what it was when" in str(cell.error)
        assert f"{cell.name} cannot be read" in markdown.page([report], "r.md")
    assert facts.counts(report.analysis.sweep)["damaged"] == 5
    assert any("5 damaged" in line for line in report.sections[0].notes)


@pytest.mark.parametrize("value", ["<b>", [1], {}, True, "NaN", 10**400])
def test_a_number_that_is_none_damages_its_run_alone(value: Any, sweep: Path) -> None:
    file = sweep / "cells/cell0/record.json"
    document = json.loads(file.read_text())
    document["parameters"]["trainable"] = float("nan") if value == "NaN" else value
    file.write_text(json.dumps(document))
    cell = load(sweep).cells[0]
    assert cell.state == "damaged" and re.search(
        r"parameters\.trainable' is .*not a whole number|is not a number", str(cell.error)
    )


def test_only_tables_of_ours_are_removed(sweep: Path, tmp_path: Path) -> None:
    folder = sweep / "tables"
    folder.mkdir()
    for name in ("old.md", "old.csv", "old.tex", "notes.md", "thesis.tex"):
        (folder / name).write_text("x")
    write.everything(make(sweep))
    left = {p.name for p in folder.iterdir()}
    assert {"notes.md", "thesis.tex"} <= left and not {"old.md", "old.csv", "old.tex"} & left
    folder.rename(tmp_path / "elsewhere")
    (sweep / "tables").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(QftError, match="is a link"):
        write.everything(make(sweep))
