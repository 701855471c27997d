"""``qft params adapter=all budget=N``: every method at the largest setting within the budget."""

from collections.abc import Mapping
from typing import Any

from qft.cli._output import log, show
from qft.config import ParamsConfig
from qft.errors import QftError
from qft.progress import bar
from qft.records import Plain

COLUMNS = (
    "method",
    "knob",
    "trainable",
    "circuit",
    "classical",
    "least",
    "multiply-adds a token",
    "merge",
    "hardware",
)


def compare(config: ParamsConfig, specs: Mapping[str, Plain], budget: int) -> None:
    """Print a line a method; of those without a setting so small the least they can have."""
    documents = [_document(config, adapter, budget) for adapter in bar(specs.values(), "methods", "methods")]
    for document in documents:
        if "error" in document:
            log.warning("%s", document["error"])
    title = f"all methods within {budget:,} parameters on {config.model['name'] or config.model['path']}"
    content = {"model": config.model["name"], "budget": budget, "methods": documents}
    show(config.format, content, title, COLUMNS, [_row(document) for document in documents])


def _document(config: ParamsConfig, adapter: Plain, budget: int) -> Plain:
    """What a method is within the budget, as JSON has it."""
    import torch

    from qft.adapters import methods
    from qft.models.budget import OutOfReach, choose
    from qft.models.count import count

    document: Plain = {"adapter": adapter["name"]}
    try:
        choice = choose(config.model, adapter, budget, config.budget_knob)
        with torch.device("meta"):  # nothing is trained in this process, so nothing need be drawn
            counts = count(config.model, choice.adapter)
        document |= {"knob": choice.option, "value": choice.value, "trainable": counts.trainable}
        document |= {"circuit": counts.circuit, "classical": counts.trainable - counts.circuit}
    except OutOfReach as error:
        document |= {"error": str(error), "minimum": error.minimum, "knob": error.option, "value": error.value}
    except QftError as error:
        return document | {"error": f"adapter={adapter['name']}: {error}"}
    card = methods.of(adapter).describe()
    return document | {"token_cost": card.token_cost, "mergeable": card.mergeable, "hardware": card.hardware}


def _row(document: Plain) -> list[Any]:
    knob = f"{document['knob']}={document['value']}" if document.get("knob") else None
    numbers = [document.get(key) for key in ("trainable", "circuit", "classical", "minimum")]
    merge = {True: "yes", False: "no"}.get(document.get("mergeable"))  # type: ignore[arg-type]
    hardware = document.get("hardware", "").partition(":")[0]  # why and how is in docs/adapters.md
    return [document["adapter"], knob, *numbers, document.get("token_cost"), merge, hardware]
