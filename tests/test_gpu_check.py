"""scripts/gpu_check.py: pieces that end, fail or are cut off, and a second start that goes on."""

import json
from pathlib import Path

import gpu_check
import pytest

COUNT = "import pathlib; f = pathlib.Path(r'{out}/count'); f.write_text(f.read_text() + '.' if f.exists() else '.')"


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    some = [
        gpu_check.Piece("good", 60, ["-c", COUNT]),
        gpu_check.Piece("bad", 60, ["-c", "raise SystemExit('no such device')"]),
        gpu_check.Piece("slow", 2, ["-c", "import time; time.sleep(600)"]),
        gpu_check.Piece("long", 600, ["-c", "import time; time.sleep(600)"]),
    ]
    monkeypatch.setattr(gpu_check, "pieces", lambda small: some)
    monkeypatch.setattr(gpu_check, "LEAST", 0.5)
    return tmp_path / "out"


def test_what_is_cut_off_runs_again_and_nothing_else_does(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # 0.2 minutes: two short pieces and the slow one need few seconds, also beside ten other processes
    assert gpu_check.main(["--out", str(out), "--minutes", "0.2"]) == 1
    states = json.loads((out / "pieces.json").read_text())
    assert {name: known["state"] for name, known in states.items()} == {
        "good": "done",
        "bad": "failed",
        "slow": "failed",
        "long": "cut off",
    }
    assert "no such device" in states["bad"]["said"]
    assert gpu_check.main(["--out", str(out), "--minutes", "0.02"]) == 0
    assert (out / "count").read_text() == "."
    assert "long            cut off" in capsys.readouterr().out


def test_a_list_runs_nothing(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu_check.main(["--out", str(out), "--list"]) == 0
    assert not (out / "pieces.json").exists()
    assert capsys.readouterr().out.count("not run") == 4


def test_every_piece_is_a_command_of_this_repository() -> None:
    for piece in gpu_check.pieces(small=False):
        script = piece.command[0]
        assert script == "-m" or (gpu_check.ROOT / script).exists()
        assert piece.seconds <= 480
