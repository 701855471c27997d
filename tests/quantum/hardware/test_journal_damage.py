"""A journal that is not as it was written is refused with what is safe to do: nothing wrong, nothing paid again."""

import fcntl
import functools
import json
import os
import random
import shutil
import signal
import sqlite3
import tempfile
from pathlib import Path

import pytest
from connections import noted

from qft.errors import QftError
from qft.quantum.hardware.clients.base import Program
from qft.quantum.hardware.journal import Journal, file, integrity, migration

OLD = Path(__file__).parents[2] / "fixtures/v0.1.0"


def circuits(n: int) -> list[Program]:
    return [Program(f"QINIT {k}\n" * 20, "chip", 100, '{"amend_flag": 0}') for k in range(n)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@functools.cache
def three_jobs_done(n: int = 30) -> bytes:
    """A journal of three jobs done, one open, one unknown, the rest planned; five circuits each."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal.sqlite")
        journal = Journal(path, "experiment")
        journal.plan(journal.request("r", circuits(n), fresh=False), 5)
        for job in (1, 2, 3):
            journal.attach(job, f"TASK-{job}")
            journal.store(job, [{"0": 60 - k, "1": 40 + k} for k in range(5)])
        journal.mark_submitting(4, "https://service.example")
        journal.attach(4, "TASK-4")
        journal.set_state(5, "unknown", "no answer")
        journal.close()
        return path.read_bytes()


def written(path: Path) -> None:
    path.write_bytes(three_jobs_done())


def content(path: Path, n: int = 30) -> str:
    """All that a program takes from a journal: results, what it would send, ids, addresses."""
    journal = Journal(path, "experiment")
    try:
        keys = journal.request("r", circuits(n), fresh=False)
        jobs = [(j.id, j.state, j.task, j.url, journal.programs(j.id)) for j in journal.jobs()]
        results = sorted(journal.results(keys).items())
        return repr((keys, journal.missing(keys), results, jobs, journal.circuits_sent()))
    finally:
        journal.close()


def flips(path: Path, whole: bytes, where: list[int], expected: str, read=content) -> tuple[int, list[int]]:
    """How many flipped bits are refused, and which go unnoticed although they change something."""
    refused, wrong = 0, []
    for bit in where:
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            if read(path) != expected:
                wrong.append(bit)
        except QftError as error:
            assert any(word in str(error) for word in ("damaged", "not a journal", "newer qft", "cannot be used")), (
                error
            )
            refused += 1
        for leftover in path.parent.glob(f"{path.name}?*"):
            leftover.unlink()
    return refused, wrong


def sample(size: int, number: int) -> list[int]:
    """Bits all over the file, and some of its header, which is small and decides much."""
    generator = random.Random(12)
    return [*generator.sample(range(size * 8), number), *generator.sample(range(100 * 8), number // 5)]


def test_no_flipped_bit_goes_unnoticed(path: Path) -> None:
    written(path)
    expected, whole = content(path), path.read_bytes()
    refused, wrong = flips(path, whole, sample(len(whole), 40), expected)
    assert not wrong and refused > 12


@pytest.mark.extended
def test_no_flipped_bit_of_very_many_goes_unnoticed(path: Path) -> None:
    written(path)
    expected, whole = content(path), path.read_bytes()
    refused, wrong = flips(path, whole, [*sample(len(whole), 3000), *range(800)], expected)
    assert not wrong and refused > 900


def test_what_another_damage_leaves_is_refused(path: Path) -> None:
    written(path)
    whole = path.read_bytes()
    generator = random.Random(3)
    for _ in range(6):
        end = generator.randrange(1, len(whole))
        path.write_bytes(whole[:end])
        with pytest.raises(QftError, match=r"damaged|not a journal"):
            content(path)
        page = generator.randrange(len(whole) // 4096) * 4096
        path.write_bytes(whole[:page] + bytes(4096) + whole[page + 4096 :])
        with pytest.raises(QftError, match=r"damaged|not a journal"):
            content(path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE results SET counts = '{\"0\": 100}'",
        "UPDATE jobs SET state = 'planned' WHERE id = 1",
        "UPDATE jobs SET url = 'http://elsewhere.example' WHERE id = 4",
        "DELETE FROM seals",
        "UPDATE seals SET number = number - 1 WHERE name = 'results'",
        "CREATE TABLE more (x)",
        "CREATE TRIGGER t AFTER UPDATE ON jobs BEGIN DELETE FROM results; END",
        "UPDATE meta SET value = 'another' WHERE key = 'experiment'",
    ],
)
def test_a_row_that_was_changed_is_refused(path: Path, statement: str) -> None:
    written(path)
    with sqlite3.connect(path) as db:
        db.execute(statement)
    db.close()
    before = path.read_bytes()
    for write in (True, False):
        with pytest.raises(QftError, match=r"damaged .*nothing was sent.*Put a copy of it back"):
            Journal(path, write=write)
    assert path.read_bytes() == before


def test_a_page_of_an_earlier_state_is_refused(path: Path) -> None:
    """Rows and pages are whole, but not of one time: a rollback file or a sector of yesterday."""
    written(path)
    early = path.read_bytes()
    journal = Journal(path)
    journal.store(4, [{"0": 100}] * 5)
    journal.close()
    late = path.read_bytes()
    pages = [k for k in range(0, len(early), 4096) if early[k : k + 4096] != late[k : k + 4096]]
    assert len(pages) > 2
    for page in pages[1:]:  # the first holds the counter of changes only
        path.write_bytes(late[:page] + early[page : page + 4096] + late[page + 4096 :])
        with pytest.raises(QftError, match="damaged"):
            content(path)


def torn(path: Path, folder: Path) -> Path:
    """The journal as a kill in the middle of a commit leaves it: new pages in the file, old ones beside it."""
    written(path)
    with noted() as opened:
        journal = Journal(path)
    db = opened[-1]
    db.execute("PRAGMA cache_size=1")
    db.execute("BEGIN IMMEDIATE")
    db.execute("UPDATE jobs SET state = 'done', note = hex(zeroblob(20000))")
    left = folder / "killed" / path.name
    left.parent.mkdir()
    for suffix in ("", "-journal"):
        shutil.copy(f"{path}{suffix}", f"{left}{suffix}")
    db.execute("ROLLBACK")
    journal.close()
    return left


def test_a_rollback_file_that_is_damaged_gone_or_anothers(path: Path, tmp_path: Path) -> None:
    left = torn(path, tmp_path)
    expected, beside = content(path), Path(f"{left}-journal")
    whole, old = left.read_bytes(), beside.read_bytes()
    assert content(left) == expected
    foreign = tmp_path / "foreign.sqlite"
    with sqlite3.connect(foreign, isolation_level=None) as db:
        db.execute("PRAGMA cache_size=1")
        db.execute(
            "CREATE TABLE t AS WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM n LIMIT 999) "
            "SELECT hex(zeroblob(50)) AS y FROM n"
        )
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE t SET y = y || 'x'")
        another = Path(f"{foreign}-journal").read_bytes()
    db.close()
    generator = random.Random(5)
    cases: list[bytes | None] = [None, another, old[:600], b"", b"x" * 5000]
    for bit in generator.sample(range(len(old) * 8), 8):
        flipped = bytearray(old)
        flipped[bit // 8] ^= 1 << bit % 8
        cases.append(bytes(flipped))
    for case in cases:
        left.write_bytes(whole)
        beside.unlink(missing_ok=True) if case is None else beside.write_bytes(case)
        try:
            assert content(left) == expected
        except QftError as error:
            assert "damaged" in str(error) or "not a journal" in str(error)


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_a_file_beside_it_that_sqlite_would_play_into_it_is_refused(path: Path, suffix: str) -> None:
    written(path)
    before = path.read_bytes()
    Path(f"{path}{suffix}").write_bytes(b"")
    with pytest.raises(QftError, match="does not belong to"):
        Journal(path)
    assert path.read_bytes() == before


# -- names and processes


def test_an_empty_journal_is_one_that_lost_its_content(path: Path) -> None:
    path.touch()
    for experiment in ("experiment", None):
        with pytest.raises(QftError, match=r"is empty, .*content was lost.*pays"):
            Journal(path, experiment)
    assert path.stat().st_size == 0


def test_what_is_no_file_is_refused(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(QftError, match="not a journal"):
        Journal(path, "experiment")
    path.unlink()
    path.mkdir()
    with pytest.raises(QftError, match=r"cannot be used: Is a directory"):
        Journal(path, "experiment")


def test_the_lock_is_the_files_whatever_its_name(path: Path, tmp_path: Path) -> None:
    written(path)
    link, hard = tmp_path / "sub" / "link.sqlite", tmp_path / "hard.sqlite"
    link.parent.mkdir()
    link.symlink_to(path)
    first = Journal(link, "experiment")
    with pytest.raises(QftError, match="in use"):
        Journal(path, "experiment")
    os.link(path, hard)
    with pytest.raises(QftError, match="second name"):
        Journal(hard, "experiment")
    hard.unlink()
    Journal(path, write=False).close()
    with pytest.raises(QftError, match="in use"):  # closing another descriptor does not let go
        Journal(path, "experiment")
    first.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["journal.sqlite", "sub"]


def test_a_link_to_nothing_makes_the_journal_where_it_leads(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.sqlite"
    link.symlink_to(path)
    Journal(link, "experiment").close()
    assert content(path) == content(link) and link.is_symlink()


def test_a_kill_while_it_appears_leaves_nothing_in_the_way(path: Path, monkeypatch) -> None:
    """Killed before the journal has its name, and after it has it but still has the other one too."""

    def forked(patch) -> None:
        if not (pid := os.fork()):
            try:
                patch()
                Journal(path, "experiment")
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL

    def die(*args, **kwargs) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    forked(lambda: setattr(os, "link", die))
    assert not path.exists()
    forked(lambda: setattr(Path, "unlink", die))
    assert path.stat().st_nlink == 2
    assert content(path) and path.stat().st_nlink == 1


def test_a_journal_that_moved_to_another_machine_asks_first(path: Path, monkeypatch) -> None:
    written(path)
    before = path.read_bytes()
    monkeypatch.setattr(file, "machine", lambda: "0123456789abcdef elsewhere")
    with pytest.raises(QftError, match=r"another machine .*twice.*backend\.moved=true"):
        Journal(path, "experiment")
    assert path.read_bytes() == before
    Journal(path, write=False).close()
    Journal(path, "experiment", moved=True).close()
    Journal(path, "experiment").close()  # asked once
    monkeypatch.undo()
    with pytest.raises(QftError, match="'elsewhere'"):
        Journal(path, "experiment")


# -- journals of 0.1.0


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """One with a job in each state."""
    return Path(shutil.copy(OLD / "open.sqlite", tmp_path))


def old_content(path: Path) -> list[list[tuple]]:
    """What 0.1.0 kept, from an old journal or a new one."""
    with sqlite3.connect(path) as db:
        tables = [c.replace("key, value", "value") for c in migration.COLUMNS.values()]
        names = [f"{n} WHERE key = 'experiment'" if n == "meta" else n for n in migration.COLUMNS]
        found = [
            db.execute(f"SELECT {c} FROM {n} ORDER BY 1, 2" if "," in c else f"SELECT {c} FROM {n}").fetchall()
            for c, n in zip(tables, names, strict=True)
        ]
    db.close()
    return found


@pytest.mark.parametrize("write", [True, False])
def test_a_journal_of_0_1_0_is_brought_up_to_date_and_kept_as_it_was(old: Path, write: bool) -> None:
    before, kept = old.read_bytes(), old_content(old)
    Journal(old, write=write).close()
    assert old.with_name("open.sqlite.0.1.0").read_bytes() == before
    now = old_content(old)
    assert [t for k, t in enumerate(now) if k != 2] == [t for k, t in enumerate(kept) if k != 2]
    changed = [(b, a) for b, a in zip(kept[2], now[2], strict=True) if b[:4] != a[:4]]
    assert [(b[1], a[1]) for b, a in changed] == [("submitting", "unknown")]
    journal = Journal(old, kept[0][0][0])
    assert journal.state_counts() == {
        "done": 2,
        "failed": 1,
        "cancelled": 1,
        "submitted": 1,
        "unknown": 2,
        "planned": 1,
    }
    journal.plan(journal.request("more", circuits(2), fresh=False), 5)
    assert journal.jobs()[-1].id == 9
    journal.close()
    assert sorted(p.name for p in old.parent.iterdir()) == ["open.sqlite", "open.sqlite.0.1.0"]


@pytest.mark.parametrize("point", ["copy", "PRAGMA foreign_keys=OFF", "DROP TABLE main.jobs", "COMMIT", "after"])
def test_a_migration_that_is_killed_loses_nothing(old: Path, point: str) -> None:
    before, kept = old.read_bytes(), old_content(old)
    if not (pid := os.fork()):
        die = lambda *args: os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731
        if point == "copy":
            os.link = die
        connect = sqlite3.connect

        def traced(*args, **kwargs):
            db = connect(*args, **kwargs)
            db.set_trace_callback(lambda sql: die() if sql == point else None)
            return db

        sqlite3.connect = traced
        if point == "after":
            migration.log.info = die
        try:
            Journal(old)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    Journal(old).close()
    assert old_content(old)[3:] == kept[3:]
    copies = [p for p in old.parent.iterdir() if p.suffix == ".0" and p.read_bytes() == before]
    assert copies == [old.with_name("open.sqlite.0.1.0")]


def test_a_journal_that_0_1_0_is_using_is_left_alone(old: Path) -> None:
    before = old.read_bytes()
    with old.with_name("open.sqlite.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(QftError, match="in use"):
            Journal(old)
    assert old.read_bytes() == before


def test_a_copy_that_is_there_is_not_written_over(old: Path) -> None:
    copy = old.with_name("open.sqlite.0.1.0")
    copy.write_bytes(b"mine")
    Journal(old).close()
    assert copy.read_bytes() == b"mine" and old.with_name("open.sqlite.0.1.0-2").stat().st_size > 50_000


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE circuits SET text = text || ' '",
        "UPDATE results SET counts = '{\"0\": 1}'",
        "UPDATE results SET counts = 'x'",
        "UPDATE meta SET value = 'x' WHERE key = 'schema'",
        "DELETE FROM jobs WHERE id = 1",
    ],
)
def test_a_journal_of_0_1_0_that_is_damaged_is_refused_as_far_as_it_can_be_told(old: Path, statement: str) -> None:
    with sqlite3.connect(old) as db:
        db.execute(statement)
    db.close()
    before = old.read_bytes()
    with pytest.raises(QftError, match="damaged"):
        Journal(old)
    assert old.read_bytes() == before and list(old.parent.iterdir()) == [old]


def test_hashes_tell_kinds_of_values_apart() -> None:
    assert len({integrity.row_sum("jobs", v) for v in (1, 1.0, "1", None, b"1", "None")}) == 6
    assert json.dumps(integrity.row_sum("jobs", "x")).lstrip("-").isdigit()


def test_a_journal_that_may_only_be_read_is_listed(path: Path, tmp_path: Path) -> None:
    written(path)
    path.chmod(0o444)
    before = path.read_bytes()
    reader = Journal(path, write=False)
    assert len(reader.jobs()) == 6
    reader.close()
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON jobs BEGIN DELETE FROM results; END",
        "CREATE VIEW more AS SELECT 1",
        "DROP INDEX slots_of_circuit",
        "ALTER TABLE jobs ADD COLUMN more TEXT",
    ],
)
def test_a_database_like_a_journal_of_0_1_0_is_left_alone(old: Path, statement: str) -> None:
    with sqlite3.connect(old) as db:
        db.execute(statement)
    db.close()
    before = old.read_bytes()
    with pytest.raises(QftError, match="not a journal of qft"):
        Journal(old)
    assert old.read_bytes() == before and list(old.parent.iterdir()) == [old]


@pytest.mark.extended
def test_no_flipped_bit_of_a_journal_of_0_1_0_is_a_traceback(old: Path) -> None:
    """It had no hashes: what a flip changes may go unnoticed, but what is noticed is a sentence and changes nothing."""
    whole, generator, refused = old.read_bytes(), random.Random(2), 0
    for bit in generator.sample(range(len(whole) * 8), 400):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        old.write_bytes(flipped)
        try:
            Journal(old).close()
        except QftError:
            refused += 1
            assert old.read_bytes() == flipped
        for leftover in old.parent.glob(f"{old.name}?*"):
            leftover.unlink()
    assert refused > 100
