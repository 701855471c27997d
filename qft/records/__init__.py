"""What we write, typed: one dataclass, one writer and one reader for each file. Light: no torch, no pandas."""

from qft.records.checkpoints import MARKER, mark_checkpoint, newest_checkpoint
from qft.records.directory import COMPLETE, DIVERGED, SCORED, SCORES, RunDirectory, check_files
from qft.records.history import HISTORY, read_history, write_history
from qft.records.jsonfile import read_json, strict_json, write_json
from qft.records.record import SCHEMA, Record, git_state, new_record, now

__all__ = [
    "COMPLETE",
    "DIVERGED",
    "HISTORY",
    "MARKER",
    "SCHEMA",
    "SCORED",
    "SCORES",
    "Record",
    "RunDirectory",
    "check_files",
    "git_state",
    "mark_checkpoint",
    "new_record",
    "newest_checkpoint",
    "now",
    "read_history",
    "read_json",
    "strict_json",
    "write_history",
    "write_json",
]
