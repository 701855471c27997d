"""What qft runs lists: every run and sweep, with its state; a damaged one is a line like the others."""

import json
import shutil
from pathlib import Path

import pytest
import synthetic
from program import qft_here

from qft.process.locks import lock
from qft.reports import inventory

OLD = Path(__file__).parents[1] / "fixtures/v0.1.0"


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """A finished run, one that was altered, one cut off, one whose record is broken, and a sweep with a failure."""
    for name in ("good", "altered", "begun", "broken"):
        shutil.copytree(OLD / "run", tmp_path / name)
    with (tmp_path / "altered/history.csv").open("a") as file:
        file.write("4,,,,,,,\n")
    (tmp_path / "begun/COMPLETE").unlink()
    (tmp_path / "begun/SCORED").unlink(missing_ok=True)
    (tmp_path / "broken/record.json").write_text("{")
    cells = [synthetic.cell("LoRA r=4", "lora", "demo", 20, seed) for seed in range(3)]
    strength = {"LoRA r=4": (1000, 1.0, 40.0)}
    synthetic.write(tmp_path / "sweeps/s-demo", cells, strength, failed=["seed1"], missing=["seed2"])
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/text.txt").write_text("no run")
    (tmp_path / "link").symlink_to(tmp_path / "good")
    return tmp_path


def test_every_run_is_a_line_with_its_state(outputs: Path) -> None:
    lines = {line.name: line for line in inventory.below(outputs)}
    states = {name: line.state for name, line in lines.items()}
    assert states == {
        **{"good": "done", "altered": "damaged", "begun": "interrupted", "broken": "damaged"},
        "s-demo": "unfinished",
    }
    good = lines["good"]
    record = json.loads((OLD / "run/record.json").read_text())
    assert (good.data, good.seed) == (record["data"]["name"], record["seed"])
    assert good.parameters == record["parameters"]["trainable"]
    assert good.validation_loss == record["training"]["validation_loss"]
    assert good.size == sum(f.stat().st_size for f in (OLD / "run").rglob("*") if f.is_file())
    assert lines["s-demo"].cells == {"done": 1, "failed": 1, "not run": 1}
    assert "history.csv is damaged" in (lines["altered"].problem or "")
    assert "record.json is damaged" in (lines["broken"].problem or "")


def test_a_sweep_itself_is_listed_cell_by_cell(outputs: Path) -> None:
    sweep, *cells = inventory.below(outputs / "sweeps/s-demo")
    assert [sweep.kind, *(cell.state for cell in cells)] == ["sweep", "done", "failed", "not run"]
    assert cells[0].method == "LoRA r=4" and cells[0].score is not None
    assert len(inventory.below(outputs, cells=True)) == len(inventory.below(outputs)) + 3


def test_what_a_process_holds_is_running(outputs: Path) -> None:
    with lock(outputs / "begun/.lock"):
        assert inventory.run(outputs / "begun").state == "running"
    assert inventory.run(outputs / "begun").state == "interrupted"


def test_the_command_filters_and_sorts(outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(outputs.parent)
    assert qft_here("runs", str(outputs), "filter=[run,damaged]", "sort=name", "reverse=true", "format=json") == 0
    assert [line["name"] for line in json.loads(capsys.readouterr().out)["runs"]] == ["broken", "altered"]
    assert qft_here("runs", str(outputs), "sort=nmae") == 2
    assert "Did you mean 'name'" in capsys.readouterr().err
    assert qft_here("runs", "output_dir=nowhere") == 2
    assert "no directory nowhere" in capsys.readouterr().err
