"""docs/sweeps.md, taken at its word: a reader's own sweep is planned, and a smaller one of it runs."""

import json
import re
from pathlib import Path

import pytest
from program import qft_here

PAGE = Path(__file__).parent.parent / "docs" / "sweeps.md"
SMALL = ["rows=[lora,lora_qv]", "n=[20]", "seeds=[0]", "trainer.max_steps=1", "evaluation.limit=2"]


@pytest.fixture(autouse=True)
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory with the yaml that the page tells its reader to write."""
    found = re.search(r"^`\./(configs/sweep/mine\.yaml)`:\n\n```yaml\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    assert found is not None
    file = tmp_path / found[1]
    file.parent.mkdir(parents=True)
    file.write_text(found[2])
    monkeypatch.chdir(tmp_path)


def test_the_sweep_of_the_page_is_planned(capfd: pytest.CaptureFixture[str]) -> None:
    assert qft_here("sweep", "mine", "--dry-run", "format=json") == 0
    cells = json.loads(capfd.readouterr().out)["cells"]
    assert len([c for c in cells if c["role"] == "final"]) == 5 * 5
    controls = {c["label"]: c["variant"] for c in cells if c["key"] == "qwthn_no_circuit"}
    assert controls == {"QWTHN, no circuit": {"circuit": "none"}}
    assert {c["key"] for c in cells if "layers" in c["differs"]} == {"lora_qv"}


def test_without_the_declaration_it_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    file = Path("configs/sweep/mine.yaml")
    file.write_text(file.read_text().replace(", varies: [layers]", ""))
    assert qft_here("sweep", "mine", "--dry-run") == 2
    error = capfd.readouterr().err
    assert "the row lora_qv differs from the others in layers on demo" in error and "varies: [layers]" in error


@pytest.mark.extended
def test_a_small_one_runs_and_a_comment_is_no_new_experiment(capfd: pytest.CaptureFixture[str]) -> None:
    options = ["sweep", "mine", *SMALL, "evaluation.max_new_tokens=4", "workers=1"]
    assert qft_here(*options) == 0
    file = Path("configs/sweep/mine.yaml")
    file.write_text(file.read_text() + "# a remark\n")
    assert qft_here(*options) == 0
    assert "start" not in capfd.readouterr().err.rpartition("at a time")[2], "nothing was run again"
    assert qft_here("report", "outputs/sweeps/mine-demo") == 0
