"""The wheel alone: built, installed in an empty environment, run in an empty directory."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from program import PATIENCE

ROOT = Path(__file__).parent.parent

# one worker, or each would make the shared directory again
pytestmark = pytest.mark.xdist_group("wheel")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return next(out.glob("*.whl"))


def test_the_wheel_holds_what_it_needs(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for needed in ("qft/configs/train.yaml", "qft/configs/adapter/qwthn.yaml", "qft/models/demo/model.safetensors"):
        assert needed in names
    assert "qft/data/templates/chatml.jinja" in names
    assert not [n for n in names if n.startswith(("tests", "configs", "outputs"))]


def test_it_trains_in_an_empty_directory(wheel: Path, tmp_path: Path) -> None:
    """Our package comes from the wheel alone; its dependencies are lent by a path file of this environment."""
    home = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True, timeout=PATIENCE)
    site = next((home / "lib").glob("python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    here = next(p for p in sys.path if p.endswith("site-packages"))
    lent = tmp_path / "lent"
    lent.mkdir()
    for item in Path(here).iterdir():
        if not item.name.startswith(("qft", "_editable_impl_qft", "__editable__")):
            (lent / item.name).symlink_to(item)
    (site / "lent.pth").write_text(f"{lent}\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | {"OMP_NUM_THREADS": "1"}
    start = "import sys, qft; from qft.cli.main import main; print(qft.__file__); raise SystemExit(main(sys.argv[1:]))"
    command = [str(home / "bin/python"), "-c", start, "train", "n=10", "trainer.max_steps=1", "run=w"]
    done = subprocess.run(command, cwd=empty, env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr[-2000:]
    assert str(site) in done.stdout
    assert (empty / "outputs/w/COMPLETE").exists()
