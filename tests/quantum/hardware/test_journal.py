"""The journal: identity, states, and what happens to it on a bad day."""

import sqlite3
from pathlib import Path

import pytest

from qft.errors import QftError
from qft.quantum.hardware.clients.base import Program
from qft.quantum.hardware.journal import Journal


def circuits(n: int, **other) -> list[Program]:
    return [Program(**{"text": f"QINIT {k}", "chip": "c", "shots": 10, "options": "{}"} | other) for k in range(n)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path: Path):
    opened = Journal(path, "e")
    yield opened
    opened.close()


def planned(journal: Journal, n: int, batch: int = 2) -> list:
    keys = journal.request("r", circuits(n), fresh=False)
    journal.plan(journal.missing(keys), batch)
    return keys


def test_a_circuit_is_its_text_chip_shots_and_options() -> None:
    one = circuits(1)[0]
    others = [circuits(2)[1], *(circuits(1, **{k: v})[0] for k, v in (("chip", "d"), ("shots", 9), ("options", "[]")))]
    assert len({one.id, *(o.id for o in others)}) == 5
    assert circuits(1)[0].id == one.id


def test_equal_circuits_share_a_result_fresh_ones_do_not(journal: Journal) -> None:
    a, b = circuits(2)
    keys = journal.request("one", [a, b, a], fresh=False)
    assert keys[0] == keys[2] and journal.missing(keys) == [keys[0], keys[1]]
    assert journal.request("two", [a], fresh=False) == [keys[0]]
    fresh = journal.request("three", [a, b, a], fresh=True)
    assert len({*fresh, *keys}) == 5 and journal.missing(fresh) == fresh
    assert journal.request("three", [a, b, a], fresh=True) == fresh  # the same request after a restart


def test_only_what_is_not_under_way_is_missing(journal: Journal) -> None:
    keys = planned(journal, 5)
    assert [j.circuits for j in journal.jobs()] == [2, 2, 1] and journal.missing(keys) == []
    for number, state in enumerate(("submitting", "submitted", "unknown"), 1):
        journal.set_state(number, state)
    assert journal.missing(keys) == [] and journal.circuits_sent() == 5
    for number, state in enumerate(("failed", "cancelled", "planned"), 1):
        journal.set_state(number, state)
    assert journal.missing(keys) == keys[:4] and journal.circuits_sent() == 4
    journal.store(2, [{"1": 10}, {"0": 10}])
    assert journal.missing(keys) == keys[:2] and journal.results(keys) == {keys[2]: {"1": 10}, keys[3]: {"0": 10}}
    assert journal.job(2).state == "done"


def test_what_was_being_sent_is_unknown_after_a_restart(path: Path, journal: Journal) -> None:
    planned(journal, 6)
    journal.set_state(1, "submitting")
    journal.attach(2, "T2")
    journal.close()
    reader = Journal(path, write=False)
    assert [j.state for j in reader.jobs()] == ["submitting", "submitted", "planned"]  # it may be alive
    reader.close()
    again = Journal(path, "e")
    assert [j.state for j in again.jobs()] == ["unknown", "submitted", "planned"]
    assert again.job(2).task == "T2" and "submission" in again.job(1).note
    with pytest.raises(QftError, match="already the id of job 2"):
        again.attach(1, "T2")
    again.attach(1, "T1")
    assert again.job(1).state == "submitted"
    again.close()


def test_results_come_whole_or_not_at_all(journal: Journal) -> None:
    keys = planned(journal, 2)
    with pytest.raises(ValueError):
        journal.store(1, [{"0": 10}])
    assert journal.results(keys) == {} and journal.job(1).state == "planned"


def test_another_experiment_is_refused(path: Path, journal: Journal) -> None:
    planned(journal, 2)
    journal.close()
    with pytest.raises(QftError, match=r"another experiment .*backend\.journal=FILE"):
        Journal(path, "f")
    anyone = Journal(path)
    assert len(anyone.jobs()) == 1
    anyone.close()


def test_a_newer_version_is_refused_and_left_alone(path: Path, journal: Journal) -> None:
    planned(journal, 2)
    journal.set_state(1, "submitting")
    journal.close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=3")
    db.close()
    before = path.read_bytes()
    with pytest.raises(QftError, match="newer qft"):
        Journal(path, "e")
    assert path.read_bytes() == before


def test_two_processes_do_not_write_one_journal(path: Path, journal: Journal) -> None:
    with pytest.raises(QftError, match="in use"):
        Journal(path, "e")
    Journal(path, write=False).close()
    journal.close()
    Journal(path, "e").close()


@pytest.mark.parametrize("content", [b"text, not a database, but long enough to have a header of 100 bytes" * 3, b"x"])
def test_a_file_that_is_no_journal(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(QftError, match="not a journal"):
        Journal(path, "e")
    assert path.read_bytes() == content


def test_a_database_of_something_else(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE recipes (name TEXT)")
        db.execute("PRAGMA journal_mode=WAL")
    db.close()
    before = path.read_bytes()
    with pytest.raises(QftError, match="not a journal of qft"):
        Journal(path, "e")
    assert path.read_bytes() == before


def test_no_journal_is_made_by_looking(path: Path) -> None:
    with pytest.raises(QftError, match="no journal"):
        Journal(path, write=False)
    assert not path.exists()


def test_a_place_that_cannot_be_written() -> None:
    with pytest.raises(QftError, match="cannot be used"):
        Journal(Path("/proc/qft/journal.sqlite"), "e")


def test_looking_after_a_kill_in_the_middle_of_a_commit(
    tmp_path: Path, path: Path, journal: Journal, connections: list[sqlite3.Connection]
) -> None:
    """Pages are in the file already, and what they were is in SQLite's rollback file beside it."""
    planned(journal, 4)
    connections[-1].execute("PRAGMA cache_size=1")
    connections[-1].execute("BEGIN IMMEDIATE")
    connections[-1].execute("UPDATE jobs SET state = 'done', note = hex(zeroblob(20000))")
    left = tmp_path / "killed" / path.name
    left.parent.mkdir()
    for file in (path, path.with_name(path.name + "-journal")):
        left.with_name(file.name).write_bytes(file.read_bytes())
    connections[-1].execute("ROLLBACK")
    assert left.read_bytes() != path.read_bytes()
    reader = Journal(left, write=False)
    assert [j.state for j in reader.jobs()] == ["planned", "planned"]
    with pytest.raises(QftError, match="readonly"):
        reader.set_state(1, "done")
    reader.close()


@pytest.mark.parametrize("start", [0.2, 0.6])
def test_a_damaged_journal(path: Path, journal: Journal, start: float) -> None:
    keys = planned(journal, 400)
    journal.close()
    content = bytearray(path.read_bytes())
    first = int(len(content) * start) // 4096 * 4096
    content[first : first + 8 * 4096] = b"\xff" * 8 * 4096
    path.write_bytes(content)
    with pytest.raises(QftError, match="damaged"):
        again = Journal(path, "e")
        try:
            again.results(keys)
            again.request("r", circuits(400), fresh=False)
            [again.programs(j.id) for j in again.jobs()]
        finally:
            again.close()


def test_a_disk_that_turns_read_only(path: Path, journal: Journal, connections: list[sqlite3.Connection]) -> None:
    keys = planned(journal, 4)
    connections[-1].execute("PRAGMA query_only=ON")
    for attempt in (
        lambda: journal.set_state(1, "submitting"),
        lambda: journal.store(1, [{"0": 10}, {"1": 10}]),
        lambda: journal.request("other", circuits(9), fresh=False),
    ):
        with pytest.raises(QftError, match="readonly database"):
            attempt()
    connections[-1].execute("PRAGMA query_only=OFF")
    assert [j.state for j in journal.jobs()] == ["planned", "planned"] and journal.results(keys) == {}


def test_a_disk_that_is_full_in_the_middle(path: Path, journal: Journal, connections: list[sqlite3.Connection]) -> None:
    keys = planned(journal, 4)
    journal.store(1, [{"0": 10}, {"1": 10}])
    pages = connections[-1].execute("PRAGMA page_count").fetchone()[0]
    connections[-1].execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(QftError, match=r"full.*intact"):
        journal.request("large", circuits(500, chip="x" * 100), fresh=False)
    with pytest.raises(QftError, match=r"full.*intact"):
        journal.store(2, [{f"{k:b}": 1 for k in range(3000)}, {"1": 10}])
    journal.close()
    again = Journal(path, "e")
    assert connections[-1].execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert [j.state for j in again.jobs()] == ["done", "planned"]
    assert again.results(keys) == {keys[0]: {"0": 10}, keys[1]: {"1": 10}}
    again.store(2, [{f"{k:b}": 1 for k in range(3000)}, {"1": 10}])  # there is room again
    again.close()
