"""docs/budget.md, taken at its word: each example prints what the page shows."""

import re
import shlex
from pathlib import Path

import pytest
from program import qft_here

PAGE = Path(__file__).parent.parent / "docs" / "budget.md"
EXAMPLES = [
    (words, shown.strip().splitlines())
    for block in re.findall(r"^```console\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    for words, shown in re.findall(r"^\$ qft ([^\n]+)\n((?:(?!\$ ).*\n)*)", block, re.M)
]
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")


@pytest.mark.parametrize(("words", "shown"), EXAMPLES, ids=[words for words, _ in EXAMPLES])
def test_an_example_prints_what_the_page_shows(
    words: str, shown: list[str], capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown
    code = qft_here(*shlex.split(words))
    out, err = capfd.readouterr()
    printed = "\n".join(" ".join(line.split()) for line in (out + err).splitlines())
    assert code == (2 if shown[0].startswith("qft: ") else 0)
    for line in shown:
        assert " ".join(line.split()) in printed


def test_every_example_of_the_page_is_tried() -> None:
    assert len(EXAMPLES) == PAGE.read_text(encoding="utf-8").count("\n$ qft ") > 5
