"""A budget and the option it chooses are not given together."""

import warnings
from collections.abc import Collection
from typing import Any

from qft.errors import QftError


def check(config: Any, given: Collection[str]) -> None:
    """Refuse what a budget cannot be given with.

    Args:
        config: A command's typed config.
        given: The keys that the user gave.

    Raises:
        QftError: The user gives the option that the budget chooses, with what it would choose; or says what a budget
            turns, and gives none.
    """
    options = vars(config)
    budget, turned = options.get("budget"), options.get("budget_knob")
    if turned is None:  # of a sweep, whose rows are composed one by one
        return
    if budget is None and turned != "own":
        raise QftError(f"budget_knob={turned} says what a budget turns; give one, budget=N.")
    if budget is None or not any(key.startswith("adapter.") for key in given) or "_target_" not in config.adapter:
        return  # to ask the method is to load torch
    from qft.models.budget import choose, knob_of

    knob = knob_of(config.adapter, turned)
    if knob and (twice := next((o for o in (knob.option, *knob.also) if f"adapter.{o}" in given), None)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            choice = choose(config.model, config.adapter, budget, turned)
        value = config.adapter[twice]
        raise QftError(f"adapter.{twice}={value} is what budget={budget} chooses ({choice}); give one of them.")
