"""What is written is whole, on the disk, and where it was meant to be."""

import os
from pathlib import Path

import pytest

from qft.errors import QftError
from qft.process import files


def test_a_name_that_is_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("precious")
    for name in ("a.txt", f".a.txt.{os.getpid()}.tmp"):
        (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    files.write_text(tmp_path / "a.txt", "new \ud800")
    assert (tmp_path / "a.txt").read_text() == "new \\ud800" and not (tmp_path / "a.txt").is_symlink()
    assert (tmp_path / "elsewhere").read_text() == "precious"


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_only_regular_files_are_appended_to(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    if kind == "link":
        path.symlink_to(tmp_path / "new")
    else:
        os.mkfifo(path) if kind == "pipe" else path.mkdir()
    with pytest.raises(OSError) as error:
        files.open_append(path)
    assert files.reason(error.value) == f"{path} is a link" or kind != "link"
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_written_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(QftError, match=r"a\.txt cannot be written: "):
        files.write_text(tmp_path / "a.txt", "new")
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_directory_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    with files.whole_directory(tmp_path / "adapter") as inside:
        inside.mkdir()
        (inside / "weights").write_text("old")
    with pytest.raises(RuntimeError), files.whole_directory(tmp_path / "adapter") as inside:
        inside.mkdir()
        (inside / "weights").write_text("half")
        raise RuntimeError("killed")
    assert (tmp_path / "adapter/weights").read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["adapter"]


def test_a_new_file_never_replaces_one_that_came_first(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with files.new_file(path) as new:
        new.write_text("second")
        assert not path.exists()
        path.write_text("first")
    assert path.read_text() == "first" and [p.name for p in tmp_path.iterdir()] == ["journal"]
    (tmp_path / ".journal.0123.new").hardlink_to(path)  # what a process that was killed between the two names left
    (tmp_path / ".journal.4567.new").write_text("of another file")
    files.remove_second_names(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".journal.4567.new", "journal"]


def test_a_copy_is_whole_and_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    files.copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()
    (tmp_path / "c").write_text("other")
    files.copy(tmp_path / "c", tmp_path / "b")
    assert (tmp_path / "b").stat().st_size == 3_000_000


def test_what_is_removed_is_the_link_and_not_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").touch()
    (tmp_path / ".link.1.tmp").symlink_to(tmp_path / "kept")
    (tmp_path / ".half.1.tmp").mkdir()
    (tmp_path / ".half.1.tmp/file").touch()
    files.remove_leftovers(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["kept"] and (tmp_path / "kept/file").exists()
