"""Nothing is declared finished, and nothing deleted, before what it rests on is on the disk."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from program import qft_here

from qft import records


def test_what_is_declared_is_on_the_disk_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fsync, rename and removal of a run, in order, as the operating system is asked for them."""
    done: list[tuple[str, Path, Any]] = []
    fsync, replace, rmtree = os.fsync, Path.replace, shutil.rmtree

    def synced(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        done.append(("sync", path, path.stat().st_size if path.is_file() else sorted(p.name for p in path.iterdir())))
        fsync(descriptor)

    def renamed(self: Path, target: Path) -> Path:
        done.append(("rename", Path(target).absolute(), everything(self)))
        return replace(self, target)

    def removed(path: Any, *args: Any, **kwargs: Any) -> None:
        if Path(path).exists():
            done.append(("remove", Path(path).absolute(), None))
        rmtree(path, *args, **kwargs)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    monkeypatch.setattr(shutil, "rmtree", removed)
    monkeypatch.chdir(tmp_path)
    options = [
        "adapter=lora",
        "trainer.max_steps=3",
        "trainer.batch_size=4",
        "trainer.save_every=1",
        "data.heldout=2",
        "run=r",
    ]
    assert qft_here("train", "n=20", *options) == 0
    run = tmp_path / "outputs/r"

    def place(kind: str, path: Path) -> int:
        return next(k for k, (what, where, _) in enumerate(done) if (what, where) == (kind, path))

    adapter, complete = place("rename", run / "adapter"), place("rename", run / records.COMPLETE)
    assert (run / "adapter/adapter_model.safetensors").stat().st_size > 0
    check_synced(done[:adapter], done[adapter][2])
    assert done[adapter + 1][:2] == ("sync", run)
    declared = [k for k, (what, where, _) in enumerate(done) if what == "rename" and where.name == records.MARKER]
    assert len(declared) == 2
    for k in declared:
        checkpoint = done[k][1].parent
        names = [name for _, where, listed in done[:k] if where == checkpoint for name in listed]
        assert "optimizer.pt" in names and checkpoint.name in names_in(done[:k], checkpoint.parent)
        for name in ("optimizer.pt", "adapter_model.safetensors", "trainer_state.json"):
            assert any(what == "sync" and where == checkpoint / name for what, where, _ in done[:k]), name
    assert max(declared) < adapter < complete < place("remove", run / "checkpoints")
    assert "adapter" in names_in(done[:complete], run), "the directory that lists it is on the disk too"
    assert done[complete + 1][:2] == ("sync", run) and records.COMPLETE in done[complete + 1][2]
    for name in ("config.yaml", "record.json", "history.csv"):
        assert any(what == "sync" and where == run / name for what, where, _ in done[:complete]), name


def everything(path: Path) -> dict[Path, int]:
    """Sizes of the files at or below a path."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return {file.absolute(): file.stat().st_size for file in files}


def names_in(done: list[tuple[str, Path, Any]], folder: Path) -> list[str]:
    """What the directory listed when it was last put on the disk."""
    return next(listed for what, where, listed in reversed(done) if (what, where) == ("sync", folder))


def check_synced(done: list[tuple[str, Path, Any]], files: dict[Path, int]) -> None:
    assert files
    for file, size in files.items():
        assert ("sync", file, size) in done, file
