"""A sweep's yaml: the rows that are compared, and at which scales.

    rows:
      qwthn: {label: QWTHN, adapter: qwthn}
      qwthn_no_circuit: {of: qwthn, set: [adapter.circuit=none]}
    scales:
      demo: {data: {demo: [model=demo]}, n: [300, 600], seeds: [0, 1], search: {n: 300, lr: [0.01, 0.03]},
             set: [trainer.epochs=1]}

Label and variant of a row that is ``of`` another follow from what it sets: *QWTHN, no circuit* and {circuit: none}.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import yaml

from qft import ranges
from qft.errors import QftError, nearest
from qft.names import shortened
from qft.records import Misfit, Plain, from_json
from qft.sweeps.labels import describe

# what rows of one sweep must share unless a row says that it varies
Varied = Literal["layers", "data", "search", "seeds", "budget"]
# key -> the numbers it may hold, and whether they are whole
ALLOWED = {
    "n": (ranges.Range(at_least=2), True),
    "seeds": (ranges.SEED, True),
    "lr": (ranges.Range(above=0), False),
    "budget": (ranges.Range(at_least=1), True),
    "seconds_per_step": (ranges.Range(above=0), False),
}


@dataclass(frozen=True)
class Search:
    """How the learning rate of a row is found: by seven trials, the lowest validation loss wins."""

    n: int  # samples to try rates on
    lr: list[float] | None = None  # these rates alone, a trial each, in place of the seven: a short search


@dataclass(frozen=True)
class Evaluation:
    """One more evaluation of each trained run of a row."""

    set: list[str]  # options of `qft eval`, such as backend=noisy
    variant: Plain  # what it changes, for tables and pictures


@dataclass(frozen=True)
class Row:
    """One line of the tables: a method, or a control of one."""

    label: str = ""  # its name in tables; of a control it follows from `set`
    adapter: str = ""  # the method, as in adapter=NAME; a control has that of its row
    of: str | None = None  # the row it is a control of: the same but for `set`
    set: list[str] = field(default_factory=list)  # options of its runs, such as adapter.r=1
    variant: Plain | None = None  # what it changes of its method; of a control it follows from `set`
    varies: list[Varied] = field(default_factory=list)  # what it does not share with the other rows
    test: bool = True  # false: its answers mean nothing, and the test set is left alone
    lr_of: str | None = None  # the row whose learning rate it takes; it searches none of its own
    search: Search | None = None  # a search of its own, with varies: [search]
    seeds: list[int] | None = None  # seeds of its own, with varies: [seeds]
    budget: int | None = None  # a budget of its own, with varies: [budget]; that alone: it has none, and keeps its size
    budget_knob: Literal["own", "layers", "layers_evenly"] = "own"  # what the budget turns, as in qft train
    optional: bool = False  # true: left out, and named so, where no setting brings it within its budget
    evaluate: dict[str, Evaluation] = field(default_factory=dict)  # name -> a further evaluation of its runs


@dataclass(frozen=True)
class Scale:
    """How large: what `scale=NAME` runs."""

    data: dict[str, list[str]]  # data set -> options of its runs, such as model=demo
    n: list[int]  # samples of the final runs
    seeds: list[int] | Literal["auto"]  # of the final runs; auto: 5, and 10 or 15 where a comparison needs them
    search: Search  # of learning rates, the same for every row
    subsets: int = 1  # training subsets, disjoint where the data have enough; each further one is a data set of its own
    rows: list[str] | None = None  # which of the rows; null: all
    every_method: bool = False  # true: also every method that no row has, by its name and with its defaults
    set: list[str] = field(default_factory=list)  # options of every run, such as trainer.epochs=2
    budget: int | list[int] | None = None  # most trainable parameters, in place of the sweep's
    seconds_per_step: float | None = None  # a guess, for `--dry-run` before anything is measured


@dataclass(frozen=True)
class Spec:
    """The whole file, configs/sweep/NAME.yaml."""

    name: str  # of the file
    rows: dict[str, Row]  # what is compared, in the order of the tables
    scales: dict[str, Scale]  # name -> how large
    budget: int | list[int] | None = None  # most trainable parameters of a row; of a list, every row at each of them


def read_spec(content: Mapping[str, Any], methods: Callable[[], Sequence[str]] = tuple) -> Spec:
    """A sweep's yaml as dataclasses, its controls filled in.

    Args:
        content: What the yaml says, and its ``name``.
        methods: Finds the methods that are trained by their name alone, for a scale with ``every_method``.

    Raises:
        QftError: A key is unknown, missing or of another type, a row is of none there is, or nothing is compared.
    """
    where = f"sweep {shortened(str(content.get('name', '')))}"
    try:
        spec = from_json(Spec, content)
    except Misfit as error:
        raise QftError(f"{where}: {error}.{error.hint}") from error
    _check_lists(where, spec)
    _check_chosen(where, spec)
    filled = {key: _filled(where, key, row, spec.rows) for key, row in spec.rows.items()}
    _check_alike(where, filled)
    spec = _with_every_method(replace(spec, rows=filled), methods)
    _check_repeated(where, "rows.*.label", [row.label for row in spec.rows.values()])
    return spec


def _with_every_method(spec: Spec, methods: Callable[[], Sequence[str]]) -> Spec:
    """The spec with a row for each method that none has, where a scale asks for them; they may adapt other layers."""
    if not any(scale.every_method for scale in spec.scales.values()):
        return spec
    taken = {row.adapter for row in spec.rows.values()}
    if clash := next((name for name in methods() if name in spec.rows and name not in taken), None):
        raise QftError(
            f"sweep {spec.name}: every_method adds the row {clash}, and 'rows.{clash}' is of another method."
        )
    others = {
        name: Row(name, name, variant={}, varies=["layers"], optional=True) for name in methods() if name not in taken
    }
    scales = {
        name: scale if scale.every_method else replace(scale, rows=scale.rows or [*spec.rows])
        for name, scale in spec.scales.items()
    }
    return replace(spec, rows=spec.rows | others, scales=scales)


def _check_lists(where: str, spec: Spec) -> None:
    """Refuse lists that are empty, and numbers that repeat or that no run can have."""
    named: dict[str, list[Any] | Mapping[str, Any]] = {"rows": spec.rows, "scales": spec.scales}
    named |= _budget("budget", spec.budget)
    for name, scale in spec.scales.items():
        named |= {f"scales.{name}.data": scale.data, f"scales.{name}.n": scale.n}
        named |= {} if isinstance(scale.seeds, str) else {f"scales.{name}.seeds": scale.seeds}
        step = scale.seconds_per_step
        named |= {} if step is None else {f"scales.{name}.seconds_per_step": [step]}
        named |= _searched(f"scales.{name}", scale.search) | _budget(f"scales.{name}.budget", scale.budget)
    for name, row in spec.rows.items():
        named |= {} if row.seeds is None else {f"rows.{name}.seeds": row.seeds}
        named |= {} if row.search is None else _searched(f"rows.{name}", row.search)
        named |= _budget(f"rows.{name}.budget", row.budget)
    for key, values in named.items():
        if not values:
            raise QftError(f"{where}: '{key}' names nothing.")
        if isinstance(values, list):
            allowed, whole = ALLOWED[key.rpartition(".")[2]]
            for value in values:
                ranges.check_one(f"{where}: {key}", value, allowed, whole)
            _check_repeated(where, key, values)


def _check_alike(where: str, rows: Mapping[str, Row]) -> None:
    """Refuse a control that differs from another row by its name alone: the same runs would be made twice."""
    seen: dict[str, str] = {}
    for key, row in rows.items():
        runs = repr(replace(row, label="", of=None, variant=None))
        if runs in seen and row.of is not None:
            raise QftError(f"{where}: 'rows.{key}' makes the same runs as 'rows.{seen[runs]}'; take one of them out.")
        seen.setdefault(runs, key)


def _check_chosen(where: str, spec: Spec) -> None:
    """Refuse a scale whose rows do not exist, repeat or are none."""
    for name, scale in spec.scales.items():
        if scale.rows is None:
            continue
        if not scale.rows:
            raise QftError(f"{where}: 'scales.{name}.rows' names nothing.")
        _check_repeated(where, f"scales.{name}.rows", scale.rows)
        for key in scale.rows:
            if key not in spec.rows:
                raise QftError(f"{where}: 'scales.{name}.rows' names {key}.{nearest(key, spec.rows)}")


def _searched(key: str, search: Search) -> dict[str, list[Any] | Mapping[str, Any]]:
    named: dict[str, list[Any] | Mapping[str, Any]] = {f"{key}.search.n": [search.n]}
    return named if search.lr is None else named | {f"{key}.search.lr": search.lr}


def _budget(key: str, budget: int | list[int] | None) -> dict[str, list[Any] | Mapping[str, Any]]:
    return {} if budget is None else {key: budget if isinstance(budget, list) else [budget]}


def _check_repeated(where: str, key: str, values: Sequence[Any]) -> None:
    for k, value in enumerate(values):
        if value in values[:k]:
            raise QftError(f"{where}: '{key}' has {shortened(str(value))} twice.")


def _filled(where: str, key: str, row: Row, rows: Mapping[str, Row]) -> Row:
    """The row with what follows from the one it is a control of."""
    for other in (row.of, row.lr_of):
        if other is not None and (other not in rows or other == key):
            raise QftError(f"{where}: 'rows.{key}' is of {other}, which is no other row.{nearest(other, rows)}")
    if row.of is None:
        for name, given in (("label", row.label), ("adapter", row.adapter)):
            if not given:
                raise QftError(f"{where}: 'rows.{key}.{name}' is missing; a control of another row says of: ROW.")
        return replace(row, variant=row.variant or {})
    parent = rows[row.of]
    if parent.of is not None or row.adapter:
        raise QftError(f"{where}: 'rows.{key}' is of {row.of}, which must be a method's own row, and gives no adapter.")
    changes = row.variant if row.variant is not None else _changes(row.set)
    label = row.label or ", ".join([parent.label, *(describe(name, value) for name, value in changes.items())])
    return replace(
        row,
        label=label,
        adapter=parent.adapter,
        set=[*parent.set, *row.set],
        variant=changes,
        budget=parent.budget if row.budget is None else row.budget,
        optional=row.optional or parent.optional,
    )


def _changes(options: list[str]) -> Plain:
    """``["adapter.circuit=none"]`` -> {"circuit": "none"}."""
    parts = (option.partition("=") for option in options)
    return {key.rpartition(".")[2]: _value(text) for key, _, text in parts}


def _value(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
