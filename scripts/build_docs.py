"""Write the pages of docs/ that are made from code and yamls: the table of all methods, the configuration reference.

    python scripts/build_docs.py

A test compares the pages with what this would write.
"""

from pathlib import Path

import configuration_page
import yaml

from qft.adapters import METHODS
from qft.adapters.config import QftConfig
from qft.adapters.method_card import MethodCard

ROOT = Path(__file__).parent.parent
COLUMNS = ("`adapter=`", "Mergeable", "Trainable parameters", "Cost of a token", "Runs on hardware", "Source")

INTRODUCTION = """\
# The methods

<!-- Written by scripts/build_docs.py from the adapters' own statements; change those and run it again. -->

Parameters and cost are those of one adapted layer, a linear layer of size in x out unless the row says otherwise; the
cost counts products beside the layer's own. r is the rank, and the number of qubits of a circuit. MPO(in, width) is a
tensor train with cores of (D, J_k, I_k, D): sum over k of I_k J_k D_(k-1) D_k parameters, D_0 = D_n = 1. Exact numbers
for a model: `qft params adapter=NAME model=NAME`, or `adapter=all`. Each option is explained in
`configs/adapter/NAME.yaml`. "Runs on hardware" says whether a quantum computer can evaluate the method's circuit.
"""


def is_linear(config: QftConfig) -> bool:
    """Whether the method with its defaults can be merged."""
    config.resolve([(32, 32)])
    return config.delta_class(32, 32, config, None).linear


def row(name: str, mergeable: bool, card: MethodCard) -> str:
    """One line of the table."""
    merge = ("yes" if mergeable else "no") + (f"; {card.merge}" if card.merge else "")
    return f"| {name} | {merge} | {card.parameters} | {card.token_cost} | {card.hardware} | {card.source} |"


def table() -> list[str]:
    """Ours first, then the libraries', each by name. A method that states nothing is a KeyError or AttributeError."""
    ours = [row(name, is_linear(config()), config.card) for name, config in sorted(METHODS.items())]
    libraries = []
    for file in sorted((ROOT / "configs" / "adapter").glob("*.yaml")):
        spec = yaml.safe_load(file.read_text(encoding="utf-8"))
        if "_target_" in spec and not str(spec["_target_"]).startswith("qft."):
            libraries.append(row(file.stem, "merge" in spec["supports"], MethodCard(**spec["card"])))
    head = "| " + " | ".join(COLUMNS) + " |"
    return [head, "|" + "---|" * len(COLUMNS), *ours, *libraries]


def page() -> str:
    """The whole of docs/adapters.md."""
    return INTRODUCTION + "\n" + "\n".join(table()) + "\n"


PAGES = {"adapters.md": page, "configuration.md": configuration_page.page}  # name in docs/ -> what it should hold


if __name__ == "__main__":
    for name, written in PAGES.items():
        (ROOT / "docs" / name).write_text(written(), encoding="utf-8")
