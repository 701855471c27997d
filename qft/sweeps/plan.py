"""From a sweep's yaml to its cells.

A sweep has rows (methods) and scales; its cells are rows x data x n x seeds of one scale::

    rows:
      lora: {label: LoRA r=4, adapter: lora}
      qwthn: {label: QWTHN, adapter: qwthn, set: [adapter.blocks=2], variant: {blocks: 2}}
    scales:
      demo: {data: {demo: [model=demo]}, n: [300, 600], seeds: [0, 1], search: {n: 300, lr: [0.01, 0.03]},
             set: [trainer.epochs=1]}

For every row and data set the learning rate is searched first, on validation loss, with the same grid for all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qft.errors import QftError, nearest
from qft.names import one_name
from qft.records import Cell
from qft.sweeps.cells import ELSEWHERE

SCALES = ("paper", "demo", "smoke")
ROW = {"label", "adapter", "set", "variant", "test", "lr_of", "evaluate"}
SCALE = {"data", "n", "seeds", "search", "set", "seconds_per_step"}
# options that a sweep sets itself, cell by cell; given for all cells they would make its labels wrong
OWN = ("adapter", "data", "n", "seed", "trainer.lr", *(key for key in ELSEWHERE if key != "trust_configs"))
# what qft eval takes of a run's options
OF_EVALUATION = ("model", "data", "max_seq_len", "evaluation", "metric", "n", "seed", "trust_configs")


@dataclass(frozen=True)
class Choice:
    """What a user changes of a sweep: which part of it, and options of every cell."""

    rows: Sequence[str] | None = None
    datasets: Sequence[str] | None = None
    n: Sequence[int] | None = None
    seeds: Sequence[int] | None = None
    paths: Mapping[str, str] = field(default_factory=dict)
    options: Sequence[str] = ()


def plan(spec: Mapping[str, Any], scale: str, choice: Choice | None = None) -> list[Cell]:
    """All cells of the sweep at this scale: bases, searches, final runs, evaluations under other backends.

    Raises QftError for a scale, row or key that does not exist.
    """
    choice = choice or Choice()
    name = spec["name"]
    _check_spec(name, spec)
    _check_choice(choice)
    if scale not in spec["scales"]:
        raise QftError(f"scale={scale} does not exist.{nearest(scale, spec['scales'])}")
    chosen = spec["scales"][scale]
    for key in choice.rows or ():
        if key not in spec["rows"]:
            raise QftError(f"rows={key} does not exist.{nearest(key, spec['rows'])}")
    rows = {k: v for k, v in spec["rows"].items() if choice.rows is None or k in choice.rows}
    data = {d: chosen["data"].get(d, _model_of(chosen)) for d in choice.datasets or chosen["data"]}
    for key in choice.paths:
        if key not in data:
            raise QftError(f"paths.{key} belongs to no data set of this sweep.{nearest(key, data)}")
    for option in choice.options:
        if (key := option.partition("=")[0].lstrip("+~")) in OWN:
            raise QftError(
                f"{option} cannot be given to every cell: the sweep sets {key} itself. Choose with rows=, datasets=, "
                "n=[300], seeds=[0]; learning rates are searched on the grid of the sweep's yaml."
            )
    cells: list[Cell] = []
    for dataset, model in data.items():
        path = [f"data.path={choice.paths[dataset]}"] if dataset in choice.paths else []
        common = [*model, f"data={dataset}", *path, *chosen.get("set", ()), *choice.options]
        for n in choice.n or chosen["n"]:
            overrides = [
                o for o in _merged([*common, f"n={n}", "seed=0"]) if o.split("=")[0].split(".")[0] in OF_EVALUATION
            ]
            cells.append(
                Cell(f"{name}-base-{dataset}-n{n}", "base", "base", None, dataset, n, 0, overrides, command="eval")
            )
        for key, row in rows.items():
            if row.get("lr_of") not in (None, *rows):
                raise QftError(f"The row {key} takes its learning rate from {row['lr_of']}; keep that row too.")
            cells += _of_row(name, key, row, dataset, common, chosen, choice)
    for cell in cells:
        one_name("cell", cell.name)
    return cells


def _of_row(
    sweep: str,
    key: str,
    row: Mapping[str, Any],
    dataset: str,
    common: list[str],
    chosen: Mapping[str, Any],
    choice: Choice,
) -> list[Cell]:
    """The search of a row on one data set, its final runs, and their evaluations."""
    cells: list[Cell] = []
    about = (row["label"], row["adapter"], dataset)
    variant = dict(row.get("variant") or {})
    own = [f"adapter={row['adapter']}", *common, *(row.get("set") or ())]
    search = chosen["search"]
    searched = [f"{sweep}-search-{row.get('lr_of') or key}-{dataset}-lr{lr:g}" for lr in search["lr"]]
    if row.get("lr_of") is None:
        for name, lr in zip(searched, search["lr"], strict=True):
            overrides = _merged([*own, f"n={search['n']}", "seed=0", f"trainer.lr={lr}"])
            cells.append(Cell(name, "search", *about, search["n"], 0, overrides, lr, variant, test=False))
    for n in choice.n or chosen["n"]:
        for seed in choice.seeds or chosen["seeds"]:
            name = f"{sweep}-{key}-{dataset}-n{n}-seed{seed}"
            overrides = _merged([*own, f"n={n}", f"seed={seed}"])
            test = row.get("test", True)
            cells.append(Cell(name, "final", *about, n, seed, overrides, None, variant, test=test, after=searched))
            settings = [o for o in overrides if o.startswith(("evaluation.", "metric.", "+metric.", "trust_configs="))]
            for suffix, other in (row.get("evaluate") or {}).items():
                again = [*settings, *other["set"]]
                cells.append(
                    Cell(
                        f"{name}-{suffix}",
                        "final",
                        *about,
                        n,
                        seed,
                        again,
                        None,
                        variant | other["variant"],
                        "eval",
                        after=[name],
                    )
                )
    return cells


def _model_of(chosen: Mapping[str, Any]) -> list[str]:
    """The model of a data set that the scale does not name: the scale's first."""
    return list(next(iter(chosen["data"].values())))


def _merged(overrides: Sequence[str]) -> list[str]:
    """Overrides with one value a key, the last one given; model.path= takes the place of a named model."""
    found: dict[str, str] = {}
    for override in overrides:
        key = override.partition("=")[0].lstrip("+")
        found.pop(key, None)
        found[key] = override
    if "model.path" in found and not found.get("model", "model=demo").startswith("model=local"):
        found["model"] = "model=local"
    return list(found.values())


def _check_choice(choice: Choice) -> None:
    """A cell is known by its row, data set, n and seed: none of them is empty, and none is there twice."""
    for key in ("rows", "datasets", "n", "seeds"):
        values = getattr(choice, key)
        if values is not None and not values:
            raise QftError(f"{key}=[] leaves nothing of the sweep; leave {key} out for all there are.")
        if values and (twice := next((v for v in values if list(values).count(v) > 1), None)) is not None:
            raise QftError(f"{key} names {twice} twice.")


def _check_spec(name: str, spec: Mapping[str, Any]) -> None:
    """Raise QftError where a sweep's yaml lacks what cells are made of."""
    rows, scales = spec.get("rows"), spec.get("scales")
    if not isinstance(rows, Mapping) or not isinstance(scales, Mapping) or not rows or not scales:
        raise QftError(f"sweep {name}: its yaml needs rows and scales, as configs/sweep/table1.yaml has them.")
    kinds = (("row", rows, ROW, ("label", "adapter")), ("scale", scales, SCALE, ("data", "n", "seeds", "search")))
    for kind, content, known, needed in kinds:
        for key, value in content.items():
            if not isinstance(value, Mapping):
                raise QftError(f"sweep {name}, {kind} {key} should hold {', '.join(needed)}, and holds {value!r}.")
            _check_keys(f"sweep {name}, {kind} {key}", value, known)
            if lacking := [k for k in needed if k not in value]:
                raise QftError(f"sweep {name}, {kind} {key}: {lacking[0]} is missing.")


def _check_keys(where: str, content: Mapping[str, Any], known: set[str]) -> None:
    for key in content:
        if key not in known:
            raise QftError(f"{where}: there is no key '{key}'.{nearest(key, known)}")
