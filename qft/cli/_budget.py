"""``qft params adapter=all budget=N``: every method at the largest setting within the budget."""

from collections.abc import Mapping
from typing import Any

from qft.cli._output import log, show
from qft.config import ParamsConfig
from qft.errors import QftError
from qft.records import Plain


def compare(config: ParamsConfig, specs: Mapping[str, Plain], budget: int) -> None:
    """Print a line a method; those without a setting so small say why."""
    documents: list[Plain] = []
    for name, adapter in specs.items():
        try:
            documents.append(_row(config, adapter, budget))
        except QftError as error:
            documents.append({"adapter": name, "error": str(error)})
            log.warning("%s", error)
    keys = ("adapter", "knob", "value", "trainable", "circuit", "classical", "token_cost", "merge", "hardware")
    rows: list[list[Any]] = [[d.get(key) for key in keys] for d in documents]
    title = f"all methods within {budget:,} parameters on {config.model['name'] or config.model['path']}"
    document = {"model": config.model["name"], "budget": budget, "methods": documents}
    show(config.format, document, title, [key.replace("_", " ") for key in keys], rows)


def _row(config: ParamsConfig, adapter: Plain, budget: int) -> Plain:
    from qft.adapters import methods
    from qft.models.budget import choose
    from qft.models.count import count

    choice = choose(config.model, adapter, budget)
    method, counts = methods.of(choice.adapter), count(config.model, choice.adapter)
    card = method.describe()
    return {
        "adapter": adapter["name"],
        "knob": choice.option,
        "value": choice.value,
        "trainable": counts.trainable,
        "circuit": counts.circuit,
        "classical": counts.trainable - counts.circuit,
        "token_cost": card.token_cost,
        "merge": "yes" if card.mergeable else "no",
        "hardware": card.hardware,
    }
