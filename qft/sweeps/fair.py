"""Rows of a sweep are compared fairly: they share layers, data, search and seeds, or a row says what varies.

What differs stands in the plan (``Cell.differs``), so that reports can print it beside the row.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qft.config import differences
from qft.errors import QftError
from qft.records import Cell, Plain
from qft.sweeps.spec import Row

BUDGET = ("epochs", "max_steps", "batch_size", "accumulation")  # of the trainer: how long each trial is
OWN_LAYERS = "its own"  # of a method that takes no names of layers
Config = Mapping[str, Any]


def check(
    name: str,
    rows: Mapping[str, Row],
    planned: Sequence[Cell],
    configs: Mapping[str, Config],
    budgets: Sequence[int] = (),
) -> None:
    """Hold the rows of a sweep to one another, and note in each cell what its row declares to be different.

    Args:
        name: Of the sweep.
        rows: Its rows by key.
        planned: Its cells.
        configs: The resolved config of each cell, by name.
        budgets: Those of the sweep, which its rows share.

    Raises:
        QftError: A row differs and does not say so; names the row, the data set and the difference.
    """
    trained = [cell for cell in planned if cell.role == "final" and cell.command == "train"]
    for data in dict.fromkeys(cell.data for cell in trained):
        cells = {cell.key: cell for cell in trained if cell.data == data}  # of each row one: they differ in n and seed
        facts: dict[str, Plain] = {
            "layers": {key: _layers(configs[cell.name]) for key, cell in cells.items()},
            "data": {key: _data(configs[cell.name]) for key, cell in cells.items()},
            "search": {key: _search(cell, planned, configs) for key, cell in cells.items()},
            "seeds": {key: sorted({c.seed for c in trained if (c.key, c.data) == (key, data)}) for key in cells},
            "budget": {key: _budget(rows[key].budget, cell, budgets) for key, cell in cells.items()},
        }
        for kind, values in facts.items():
            usual = _usual([value for value in values.values() if value != OWN_LAYERS] or [*values.values()])
            for key, value in values.items():
                if value == usual:
                    continue
                words = _WORDS[kind](value, usual)
                if kind not in rows[key].varies and value != OWN_LAYERS:
                    raise QftError(
                        f"sweep {name}: the row {key} differs from the others in {kind} on {data} ({words}); "
                        f"take the difference out, or declare it in the row: varies: [{kind}]."
                    )
                for cell in planned:
                    if (cell.key, cell.data) == (key, data):
                        cell.differs = cell.differs | {kind: words}


def _layers(config: Config) -> Any:
    from qft.adapters import methods

    adapter, model = config["adapter"], config["model"]
    if not methods.of(adapter).takes_targets:
        return OWN_LAYERS
    targets = adapter.get("target_modules")
    return model["target_modules"] if targets is None else targets


def _data(config: Config) -> Plain:
    return {"data": config["data"], "max_seq_len": config["max_seq_len"]}


def _search(cell: Cell, planned: Sequence[Cell], configs: Mapping[str, Config]) -> Plain:
    """Of a row that takes another's rate, the other's."""
    trials = [trial for trial in planned if trial.name in cell.after]
    trainer = configs[cell.name]["trainer"]
    return {"trials": [t.trial for t in trials], "n": [t.n for t in trials]} | {key: trainer[key] for key in BUDGET}


def _budget(own: int | None, cell: Cell, budgets: Sequence[int]) -> str:
    """In words. A control has the setting of its row, and by that perhaps more parameters than its budget."""
    if cell.size is not None and cell.size.trainable > cell.size.budget:
        return f"{cell.size.trainable:,} parameters in a budget of {cell.size.budget:,}"
    shared = budgets if own in budgets else [own] if own is not None else []
    return " or ".join(f"{budget:,}" for budget in shared) or "none"


def _usual(values: Sequence[Any]) -> Any:
    """The value most rows have; of several, that of the earliest row."""
    counted = Counter(map(repr, values))
    return max(values, key=lambda value: counted[repr(value)], default=None)


def _of_layers(value: Any, usual: Any) -> str:
    def words(layers: Any) -> str:
        return ", ".join(layers) if isinstance(layers, list) else layers or "query and value projections"

    return f"{words(value)}; theirs: {words(usual)}"


def _of_config(value: Config, usual: Config) -> str:
    return "; ".join(differences(usual, value))


def _of_seeds(value: Sequence[int], usual: Sequence[int]) -> str:
    return f"{', '.join(map(str, value))}; theirs: {', '.join(map(str, usual))}"


def _of_budget(value: str, usual: str) -> str:
    return f"{value}; theirs: {usual}"


_WORDS: Mapping[str, Callable[[Any, Any], str]] = {
    "layers": _of_layers,
    "data": _of_config,
    "search": _of_config,
    "seeds": _of_seeds,
    "budget": _of_budget,
}
