"""What is refused leaves nothing behind, and overwrite=true deletes a run of ours and nothing else."""

import json
import shutil
from pathlib import Path

import pytest
from program import qft_here

import qft
from qft import records
from qft.errors import QftError
from qft.records import removal

TRAIN = ["train", "n=20", "trainer.max_steps=1", "adapter=lora"]
DEMO = Path(qft.__file__).parent / "models/demo"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def everything(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def a_run(path: Path, **files: str) -> Path:
    """A run directory as training leaves it, less the weights."""
    path.mkdir(parents=True)
    directory = records.RunDirectory(path)
    directory.save(records.new_record(0))
    (path / "config.yaml").write_text("n: 20\n")
    (path / "adapter").mkdir()
    for name, text in files.items():
        (path / name).write_text(text)
    directory.finish()
    return path


@pytest.mark.parametrize("name", ["../../thesis", "a\n\x1b[31m\u202eb"])
def test_run_is_one_name(name: str, here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here.parent / "thesis").mkdir()
    before = everything(here.parent)
    assert qft_here(*TRAIN, f"run='{name}'", "overwrite=true") == 2
    error = capfd.readouterr().err
    assert "run=" in error and "Traceback" not in error and "\x1b" not in error and "\u202e" not in error
    assert everything(here.parent) == before


def test_overwrite_deletes_no_directory_that_is_no_run(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    thesis = here / "outputs/thesis"
    thesis.mkdir(parents=True)
    (thesis / "chapter1.tex").write_text("precious")
    assert qft_here(*TRAIN, "run=thesis") == 2  # without being asked to, it was emptied
    (thesis / "config.yaml").write_text("a: 1\n")  # somebody else's
    (thesis / "record.json").write_text("{}")
    before = everything(here)
    assert qft_here(*TRAIN, "run=thesis", "overwrite=true") == 2
    assert qft_here("eval", "out=outputs/thesis", "overwrite=true", "adapter.path=nowhere") == 2
    assert "is not a run of qft" in (error := capfd.readouterr().err) and "not recognisably a run" in error
    assert everything(here) == before


def test_what_may_be_deleted(here: Path) -> None:
    run = a_run(here / "outputs/r")
    removal.check(run, here / "outputs")
    (here / "link").symlink_to(run)
    for path, root in ((here / "link", here), (run, here), (here / "outputs/../outputs/r", here)):
        with pytest.raises(QftError, match="is a link or does not lie in"):
            removal.check(path, root)
    (run / "notes.md").write_text("precious")
    with pytest.raises(QftError, match=r"holds notes\.md"):
        removal.check(run, here / "outputs")
    removal.clear(run)
    assert [p.name for p in run.iterdir()] == ["notes.md"]
    paid = a_run(here / "outputs/paid", **{"qcloud.sqlite": "results that were paid for"})
    with pytest.raises(QftError, match=r"holds qcloud\.sqlite"):
        removal.check(paid, here / "outputs")
    damaged = a_run(here / "outputs/damaged")
    (damaged / "record.json").write_text("{")
    removal.check(damaged, here / "outputs")  # its marker still says what it is


def without_weights(here: Path) -> list[str]:
    shutil.copytree(DEMO, here / "model")
    (here / "model/model.safetensors").unlink()
    return ["model.path=model"]


def test_a_refusal_leaves_nothing_behind(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = without_weights(here)
    (here / "a").mkdir()
    (here / "file").write_text("")
    (here / "thesis").mkdir()
    (here / "thesis/chapter1.tex").write_text("precious")
    before = everything(here)
    refused = [
        [*TRAIN, *model, "run=r"],
        ["eval", *model],
        ["eval", "adapter.path=a", "out=new"],
        ["eval", "out=file"],
        ["eval", "out=file/below"],
        ["eval", "out=thesis", "overwrite=true"],
        [*TRAIN, "output_dir=file"],
        ["train", "-m", "n=0,-1"],
        ["circuit", "out=file"],
        ["circuit", "out='a\nb'"],
        ["data", "output_dir=file"],
        ["sweep", "table1", "scale=smoke", "dir=file"],
        ["sweep", "table1", "scale=smoke", "dir=thesis", "overwrite=true"],
        ["sweep", "table1", "scale=smoke", "dir='a\x1bb'"],
        ["sweep", "table1", "scale=smoke", "rows=[lora]", "datasets=[demo_talk]", "model.path=a"],
        ["report", "a", "markdown=thesis"],
    ]
    for args in refused:
        assert qft_here(*args) == 2, args
        error = capfd.readouterr().err
        assert "qft: " in error and "Traceback" not in error, (args, error)
        assert everything(here) == before, args


def test_no_name_steers_the_terminal(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from qft.cli._output import complain, log, show
    from qft.progress import start_logging

    evil = "a\x1b]0;title\x07\n\u202eb [/red] [bold]"
    for form in ("table", "json"):
        show(form, {"name": evil}, evil, [evil], [[evil]])
    handlers = list(log.root.handlers)
    try:
        start_logging()
        log.error("%s", evil)
    finally:
        log.root.handlers[:] = handlers
    complain(evil)
    out, error = capfd.readouterr()
    assert not set(out + error) & set("\x1b\x07\u202e") and "[/red] [bold]" in out
    assert error.count("\n") == 2, "a line break in a name begins no line"
    assert json.loads(out[out.index("{") : out.rindex("}") + 1]) == {"name": evil}
