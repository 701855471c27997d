"""Runs held against each other: ``qft compare A B ...``.

Runs whose configurations differ in nothing but their seed are one row. The first row is the reference, and every other
one is compared with it by the rules of docs/statistics.md: one interval over the items and seeds both have,
simultaneous over the rows, by the held-out loss and by each score.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from qft.errors import QftError
from qft.names import visible
from qft.records import RunDirectory, check_files
from qft.reports import read
from qft.reports.analysis import comparisons, facts
from qft.reports.analysis.comparisons import Comparison
from qft.reports.sweep import Cell, Sweep, ordered
from qft.runs import names
from qft.runs.stored import read_config
from qft.statistics.verdict import MIN_SEEDS

DECIDING = ("model", "data", "adapter", "backend", "n", "max_seq_len", "trainer")  # of a run's result, beside its seed
OVER_ITEMS = (
    "One run a row: its interval is over other items of this kind, for these trained models as they are. It does not "
    "cover another seed, other training samples or another learning rate, so it says nothing of methods."
)
FEW_SEEDS = (
    f"With fewer than {MIN_SEEDS} seeds a row there is no verdict (docs/statistics.md): the numbers are descriptive."
)
FURTHER = "Not covered: other training samples, and learning rates, which are taken as they are."
DISTINGUISHING = 2  # options that tell two rows of a method apart in their names


@dataclass(frozen=True)
class Compared:
    """Runs as the rows of a small sweep.

    Attributes:
        sweep: a cell a run.
        folders: name of a cell -> its directory.
        differences: every row against the first.
        notes: what a reader must know, in sentences.
    """

    sweep: Sweep
    folders: dict[str, Path]
    differences: list[Comparison]
    notes: list[str]

    @property
    def rows(self) -> list[str]:
        """Names of the rows; the first is the reference."""
        return ordered(cell.row for cell in self.sweep.cells)


def compare(folders: Sequence[Path]) -> Compared:
    """Read runs and compare them.

    Args:
        folders: of two finished runs or evaluations or more, the reference first.

    Raises:
        QftError: One is no run, is not finished or is damaged; or they were tested on different samples.
    """
    folders = list({folder.resolve(): folder for folder in folders}.values())
    if len(folders) < 2:
        raise QftError("Two runs are needed: qft compare RUN RUN. qft runs lists what there is.")
    runs = [_read(folder) for folder in folders]
    _name_rows(runs)
    cells = [cell for cell, _ in runs]
    notes = _check_comparable(cells)
    root = folders[0].parent
    sweep = Sweep(root, "compare", "", cells, [], f"qft compare {' '.join(map(str, folders))}")
    rows = ordered(cell.row for cell in cells)
    of = {row: [cell for cell in cells if cell.row == row] for row in rows}
    differences = comparisons.answered(sweep, [_pair(of[row], of[rows[0]]) for row in rows[1:]])
    apart = [row for row in rows[1:] if not {c.seed for c in of[row]} & {c.seed for c in of[rows[0]]}]
    notes += [f"{row} and {rows[0]} have no seed in common: their runs are paired in order." for row in apart]
    if all(len(runs) == 1 for runs in of.values()):
        notes.append(OVER_ITEMS)
    notes += [FEW_SEEDS] if any(c.seeds < MIN_SEEDS for c in differences) else []
    notes += [FURTHER, *facts.near_duplicates(sweep)]
    return Compared(sweep, {cell.name: folder for cell, folder in zip(cells, folders)}, differences, notes)


def _read(folder: Path) -> tuple[Cell, dict[str, Any]]:
    """A run as a cell, and what of its configuration decides its result."""
    if names.is_sweep(folder):
        raise QftError(f"{folder} is a sweep; qft report {folder} compares its rows.")
    if not names.is_run(folder):
        raise QftError(f"{folder} is not a run directory.")
    check_files(folder)
    run = RunDirectory(folder)
    if reason := run.diverged:
        raise QftError(f"{folder} has no result to compare ({visible(reason)}).")
    trained = (folder / "config.yaml").is_file()
    if trained and not run.complete:
        raise QftError(f"{folder} is not finished; resume it, or leave it out.")
    cell = Cell(folder.name, "final", "", None, "", 0, 0, [], state="done")
    read.fill(cell, run)
    if not trained and cell.metrics is None:
        raise QftError(f"{folder} holds no results; repeat qft eval.")
    if trained:
        config = read_config(folder)
        content = {key: value for key, value in asdict(config).items() if key in DECIDING}
        cell.adapter, cell.data = visible(str(config.adapter["name"])), visible(str(config.data["name"]))
        cell.n, cell.seed = config.n, config.seed
        cell.label = cell.adapter
        return cell, content
    base = cell.metrics is not None and cell.metrics.settings.adapter is None
    cell.role, cell.adapter = ("base", None) if base else ("final", "saved")
    cell.label = "base" if base else names.short(visible(folder.name))
    return cell, {"evaluation": folder.name}


def _name_rows(runs: Sequence[tuple[Cell, dict[str, Any]]]) -> None:
    """Runs that differ in their seed alone are one row; rows of one method are told apart by what differs."""
    rows: list[list[tuple[Cell, dict[str, Any]]]] = []
    for cell, content in runs:
        fits = (row for row in rows if _alike(row[0][1], content) and cell.seed not in {c.seed for c, _ in row})
        row = next(fits, None)
        if row is None:
            rows.append([(cell, content)])
        else:
            row.append((cell, content))
    labels = [group[0][0].label for group in rows]
    for group, label in zip(rows, labels):
        called = label
        if labels.count(label) > 1:
            others = [g[0][1] for g, other in zip(rows, labels) if other == label and g is not group]
            told = _told_apart(group[0][1], others)
            called = f"{label}, {told}" if told else names.short(visible(group[0][0].name))
        for cell, _ in group:
            cell.row = cell.label = called
    if len({group[0][0].row for group in rows}) < len(rows):
        for group in rows:
            for cell, _ in group:
                cell.row = cell.label = visible(group[0][0].name)


def _alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two configurations say the same, as far as both say it: one may be of an earlier version."""
    a, b = _flat(one), _flat(other)
    return all(a[key] == b[key] for key in a.keys() & b.keys())


def _pair(row: list[Cell], reference: list[Cell]) -> tuple[list[Cell], list[Cell]]:
    """The runs of two rows as they are paired: by seed, or in order where they have no seed in common."""
    if {c.seed for c in row} & {c.seed for c in reference}:
        return row, reference
    one, other = ([replace(c, seed=k) for k, c in enumerate(sorted(r, key=lambda c: c.seed))] for r in (row, reference))
    return one, other


def _told_apart(content: dict[str, Any], others: Sequence[dict[str, Any]]) -> str:
    """The options in which a configuration differs from the others: ``r=8, n=300``; empty where they are many."""
    mine, theirs = _flat(content), [_flat(other) for other in others]
    keys = [key for key in mine if any(other.get(key) != mine[key] for other in theirs) and "card" not in key]
    if not 0 < len(keys) <= DISTINGUISHING:
        return ""
    return visible(", ".join(f"{key.rpartition('.')[2]}={mine[key]}" for key in keys))


def _flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in content.items():
        out |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return out


def _check_comparable(cells: Sequence[Cell]) -> list[str]:
    """What the runs do not share but may differ in. Raises QftError where they were tested on different samples."""
    notes: list[str] = []
    answered = [(c, c.metrics.settings) for c in cells if c.scores and c.metrics]
    for cell, settings in answered[1:]:
        first, asked = answered[0]
        if asked.prompts.sha256 != settings.prompts.sha256:
            raise QftError(
                f"{first.name} and {cell.name} answered different test sets ({asked.prompts.count} and "
                f"{settings.prompts.count} questions): evaluate both on the same one."
            )
        for key in ("decoding", "max_new_tokens", "max_seq_len", "template"):
            if (a := vars(asked)[key]) != (b := vars(settings)[key]):
                notes.append(f"{first.name} and {cell.name} answered with another {key}: {a} and {b}.")
    _check_held_out(cells, notes)
    shared = len(answered) == len(cells) or all(c.heldout for c in cells)
    if not shared and len({(c.data, c.record.data.fingerprint) for c in cells if c.record and c.record.data}) > 1:
        raise QftError("These runs have no test set in common: evaluate all of them on the same one with qft eval.")
    if not shared:
        notes.append(
            "They share neither held-out samples nor answers: losses stand beside each other without intervals."
        )
    return notes


def _check_held_out(cells: Sequence[Cell], notes: list[str]) -> None:
    """Held-out samples must be the same; where a tokenizer cuts them differently, their losses do not compare."""
    measured = [c for c in cells if c.heldout]
    for cell in measured[1:]:
        one, other = ({row.sample: row.tokens for row in c.heldout} for c in (measured[0], cell))
        if one.keys() != other.keys():
            raise QftError(
                f"{measured[0].name} and {cell.name} hold out different samples ({len(one)} and {len(other)}, "
                f"{len(one.keys() & other.keys())} in common): compare runs of the same data and data.heldout."
            )
        if one != other:
            notes.append(
                f"{cell.name} counts other tokens than {measured[0].name}: losses per token of different tokenizers do "
                "not compare, and the held-out loss is left out."
            )
            cell.heldout = []
