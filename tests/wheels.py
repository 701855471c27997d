"""Our package as a wheel, installed where nothing of this repository is."""

import os
import re
import shlex
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from program import PATIENCE

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)


def build(out: Path) -> Path:
    """The wheel of this tree, made in ``out``."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return next(out.glob("*.whl"))


def environment() -> dict[str, str]:
    """This process's, less what would lead Python back to the repository."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return kept | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


@dataclass(frozen=True)
class Installed:
    """An environment of its own that our package is installed in, and the directory to work in."""

    python: Path
    package: Path  # the installed folder qft/
    place: Path  # an empty directory

    def qft(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``qft WORDS`` there; it must succeed."""
        return self.run("-m", "qft", *words)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``python WORDS`` there; it must succeed."""
        command = [str(self.python), *words]
        done = subprocess.run(
            command, cwd=self.place, env=environment(), capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, f"python {shlex.join(words)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done


def install(wheel: Path, folder: Path) -> Installed:
    """Put the wheel into an environment of its own; its dependencies are lent by a path file of this one."""
    home, lent, place = folder / "env", folder / "lent", folder / "place"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True, timeout=PATIENCE)
    site = next((home / "lib").glob("python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    lent.mkdir()
    for item in Path(next(p for p in sys.path if p.endswith("site-packages"))).iterdir():
        if not item.name.startswith(("qft", "_editable_impl_qft", "__editable__")):
            (lent / item.name).symlink_to(item)
    (site / "lent.pth").write_text(f"{lent}\n")
    place.mkdir()
    installed = Installed(home / "bin/python", site / "qft", place)
    where = installed.run("-c", "import qft; print(qft.__file__)").stdout
    assert where.startswith(str(installed.package)), where  # not the repository's
    return installed


def commands(page: Path) -> list[list[str]]:
    """The words of every ``qft ...`` line in a page's blocks of shell commands, in order."""
    lines = [line for block in FENCE.findall(page.read_text(encoding="utf-8")) for line in block.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("qft ")]
