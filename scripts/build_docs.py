"""Write the pages of docs/ that are made from code and yamls: the methods, the configuration reference.

    python scripts/build_docs.py

A test compares the pages with what this would write.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import artefacts_page
import configuration_page
import methods_page
import yaml

from qft.adapters import METHODS, methods
from qft.adapters.method_card import MethodCard

ROOT = Path(__file__).parent.parent
COLUMNS = (
    "`adapter=`",
    "Equation",
    "Trainable parameters",
    "Start",
    "Cost of a token",
    "Circuit",
    "Runs on hardware",
    "Mergeable",
    "Exactly a LoRA of rank",
    "Source",
)

INTRODUCTION = """\
# The methods

<!-- Written by scripts/build_docs.py from the adapters' own statements; change those and run it again. -->

Parameters and cost are those of one adapted layer, a linear layer of size in x out unless the row says otherwise; the
cost counts products beside the layer's own. r is the rank, and the number of qubits of a circuit. MPO(in, width) is a
tensor train with cores of (D, J_k, I_k, D): sum over k of I_k J_k D_(k-1) D_k parameters, D_0 = D_n = 1. Exact numbers
for a model: `qft params adapter=NAME model=NAME`, or `adapter=all`. Each option is explained in
`configs/adapter/NAME.yaml`.

W is the layer's weight, c its bias, s = alpha / r, and "start" what makes an adapted model equal to its base before the
first step. M_A and M_B are tensor trains with a linear layer each. "Runs on hardware" says whether a quantum computer
can evaluate the method's circuit; `qft circuit` and `qft cost` have the gates and the number of circuits. A mergeable
method leaves a plain model behind, in the format of its base. The last but one column is the rank of the LoRA that a
trained layer equals exactly; "full rank" can only be approximated by one.
"""


def row(name: str, card: MethodCard) -> str:
    """One line of the table."""
    merge = ("yes" if card.mergeable else "no") + (f"; {card.merge}" if card.merge else "")
    equation = f"${card.equation}$" if card.equation else ""
    rest = (card.parameters, card.start, card.token_cost, card.circuit, card.hardware, merge, card.lora_rank)
    return "| " + " | ".join([name, equation, *rest, card.source]) + " |"


def specs() -> Iterator[dict[str, Any]]:
    """Every method's yaml, ours first, then the libraries', each by name; what a model decides is left open."""
    found = []
    for file in sorted((ROOT / "configs" / "adapter").glob("*.yaml")):
        spec = yaml.safe_load(file.read_text(encoding="utf-8"))
        if "_target_" in spec:
            found.append({"name": file.stem} | {k: None if str(v).startswith("${") else v for k, v in spec.items()})
    ours = {config.__module__ for config in METHODS.values()}
    yield from sorted(found, key=lambda spec: str(spec["_target_"]).rpartition(".")[0] not in ours)


def table() -> list[str]:
    """The head and a row a method. A method of a library that states no card is a KeyError."""
    head = "| " + " | ".join(COLUMNS) + " |"
    return [head, "|" + "---|" * len(COLUMNS), *(row(spec["name"], methods.of(spec).describe()) for spec in specs())]


def page() -> str:
    """The whole of docs/adapters.md."""
    return INTRODUCTION + "\n" + "\n".join(table()) + "\n"


PAGES = {  # name in docs/ -> what it should hold
    "adapters.md": page,
    "artefacts.md": artefacts_page.page,
    "configuration.md": configuration_page.page,
    methods_page.PAGE: lambda: methods_page.page(specs()),
    "sweeps.md": artefacts_page.sweep_keys,
    "add-a-claim.md": artefacts_page.claim_keys,
}


if __name__ == "__main__":
    for name, written in PAGES.items():
        (ROOT / "docs" / name).write_text(written(), encoding="utf-8")
