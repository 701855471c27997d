"""The runner of PEFT's own tests (make test-peft): it runs what it says it runs, or nothing."""

import hashlib
import io
import re
import tarfile
from pathlib import Path

import peft_suite.run as suite
import pytest

ROOT = Path(__file__).parents[2]


def test_its_version_is_the_one_pinned():
    pinned = re.search(r"^peft==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned is not None and pinned[1] == suite.VERSION


def archive(folder: Path, names: list[str]) -> Path:
    path = folder / f"peft-{suite.VERSION}.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    return path


def test_another_archive_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(suite, "CACHE", tmp_path)
    path = archive(tmp_path, [f"peft-{suite.VERSION}/tests/test_x.py"])
    with pytest.raises(SystemExit, match=f"SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}, not"):
        suite.fetch()
    monkeypatch.setattr(suite, "VERSION", "0.0.1")
    with pytest.raises(SystemExit, match=r"knows the tests of 0\.0\.1"):
        suite.fetch()


def test_only_its_tests_are_unpacked(tmp_path):
    root = f"peft-{suite.VERSION}"
    path = archive(tmp_path, [f"{root}/tests/test_x.py", f"{root}/setup.py", f"{root}/src/peft/__init__.py"])
    suite.unpack(path, tmp_path / "out")
    files = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert files == {f"{root}/tests/test_x.py", f"{root}/tests/__init__.py"}
