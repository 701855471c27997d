"""qft report from its command line: directories as plain words, what it writes, its errors."""

import json
from pathlib import Path

import pytest
import synthetic
from program import qft_here

from qft.cli import report as command
from qft.config import ReportConfig
from qft.errors import QftError
from qft.reports import report
from qft.reports.render import markdown


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep whose directory has everything that needs quoting in its name."""
    return synthetic.table1(tmp_path_factory.mktemp("report") / "it's [a], b\\c = {d}", sizes=(300,), seeds=5)


def qft(*args: str) -> int:
    return qft_here("report", *args)


def test_directories_are_plain_words_and_flags_keep_theirs() -> None:
    split = command.arguments
    assert split(["a b", "format=json", "c'd\\"]) == ["format=json", r"dir=['a b','c\'d\\']"]
    assert split(["dir=x", "--cfg", "job"]) == ["dir=x", "--cfg", "job"]
    assert split(["x", "--cfg", "job", "--resolve"]) == ["--cfg", "job", "--resolve", "dir=['x']"]


def test_page_tables_and_json(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (folder / "tables").mkdir()
    for form in ("md", "csv", "tex"):
        (folder / f"tables/old.{form}").write_text("of an earlier report")
    (folder / "tables/notes.txt").write_text("of the user")
    plain = Path("a sweep")  # "=" makes a word an override, so that directory is named by a link
    plain.symlink_to(folder)
    assert qft("a sweep", "format=json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["reports"][0]["states"] == {"done": 44}
    assert any("Contradicted" in c for c in document["reports"][0]["claims"])
    written = [Path(p) for p in document["written"]]
    assert plain / "report.html" in written and all(p.stat().st_size for p in written)
    names = {p.name for p in (folder / "tables").iterdir()}
    assert {"losses-cpsycoun.md", "losses-cpsycoun.csv", "losses-cpsycoun.tex", "runs.csv", "notes.txt"} <= names
    assert "old.tex" not in names and not list(folder.glob("**/.*.tmp"))


def test_two_sweeps_make_one_dated_markdown_page(folder: Path, tmp_path: Path) -> None:
    second = synthetic.ablation(tmp_path / "ablation", seeds=1)
    made = [report.make(folder), report.make(second)]
    text = markdown.page(made, "docs/results.md")
    assert "qft sweep table1 scale=demo" in text and "qft sweep ablation scale=demo" in text
    assert f"qft report {folder} {second} markdown=docs/results.md" in text
    for words in ("no 7B model", "## table1", "## ablation", "Rows of fewer than 5 seeds get none"):
        assert words in text
    assert "What does the circuit contribute?" in text.partition("## ablation")[2]
    assert "cpsycoun (1,280 samples to draw from, 20 for the test, fingerprint d5ec0486ddb8); demo (1,280" in text
    heading = next(line for line in text.splitlines() if line.startswith("## ablation"))
    assert f"- [{heading[3:]}](#ablation-scale-demo-demo-on-synthetic-4m)" in text
    assert text.count("<details>") == text.count("</details>") > 4, "what is not a paper's table is folded away"
    notes = [line for line in text.partition("## ablation")[0].splitlines() if line.startswith("The papers print no")]
    assert len(notes) == len(set(notes)), "a note of several tables stands once"
    assert "](cells/" not in text, "links into a sweep's directory mean nothing in docs/"
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in lines) and len(lines) > 40


def test_a_set_may_be_given_another_name(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    link = tmp_path / "sweep"
    link.symlink_to(folder)
    assert qft(str(link), f"markdown={page}", "names.cpsycoun=our-talks") == 0
    text = page.read_text()
    assert f"qft report {link} names.cpsycoun=our-talks markdown={page}" in text
    assert "Train and validation loss, our-talks" in text and "(Table I" not in text and "published |" not in text


def test_errors_are_one_sentence(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (link := tmp_path / "sweep").symlink_to(folder)
    for args, words in (
        ([], "dir is required"),
        (["nowhere"], "nowhere does not exist"),
        ([str(tmp_path)], "sweep.json"),
        (["x", "markdow=a"], "'markdown'"),
        ([str(link), "names.cpsycuon=x"], "'cpsycoun'"),
        ([str(link), "names.cpsycoun=demo"], "another data set"),
        ([str(link), "names.cpsycoun=a/b"], "is not made of letters"),
    ):
        assert qft(*args) == 2
        error = capsys.readouterr().err
        assert error.startswith("qft: ") and words in error and "Traceback" not in error
    assert ReportConfig().dir == "???"
    with pytest.raises(QftError, match="cannot be created"):
        from qft.reports.render import write

        write.text(tmp_path / "file" / "x.md", "text")
