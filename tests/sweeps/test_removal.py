"""qft rm deletes runs and sweeps of ours as a whole, and nothing else."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import synthetic
from program import qft_here

from qft.process.locks import lock

OLD = Path(__file__).parents[1] / "fixtures/v0.1.0"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with two runs, an evaluation and a sweep of two cells in outputs."""
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two-20260102-030405"):
        shutil.copytree(OLD / "run", tmp_path / "outputs" / name)
    cells = [synthetic.cell("LoRA r=4", "lora", "demo", 20, seed) for seed in range(2)]
    synthetic.write(tmp_path / "outputs/sweeps/s-demo", cells, {"LoRA r=4": (1000, 1.0, 40.0)})
    return tmp_path


def left(here: Path) -> set[str]:
    folders = [*(here / "outputs").iterdir(), *(here / "outputs/sweeps").iterdir()]
    return {p.name for p in folders if p.name != "sweeps"}


def test_runs_and_sweeps_go_by_name(here: Path, capsys) -> None:
    assert qft_here("report", "s-demo") == 0
    assert qft_here("rm", "two", "s-demo", "yes=true") == 0, capsys.readouterr().err
    assert left(here) == {"one"}


def test_a_cell_goes_alone_and_with_its_sweep_once(here: Path) -> None:
    cells = here / "outputs/sweeps/s-demo/cells"
    name = min(cells.iterdir()).name
    assert qft_here("rm", name, "yes=true") == 0
    assert len(list(cells.iterdir())) == 1
    assert qft_here("rm", next(cells.iterdir()).name, "s-demo", "yes=true") == 0
    assert left(here) == {"one", "two-20260102-030405"}


def users_file(here: Path) -> str:
    (here / "outputs/one/thesis.txt").write_text("years of work")
    return "thesis.txt"


def users_file_in_a_sweep(here: Path) -> str:
    (here / "outputs/sweeps/s-demo/cells/mine").mkdir()
    return "not recognisably"


def users_note_among_tables(here: Path) -> str:
    (here / "outputs/sweeps/s-demo/tables").mkdir()
    (here / "outputs/sweeps/s-demo/tables/notes.md").write_text("mine")
    return "tables/notes.md"


def a_link(here: Path) -> str:
    shutil.move(here / "outputs/one", here / "elsewhere")
    (here / "outputs/one").symlink_to(here / "elsewhere")
    return "is a link"


def somebody_elses(here: Path) -> str:
    shutil.rmtree(here / "outputs/one")
    (here / "outputs/one").mkdir()
    (here / "outputs/one/photo.jpg").touch()
    return "not recognisably"


@pytest.mark.parametrize(
    "prepare", [users_file, users_file_in_a_sweep, users_note_among_tables, a_link, somebody_elses]
)
def test_what_is_not_ours_is_left_with_all_that_was_named(prepare: Callable, here: Path, capsys) -> None:
    said = prepare(here)
    before = sorted(map(str, here.rglob("*")))
    assert qft_here("rm", "two", "one", "s-demo", "yes=true") == 2
    assert said in capsys.readouterr().err
    assert sorted(map(str, here.rglob("*"))) == before


@pytest.mark.parametrize("held", ["outputs/one/.lock", "outputs/sweeps/s-demo/.lock", "outputs/sweeps/s-demo/.locks/x"])
def test_what_is_running_is_left(held: str, here: Path, capsys) -> None:
    name = min((here / "outputs/sweeps/s-demo/cells").iterdir()).name
    path = here / held.replace("/x", f"/{name}")
    path.parent.mkdir(exist_ok=True)
    with lock(path):
        assert qft_here("rm", "one", "s-demo", "yes=true") == 2
    assert "in use by another process" in capsys.readouterr().err
    assert {"one", "s-demo"} <= left(here)


def test_it_asks_and_only_the_command_line_may_answer(here: Path, capsys) -> None:
    assert qft_here("rm", "one") == 2
    assert "yes=true deletes without asking" in capsys.readouterr().err
    (here / "configs").mkdir()
    packaged = Path(__file__).parents[2] / "configs/rm.yaml"
    (here / "configs/rm.yaml").write_text(packaged.read_text().replace('"yes": false', '"yes": true'))
    assert qft_here("rm", "one") == 2
    assert "counts on the command line only" in capsys.readouterr().err
    assert "one" in left(here)
