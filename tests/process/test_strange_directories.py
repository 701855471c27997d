"""A run directory that a stranger prepared leads no lock, log or write elsewhere."""

import os
from pathlib import Path

import pytest

from qft import records
from qft.errors import QftError
from qft.process import locks


@pytest.mark.parametrize("name", [".lock", "log.txt", "adapter", "checkpoints"])
@pytest.mark.parametrize("there", [True, False])
def test_a_run_directory_leads_no_write_elsewhere(name: str, there: bool, tmp_path: Path) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    run.mkdir()
    if there:
        elsewhere.mkdir() if name in ("adapter", "checkpoints") else elsewhere.write_text("precious")
    (run / name).symlink_to(elsewhere)
    with pytest.raises(QftError, match=rf"{name.replace('.', '[.]')} is a link"):
        records.RunDirectory(run).open()
    assert elsewhere.exists() == there and (not elsewhere.is_file() or elsewhere.read_text() == "precious")
    (run / name).unlink()
    directory = records.RunDirectory(run).open()  # the refusal holds no lock and no log
    directory.close()


def test_a_pipe_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".lock")
    assert locks.is_free(tmp_path / ".lock")
    with pytest.raises(QftError, match="is not a file"):
        records.read_json(tmp_path / ".lock")
    (tmp_path / ".lock").unlink()
    os.mkfifo(tmp_path / "log.txt")
    with pytest.raises(QftError, match="cannot be used as a run directory"):
        records.RunDirectory(tmp_path).open()


def test_nothing_is_cut_and_leftovers_go(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("kept")
    (tmp_path / "log.txt").write_text("kept\n")
    (tmp_path / ".adapter.1.tmp").mkdir()
    (tmp_path / ".adapter.1.tmp/weights").write_text("half")
    (tmp_path / ".record.json.1.tmp").symlink_to(tmp_path / "log.txt")
    records.RunDirectory(tmp_path).open().close()
    assert (tmp_path / ".lock").read_text() == "kept" and (tmp_path / "log.txt").read_text() == "kept\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", "log.txt"]


def test_a_run_may_lie_where_a_link_of_the_users_leads(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    directory = records.RunDirectory(tmp_path / "run").open()
    directory.save(records.new_record(0))
    directory.finish()
    directory.close()
    assert directory.complete and (tmp_path / "disk/record.json").is_file()
