"""Where the compiled function comes from: built once, by this user, and loaded from nowhere else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from qft.quantum import ansatz
from qft.quantum.backends.statevector import Statevector
from qft.quantum.native import library

CACHED = (library.find, library.compiler, library.description, library._built)
JUNK = 'for last; do :; done; echo junk > "$last"'


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own; nothing is remembered of the compiler."""
    tmp_path.chmod(0o700)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for cached in CACHED:
        cached.cache_clear()
    yield tmp_path / "cache" / "qft" / "kernels"
    for cached in CACHED:
        cached.cache_clear()


def compiler(path: Path, body: str) -> Path:
    """A directory with a program c++ that says its version, and otherwise does what ``body`` says."""
    path.mkdir()
    script = path / "c++"
    script.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "c++ 1" && exit 0\n{body}\n')
    script.chmod(0o755)
    return path


def built() -> Path:
    return library._built(1, "float")


@pytest.fixture
def junk(cache, monkeypatch, tmp_path):
    """A compiler that is quick, and whose libraries are only looked at."""
    monkeypatch.setenv("PATH", f"{compiler(tmp_path / 'quick', JUNK)}:/bin:/usr/bin")
    return cache


def test_it_is_built_once_and_whole(junk):
    cache = junk
    first = built()
    assert first.parent == cache and cache.stat().st_mode & 0o077 == 0
    assert [p.name for p in cache.iterdir()] == [first.name]
    before = first.stat().st_mtime_ns
    library._built.cache_clear()
    assert built() == first and first.stat().st_mtime_ns == before


def test_what_it_makes_is_for_its_user_alone_whatever_the_umask(junk):
    before = os.umask(0)
    try:
        built()
    finally:
        os.umask(before)
    assert [place.stat().st_mode & 0o077 for place in (junk, junk.parent, junk.parent.parent)] == [0, 0, 0]


def test_without_a_home_nothing_is_built(junk, monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(library.Unavailable, match="no home directory"):
        built()


def test_another_size_or_source_is_another_library(junk, monkeypatch, tmp_path):
    first = built()
    assert library._built(2, "float") != first
    library._built.cache_clear()
    source = tmp_path / "circuit.cpp"
    source.write_bytes(library.SOURCE.read_bytes() + b"\n")
    monkeypatch.setattr(library, "SOURCE", source)
    assert built() != first


def test_without_a_compiler_torch_computes_and_a_note_says_so(cache, monkeypatch, tmp_path, caplog):
    circuit, z, w = ansatz.qwthn(2), torch.randn(2, 5), torch.randn(4)
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with caplog.at_level("DEBUG", logger=library.__name__):
        out = Statevector(kernel=True).bind(circuit, w)(z)
    assert torch.equal(out, Statevector(kernel=False).bind(circuit, w)(z))
    backend = Statevector()
    backend.bind(circuit, w)
    assert backend.report() == {"kernel": None} and backend.refusal(circuit) is None
    assert "no C++ compiler" in str(Statevector(kernel=True).refusal(circuit))
    assert [r.levelname for r in caplog.records] == ["DEBUG"] and "there is no C++ compiler" in caplog.text


@pytest.mark.parametrize(
    "body, reason",
    [("echo 'circuit.cpp:1: error: no such thing' >&2; exit 1", "no such thing"), ("exit 3", "no message")],
)
def test_a_compiler_that_fails_is_named(cache, monkeypatch, tmp_path, body, reason):
    monkeypatch.setenv("PATH", f"{compiler(tmp_path / 'bin', body)}:/bin")
    with pytest.raises(library.Unavailable, match=reason):
        built()
    assert list(cache.iterdir()) == []


def test_what_is_no_library_is_not_used(junk):
    with pytest.raises(library.Unavailable, match="cannot be loaded"):
        library._load(built())


def test_a_compiler_in_the_current_directory_is_not_run(cache, monkeypatch, tmp_path):
    compiler(tmp_path / "bin", "touch ran; exit 1")
    monkeypatch.chdir(tmp_path / "bin")
    monkeypatch.setenv("PATH", ".")
    with pytest.raises(library.Unavailable, match="no C\\+\\+ compiler"):
        library.compiler()
    assert not (tmp_path / "bin" / "ran").exists()


@pytest.mark.parametrize("place", [".", "..", "../.."])
def test_a_directory_that_others_can_write_to_is_refused(junk, place):
    """Also one above it: whoever can rename a directory can put another in its place."""
    cache = junk
    cache.mkdir(parents=True)
    (cache / place).resolve().chmod(0o777)
    with pytest.raises(library.Unavailable, match="others can write to"):
        built()
    assert list(cache.iterdir()) == []


def test_a_library_that_others_can_write_to_or_a_link_is_refused(junk, tmp_path):
    first = built()
    first.chmod(0o722)
    library._built.cache_clear()
    with pytest.raises(library.Unavailable, match="not a file of this user alone"):
        built()
    first.rename(tmp_path / "elsewhere.so")
    first.symlink_to(tmp_path / "elsewhere.so")
    with pytest.raises(library.Unavailable, match="not a file of this user alone"):
        built()


def test_another_users_library_is_refused(junk, monkeypatch):
    first = built()
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    with pytest.raises(library.Unavailable, match="not a file of this user alone"):
        library._check_file(first)


@pytest.mark.skipif(library.find(1, torch.float32).function is None, reason="needs a C++ compiler")
def test_processes_that_build_at_the_same_time_all_get_it(cache):
    program = "from qft.quantum.native import library; import torch; assert library.find(1, torch.float32).function"
    started = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
    assert [process.wait(timeout=300) for process in started] == [0, 0]
    assert len(list(cache.iterdir())) == 1
