"""From a sweep's rows and one of its scales to cells: rows x data x n x seeds.

For every row and data set the learning rate is searched first, on validation loss, by the same trials for all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from qft.errors import QftError, nearest
from qft.names import one_name
from qft.records import Cell
from qft.sweeps import looks, trials
from qft.sweeps.budgets import within
from qft.sweeps.identity import ELSEWHERE
from qft.sweeps.spec import Evaluation, Row, Scale, Spec

# options that a sweep sets cell by cell; given for all cells they would make its labels wrong
SET_BY_SWEEP = (
    "adapter",
    "budget",
    "budget_knob",
    "data",
    "data.searched",
    "data.subset",
    "n",
    "seed",
    "trainer.lr",
    *(key for key in ELSEWHERE if key != "trust_configs"),
)
SUBSET = "-subset"  # in the name of a data set: another training subset of it
# what qft eval takes of a run's options
OF_EVALUATION = ("model", "data", "max_seq_len", "evaluation", "metric", "n", "seed", "trust_configs")


@dataclass(frozen=True)
class Selection:
    """What a user changes of a sweep: which part of it, and options of every cell."""

    rows: Sequence[str] | None = None
    datasets: Sequence[str] | None = None
    n: Sequence[int] | None = None
    seeds: Sequence[int] | Literal["auto"] | None = None
    budget: Sequence[int] | None = None
    subsets: int | None = None
    paths: Mapping[str, str] = field(default_factory=dict)
    options: Sequence[str] = ()


def plan(spec: Spec, scale: str, selection: Selection | None = None) -> list[Cell]:
    """All cells of the sweep at this scale: bases, searches, final runs, evaluations under other backends.

    Raises:
        QftError: A scale, row, data set or option is not one of this sweep's.
    """
    selection = selection or Selection()
    _check_selection(selection)
    rows = rows_of(spec, scale, selection)
    chosen = spec.scales[scale]
    cells: list[Cell] = []
    searched = max(row.search.n if row.search else chosen.search.n for row in rows.values())
    for dataset, common in _common(chosen, selection).items():
        cells += [_base(spec.name, dataset, n, [*common, *_beside(n, searched)]) for n in selection.n or chosen.n]
        for key, row in rows.items():
            if row.lr_of is not None and row.lr_of not in rows:
                raise QftError(f"The row {key} takes its learning rate from {row.lr_of}; keep that row too.")
            _check_options(row.set, f"cannot be set by the row {key}")
            cells += _of_row(spec.name, key, row, dataset, common, chosen, selection, searched)
    for cell in cells:
        one_name("cell", cell.name)
    return cells


def rows_of(spec: Spec, scale: str, selection: Selection) -> dict[str, Row]:
    """The chosen rows at this scale, each with its budget; at several budgets a row is one for each.

    Raises:
        QftError: A scale or row is not one of this sweep's.
    """
    if scale not in spec.scales:
        raise QftError(f"scale={scale} does not exist.{nearest(scale, spec.scales)}")
    for key in selection.rows or ():
        if key not in spec.rows:
            raise QftError(f"rows={key} does not exist.{nearest(key, spec.rows)}")
    wanted = selection.rows or spec.scales[scale].rows or spec.rows
    chosen = {k: v for k, v in spec.rows.items() if k in wanted}
    return within(chosen, spec, scale, selection.budget)


def sizing(spec: Spec, scale: str, selection: Selection) -> dict[tuple[str, str], list[str]]:
    """Row and data set -> the options of ``qft train`` by which its budget is met; of a control those of its row."""
    options = {}
    for dataset, common in _common(spec.scales[scale], selection).items():
        rows = rows_of(spec, scale, selection)
        for key, row in rows.items():
            own = row.set if row.of is None else (rows.get(row.of) or spec.rows[row.of]).set
            if row.budget is not None:
                wanted = [f"budget={row.budget}", f"budget_knob={row.budget_knob}"]
                options[key, dataset] = _merged([f"adapter={row.adapter}", *common, *own, *wanted])
    return options


def _common(chosen: Scale, selection: Selection) -> dict[str, list[str]]:
    """Data set -> the options of all cells on it; a further training subset counts as a data set of its own."""
    data = {d: chosen.data.get(d, _model_of(chosen)) for d in selection.datasets or chosen.data}
    for key in selection.paths:
        if key not in data:
            raise QftError(f"paths.{key} belongs to no data set of this sweep.{nearest(key, data)}")
    _check_options(selection.options, "cannot be given to every cell")
    path = {d: [f"data.path={selection.paths[d]}"] if d in selection.paths else [] for d in data}
    options = {d: [*model, f"data={d}", *path[d], *chosen.set, *selection.options] for d, model in data.items()}
    if clash := next((d for d in data if SUBSET in d), None):
        raise QftError(f"datasets={clash}: a name with {SUBSET} is that of a training subset; name the set otherwise.")
    subsets = range(1, selection.subsets or chosen.subsets)
    others = {f"{d}{SUBSET}{k}": [*given, f"++data.subset={k}"] for d, given in options.items() for k in subsets}
    return options | others


def _base(sweep: str, dataset: str, n: int, common: list[str]) -> Cell:
    """The untuned base on one data set."""
    given = _merged([*common, f"n={n}", "seed=0"])
    overrides = [o for o in given if o.partition("=")[0].lstrip("+").partition(".")[0] in OF_EVALUATION]
    return Cell(f"{sweep}-base-{dataset}-n{n}", "base", "base", None, dataset, n, 0, overrides, command="eval")


def _of_row(
    sweep: str, key: str, row: Row, dataset: str, common: list[str], chosen: Scale, selection: Selection, most: int
) -> list[Cell]:
    """The search of a row on one data set, its final runs, and their evaluations; ``most``: samples of any search."""
    of_row = Cell(
        "", "final", row.label, row.adapter, dataset, 0, 0, [], variant=row.variant or {}, key=key, of=row.of or ""
    )
    options = [f"adapter={row.adapter}", *common, *row.set]
    search = row.search or chosen.search
    whole = dataset.partition(SUBSET)[0]  # whose search is that of its other training subsets, too
    prefix = f"{sweep}-search-{row.lr_of or key}-{whole}"
    planned = trials.planned(search.lr)
    searched = [f"{prefix}-{trial.name}" for trial in planned]
    cells: list[Cell] = []
    for trial in planned if row.lr_of is None and dataset == whole else ():
        given = [*options, f"n={search.n}", f"seed={trial.seed}", "++data.heldout=0"]
        cells.append(
            replace(
                of_row,
                name=f"{prefix}-{trial.name}",
                role="search",
                n=search.n,
                seed=trial.seed,
                overrides=_merged([*given, *([] if trial.lr is None else [f"trainer.lr={trial.lr}"])]),
                lr=trial.lr,
                test=False,
                after=[f"{prefix}-{name}" for name in trial.after],
                trial=trial.name,
            )
        )
    for n in selection.n or chosen.n:
        seeds = selection.seeds or row.seeds or chosen.seeds
        for seed in looks.SEEDS if seeds == "auto" else seeds:
            look = looks.look_of(seed) if seeds == "auto" else 1
            name = f"{sweep}-{key}-{dataset}-n{n}-seed{seed}"
            overrides = _merged([*options, f"n={n}", f"seed={seed}", *_beside(n, most)])
            final = replace(
                of_row, name=name, n=n, seed=seed, overrides=overrides, test=row.test, after=searched, look=look
            )
            settings = [o for o in overrides if o.startswith(("evaluation.", "metric.", "+metric.", "trust_configs="))]
            cells += [
                final,
                *(_evaluated(final, suffix, other, settings) for suffix, other in row.evaluate.items()),
            ]
    return cells


def _beside(n: int, searched: int) -> list[str]:
    """What keeps the samples of a search out of those on which smaller final runs are compared."""
    return [f"++data.searched={searched}"] if searched > n else []


def _evaluated(final: Cell, suffix: str, other: Evaluation, settings: list[str]) -> Cell:
    """A further evaluation of a trained run."""
    variant, overrides = final.variant | other.variant, [*settings, *other.set]
    name, after = f"{final.name}-{suffix}", [final.name]
    changed = replace(final, name=name, overrides=overrides, variant=variant, of=final.of or final.key)
    return replace(changed, command="eval", test=True, after=after)


def _model_of(chosen: Scale) -> list[str]:
    """The model of a data set that the scale does not name: the scale's first."""
    return list(next(iter(chosen.data.values())))


def _check_options(options: Sequence[str], why: str) -> None:
    """Raise QftError for an option that the sweep sets itself, cell by cell: its labels would be wrong."""
    for option in options:
        if (key := option.partition("=")[0].lstrip("+~")) in SET_BY_SWEEP:
            raise QftError(
                f"{option} {why}: the sweep sets {key} itself. Choose with rows=, datasets=, n=[300], seeds=[0]; "
                "learning rates are searched as the sweep's yaml says."
            )


def _merged(overrides: Sequence[str]) -> list[str]:
    """Overrides with one value a key, the last one given; model.path= replaces a named model."""
    last: dict[str, str] = {}
    for override in overrides:
        key = override.partition("=")[0].lstrip("+")
        last.pop(key, None)
        last[key] = override
    if "model.path" in last and not last.get("model", "model=demo").startswith("model=local"):
        last["model"] = "model=local"
    return list(last.values())


def _check_selection(selection: Selection) -> None:
    """A cell is known by its row, data set, n and seed: none of them is empty or given twice."""
    chosen: dict[str, Sequence[str] | Sequence[int] | None]
    seeds = None if selection.seeds == "auto" else selection.seeds
    chosen = {"rows": selection.rows, "datasets": selection.datasets, "n": selection.n, "seeds": seeds}
    chosen["budget"] = selection.budget
    for key, values in chosen.items():
        if values is not None and not values:
            raise QftError(f"{key}=[] leaves nothing of the sweep; leave {key} out for all there are.")
        if values and (twice := next((v for v in values if list(values).count(v) > 1), None)) is not None:
            raise QftError(f"{key} names {twice} twice.")
