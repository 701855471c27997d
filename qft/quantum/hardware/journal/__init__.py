"""The journal of a run on hardware: one SQLite file that loses nothing and has nothing sent twice.

``journal.py`` says what it holds, ``jobs.py`` the states of a job; ``database.py`` opens, locks and writes it,
``integrity.py`` tells damage, ``file.py`` is about the file's names and content on disk, ``migration.py`` reads what
0.1.0 wrote.
"""

from qft.quantum.hardware.journal.jobs import STATES, Job, Key
from qft.quantum.hardware.journal.journal import Journal


def file_of(backend: str) -> str:
    """The usual name of the journal of a backend, in the run directory."""
    return f"{backend}.sqlite"


__all__ = ["STATES", "Job", "Journal", "Key", "file_of"]
