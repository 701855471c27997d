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


@pytest.mark.extended
def test_its_commands_run(tree: Path) -> None:
    for command, output in zip(USE.splitlines(), run(USE.splitlines(), tree)):
        assert re.search(r"\bcer\b", output), command


def test_it_passes_the_contract_and_is_seen_in_every_form_of_a_report(tree: Path) -> None:
    sweep = tree / "sweep"
    shutil.copytree(ROOT / "tests" / "fixtures" / "v0.1.0" / "sweep", sweep)
    cells = [answers.parent.name for answers in sweep.glob("cells/*/predictions.jsonl")]
    lines = [f"qft score run=sweep/cells/{cell} evaluation.metrics=[cer]" for cell in cells]
    *scored, _, _, contract = run([*lines, "qft report sweep", "qft report sweep markdown=results.md", CHECK], tree)
    assert len(scored) > 1 and all(re.search(r"\bcer +\d+\.\d ", out) for out in scored), scored
    assert re.search(r"\b1\d passed", contract), contract
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
