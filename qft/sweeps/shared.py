"""Trials that another sweep has run: found by what decides their result, and taken over instead of run again.

Only directories that the user names with ``search_from=`` are read. A trial is taken where its plan says that the same
things decided it (``Cell.trial_id``), it is done, none of its files was changed since it finished, and its record names
the same base, data, seed and learning rate. What is taken is a copy, so the other directory may go.
"""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from qft.errors import QftError
from qft.names import one_name
from qft.process.files import whole_directory
from qft.records import Cell, Identity, RunDirectory, SweepPlan, check_files, read
from qft.sweeps import cells
from qft.sweeps.identity import digest

log = logging.getLogger(__name__)
TAKEN = ("config.yaml", "record.json", "history.csv", "curve.png", "log.txt", "COMPLETE")


def trial_id(identity: Identity, lr: float) -> str:
    """What decides a trial's result once its rate is known, in whatever sweep it is run: SHA-256."""
    trainer = {**identity.config["trainer"], "lr": lr}
    return digest(replace(identity, config={**identity.config, "trainer": trainer}, after=[], trial=None))


class Trials:
    """The trials of other sweeps."""

    def __init__(self, directories: Sequence[Path]) -> None:
        """Read their plans. Raises QftError for a directory that is no sweep."""
        for directory in directories:
            if not (directory / SweepPlan.FILE).is_file():
                raise QftError(f"search_from={directory} is not a sweep directory: it has no {SweepPlan.FILE}.")
        self._directories = directories
        self._known = self._read()

    def _read(self) -> dict[str, tuple[Path, Cell]]:
        """Trials by what decides their result, of plans as they are now."""
        known: dict[str, tuple[Path, Cell]] = {}
        for directory in self._directories:
            for cell in read(directory / SweepPlan.FILE, SweepPlan).cells:
                if cell.role == "search" and cell.trial_id:
                    one_name("cell", cell.name)
                    if cell.trial_id not in known or cells.done(directory, cell):
                        known[cell.trial_id] = directory, cell
        return known

    def take(self, directory: Path, cell: Cell, identity: Identity) -> bool:
        """Whether the trial was there; it is then done in this sweep, too.

        The other sweep may be running: what it has finished by now counts, and what it removes meanwhile is not there.

        Raises:
            QftError: It is there, but was altered or is not what its plan says.
        """
        if not self._done(cell.trial_id):
            self._known = self._read()
        if not self._done(cell.trial_id):
            return False
        try:
            self._copy(directory, cell, identity)
        except (FileNotFoundError, shutil.Error):
            log.info("%s was not taken over: it is gone", cell.name)
            return False
        return True

    def _done(self, trial: str) -> bool:
        return trial in self._known and cells.done(*self._known[trial])

    def _copy(self, directory: Path, cell: Cell, identity: Identity) -> None:
        other, theirs = self._known[cell.trial_id]
        run = cells.folder(other, theirs.name)
        _check(run, cell, identity)
        with whole_directory(cells.folder(directory, cell.name)) as place:
            place.mkdir(parents=True)
            for name in TAKEN:
                if (run / name).is_file():
                    shutil.copyfile(run / name, place / name)
            shutil.copytree(run / "adapter", place / "adapter")
        cells.end(directory, cell, "done", taken_from=str(other))
        log.info("taken  %s from %s", cell.name, other)


def _check(run: Path, cell: Cell, identity: Identity) -> None:
    check_files(run)
    if links := sorted(str(path) for path in (run, *run.rglob("*")) if path.is_symlink()):
        raise QftError(f"{links[0]} is a link: a trial that is taken over must lie in its sweep's directory.")
    finished = RunDirectory(run)
    finished.verify()
    record = finished.record()
    said = {
        "seed": record.seed,
        "lr": record.training.lr if record.training else None,
        "base": record.model.fingerprint if record.model else None,
        "data": record.data.fingerprint if record.data else None,
    }
    ours: Mapping[str, object]
    ours = {"seed": cell.seed, "lr": cell.lr, "base": identity.model, "data": identity.data}
    if wrong := [key for key in ours if said[key] != ours[key]]:
        raise QftError(f"{run} is not what its sweep's plan says ({', '.join(wrong)}); leave it out of search_from=.")
