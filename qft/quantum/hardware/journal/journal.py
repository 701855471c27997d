"""What was sent to hardware and what came back, in one SQLite file: nothing paid for is lost or paid for twice.

    circuits    programs as they are sent; id = SHA-256 of (text, chip, shots, options)
    jobs        submissions and their states (``jobs.py``)
    slots       which programs a job holds, in what order
    results     counts of a program; of one that is sent again for fresh shots, of each copy
    positions   which result serves which position of which request; apart, so that equal programs share one

Every commit is on disk before the next step (``database.py``): ``submitting`` before the POST, the id straight after
it, results together with ``done``.
"""

import json
from collections.abc import Sequence

from qft.quantum.hardware.clients.base import Counts, Program
from qft.quantum.hardware.journal.integrity import damaged, insert
from qft.quantum.hardware.journal.jobs import OPEN, Jobs, Key

_TABLES = """
CREATE TABLE circuits (id TEXT PRIMARY KEY, text TEXT NOT NULL, chip TEXT NOT NULL, shots INTEGER NOT NULL,
                       options TEXT NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE jobs (id INTEGER PRIMARY KEY AUTOINCREMENT, state TEXT NOT NULL, task TEXT UNIQUE, url TEXT,
                   note TEXT NOT NULL, changed REAL NOT NULL, by_hand INTEGER NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE slots (job INTEGER NOT NULL REFERENCES jobs, slot INTEGER NOT NULL, circuit TEXT NOT NULL REFERENCES
                    circuits, copy INTEGER NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY (job, slot)) WITHOUT ROWID;
CREATE INDEX slots_of_circuit ON slots (circuit, copy);
CREATE TABLE results (circuit TEXT NOT NULL REFERENCES circuits, copy INTEGER NOT NULL, job INTEGER NOT NULL
                      REFERENCES jobs, counts TEXT NOT NULL, sum INTEGER NOT NULL,
                      PRIMARY KEY (circuit, copy)) WITHOUT ROWID;
CREATE INDEX results_of_job ON results (job);
CREATE TABLE positions (request TEXT NOT NULL, position INTEGER NOT NULL, circuit TEXT NOT NULL, copy INTEGER NOT NULL,
                        sum INTEGER NOT NULL, PRIMARY KEY (request, position)) WITHOUT ROWID;
"""


class Journal(Jobs):
    """Requests, the jobs that serve them, and their results. Opening one: ``Database``."""

    tables = _TABLES

    def request(self, name: str, programs: Sequence[Program], fresh: bool) -> list[Key]:
        """Record which results serve a request.

        Args:
            name: Of the request; one that was made before keeps its answer.
            programs: One a position.
            fresh: Each position gets shots of its own, which no other position shares.

        Returns:
            The key of each position's result, which may be still to come.
        """
        ids = [program.id for program in programs]
        asked = dict(self._rows("SELECT position, copy FROM positions WHERE request = ?", (name,)))
        if len(asked) == len(ids):
            return [(circuit, asked[k]) for k, circuit in enumerate(ids)]
        keys: list[Key] = []
        with self._transaction():
            used: dict[str, int] = {}
            for circuit in set(ids) if fresh else ():
                query = "SELECT COALESCE(MAX(copy) + 1, 0) FROM positions WHERE circuit = ?"
                used[circuit] = self._rows(query, (circuit,))[0][0]
            for circuit in ids:
                keys.append((circuit, used.get(circuit, 0)))
                used[circuit] = used.get(circuit, 0) + fresh
            rows = [(i, p.text, p.chip, p.shots, p.options) for i, p in zip(ids, programs, strict=True)]
            insert(self._db, "circuits", rows, or_ignore=True)
            insert(self._db, "positions", [(name, k, *key) for k, key in enumerate(keys)])
        return keys

    def results(self, keys: Sequence[Key]) -> dict[Key, Counts]:
        """The results of these programs that are known."""
        query = "SELECT counts, sum IS row_sum('results', circuit, copy, job, counts) FROM results WHERE "
        results = {}
        for key in set(keys):
            for text, intact in self._rows(f"{query} circuit = ? AND copy = ?", key):
                if not intact or (counts := _read_counts(text)) is None:
                    raise damaged(self.path, "a result is not as it was written")
                results[key] = counts
        return results

    def missing(self, keys: Sequence[Key]) -> list[Key]:
        """Those, once each and in order, that neither have a result nor are in a job from which one may come."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM results WHERE circuit = :c AND copy = :k) OR EXISTS (SELECT 1 FROM slots "
            f"JOIN jobs ON jobs.id = slots.job WHERE circuit = :c AND copy = :k AND state IN {OPEN})"
        )
        return [key for key in dict.fromkeys(keys) if not self._rows(query, {"c": key[0], "k": key[1]})[0][0]]

    def served(self) -> tuple[int, int]:
        """(positions, results): how many read-outs were asked for, and how many results serve them."""
        positions, results = self._rows("SELECT (SELECT COUNT(*) FROM positions), (SELECT COUNT(*) FROM results)")[0]
        return int(positions), int(results)


def _read_counts(text: object) -> Counts | None:
    """The counts that a text holds, None where it is not one of ours."""
    try:
        counts = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    right = isinstance(counts, dict) and all(type(v) is int and not set(k) - {"0", "1"} for k, v in counts.items())
    return counts if right else None
