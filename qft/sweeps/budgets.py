"""The budget of a sweep: the most trainable parameters of each row, met when the sweep is planned.

    budget: [1000, 4000]
    rows:
      lora: {label: LoRA, adapter: lora, optional: true}   # LoRA within 1,000 is left out, LoRA within 4,000 has r=1
      full: {label: Full, adapter: full, varies: [budget]}   # keeps its size

A control has the setting of the row it is ``of``, so that it differs by what it sets alone.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from qft.config import TrainConfig
from qft.errors import QftError
from qft.records import Cell, LeftOut, Size
from qft.sweeps.spec import Row, Spec

Compose = Callable[[str, Sequence[str]], Any]  # a command and its overrides -> its config


def shared(spec: Spec, scale: str, given: Sequence[int] | None) -> list[int]:
    """The budgets of all rows that have none of their own: what the user gives, else the scale's, else the sweep's."""
    of_scale = spec.scales[scale].budget
    stated = spec.budget if of_scale is None else of_scale
    stated = stated if given is None else list(given)
    return stated if isinstance(stated, list) else [] if stated is None else [stated]


def within(rows: Mapping[str, Row], spec: Spec, scale: str, given: Sequence[int] | None) -> dict[str, Row]:
    """The rows with their budgets. Where there are several, each row that shares them is one for each of them."""
    budgets = shared(spec, scale, given)
    size_of = {key: row if row.of is None else spec.rows[row.of] for key, row in rows.items()}  # whose setting it has
    own = {key for key, row in rows.items() if row.budget is not None or "budget" in size_of[key].varies}
    if len(budgets) < 2:
        return {k: row if k in own or not budgets else replace(row, budget=budgets[0]) for k, row in rows.items()}
    out = {}
    for key, row in rows.items():
        for budget in [None] if key in own else budgets:
            named = key if budget is None else f"{key}_{budget}"
            if named in out or (named != key and named in rows):
                raise QftError(
                    f"sweep {spec.name}: the row {key} within {budget} would be {named}, which is another row."
                )
            at = row if budget is None else replace(row, budget=budget, label=f"{row.label} within {budget:,}")
            if row.lr_of in rows and row.lr_of not in own:
                if at.budget not in budgets:
                    raise QftError(
                        f"sweep {spec.name}: the row {key} is of one size, and {row.lr_of}, whose learning rate "
                        "it takes, of several."
                    )
                at = replace(at, lr_of=f"{row.lr_of}_{at.budget}")
            if row.of in rows and row.of not in own and at.budget in budgets:
                at = replace(at, of=f"{row.of}_{at.budget}")
            out[named] = at
    return out


def meet(
    sweep: str,
    rows: Mapping[str, Row],
    planned: Sequence[Cell],
    sizing: Mapping[tuple[str, str], Sequence[str]],
    compose: Compose,
) -> tuple[list[Cell], list[LeftOut]]:
    """Set the one knob of every row with a budget, and leave out the optional rows that cannot be made so small.

    Args:
        sweep: Its name.
        rows: Its rows by key, with their budgets.
        planned: Its cells, each after those it builds on.
        sizing: Row and data set -> the options of ``qft train`` by which the budget is met.
        compose: Composes the config of a command.

    Returns:
        The cells that remain, with their sizes and the options that make them; what was left out, and why.

    Raises:
        QftError: A row that is not optional has no setting within its budget, sets the knob itself, or takes its
            learning rate from a row that is left out; or no row remains.
    """
    if not sizing:
        return list(planned), []
    from qft.models.budget import OutOfReach

    sized: dict[tuple[str, str], tuple[Size, list[str]]] = {}
    left_out: dict[tuple[str, str], LeftOut] = {}
    for (key, data), options in sizing.items():
        row, cell = rows[key], next(c for c in planned if (c.key, c.data) == (key, data))
        assert row.budget is not None
        try:
            if (row.lr_of, data) in left_out:
                raise OutOfReach(f"it takes the learning rate of {row.lr_of}, which is left out.")
            sized[key, data] = _sized(row, cell, options, compose)
        except OutOfReach as error:
            if not row.optional:
                raise QftError(
                    f"sweep {sweep}: the row {key} on {data}: {error} Let it be left out with optional: true, or keep "
                    "its size with varies: [budget]."
                ) from error
            left_out[key, data] = LeftOut(key, row.label, data, row.budget, str(error))
        except QftError as error:
            raise QftError(f"sweep {sweep}: the row {key} on {data}: {error}") from error
    remain = []
    for cell in planned:
        size, options = sized.get((cell.key, cell.data), (None, []))
        trained = cell.command == "train"
        if (cell.key, cell.data) not in left_out:
            overrides = [*cell.overrides, *options] if trained else cell.overrides
            remain.append(replace(cell, size=size, overrides=overrides))
    if left_out and not any(cell.role == "final" for cell in remain):
        raise QftError(f"sweep {sweep}: no row is left; {next(iter(left_out.values())).why}")
    return remain, list(left_out.values())


def _sized(row: Row, cell: Cell, options: Sequence[str], compose: Compose) -> tuple[Size, list[str]]:
    """The size of a row on one data set, and the options that make it."""
    from qft.models import budget, count

    config: TrainConfig = compose("train", options)
    assert config.budget is not None
    choice = budget.choose(config.model, config.adapter, config.budget, config.budget_knob)
    for option in choice.options:
        if given := next((o for o in cell.overrides if o.partition("=")[0].lstrip("+") == f"adapter.{option}"), None):
            raise QftError(f"{given} is what its budget chooses ({choice}); take one of them out.")
    known = {option: "" if option in config.adapter else "++" for option in choice.options}  # ++ adds what a yaml lacks
    words = [f"{known[option]}adapter.{option}={json.dumps(value)}" for option, value in choice.options.items()]
    trainable = choice.trainable
    if row.of is not None:
        control: TrainConfig = compose("train", [*cell.overrides, *words])
        trainable = count.count(control.model, control.adapter).trainable
    return Size(config.budget, choice.option, choice.value, trainable), words
