"""docs/add-a-metric.md as a stranger would follow it, in a copy of the source tree, as far as the report."""

import csv
import re
import shutil
from pathlib import Path

import pytest
from pages import ROOT, commands_of, files_of, run, tree_with

PAGE = (ROOT / "docs" / "add-a-metric.md").read_text(encoding="utf-8")
FILES = files_of(PAGE)
USE, CHECK = commands_of(PAGE)
TITLE = "Character error rate"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source tree with the page's files in it."""
    return tree_with(FILES, tmp_path_factory.mktemp("tree"))


def test_the_page_is_one_file_and_one_yaml() -> None:
    assert [str(Path(name).parent) for name, _ in FILES] == ["qft/evaluation/metrics", "configs/metric"]


def test_it_passes_the_contract(tree: Path) -> None:
    out = run(CHECK, tree)
    assert re.search(r"\b1\d passed", out), out


@pytest.mark.extended
def test_its_commands_run(tree: Path) -> None:
    for command in USE.splitlines():
        assert re.search(r"\bcer\b", run(command, tree)), command


def test_it_is_seen_in_every_form_of_a_report(tree: Path) -> None:
    sweep = tree / "sweep"
    shutil.copytree(ROOT / "tests" / "fixtures" / "v0.1.0" / "sweep", sweep)
    for answers in sweep.glob("cells/*/predictions.jsonl"):
        out = run(f"qft score run=sweep/cells/{answers.parent.name} evaluation.metrics=[cer]", tree)
        assert re.search(r"\bcer +\d+\.\d ", out), out
    run("qft report sweep", tree)
    run("qft report sweep markdown=results.md", tree)
    page = (sweep / "report.html").read_text(encoding="utf-8")
    scores, compared = (
        list(csv.DictReader((sweep / "tables" / f"{name}.csv").read_text(encoding="utf-8").splitlines()))
        for name in ("scores-demo-n20", "controls")
    )
    assert len(scores) > 1 and all(0 <= float(row[TITLE]) <= 100 for row in scores)
    assert {row["measure"] for row in compared} >= {TITLE, "ROUGE-L", "validation loss"}
    assert (
        f'<button type="button">{TITLE}</button>' in page
        and f'<td class="text" title="% of characters">{TITLE}' in page
    )
    for text in ((sweep / "tables" / "scores-demo-n20.md"), tree / "results.md"):
        assert TITLE in text.read_text(encoding="utf-8"), text
    assert TITLE in (sweep / "tables" / "variants.tex").read_text(encoding="utf-8")
