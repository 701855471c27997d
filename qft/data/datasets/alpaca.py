"""Alpaca: an instruction, an optional input, an output.

A real row (alpaca_en, shortened)::

    {"instruction": "Describe a process of making crepes.", "input": "", "output": "Making crepes is easy! ..."}

Input joins the instruction on a line of its own. For the test set, duplicates and ids see
``qft.data.assemble``.
"""

import json
from collections import Counter

from qft.data.assemble import assemble
from qft.data.datasets.base import Source, positions
from qft.data.messages import Messages, from_instruction
from qft.data.rows import Row
from qft.data.sources import open_rows

TEST_SIZE = 100  # answers that the survey's table (arXiv 2509.16244) is an average of
REPOSITORIES = {"hf": "llamafactory/alpaca_en", "modelscope": "llamafactory/alpaca_en"}


def load(
    path: str | None = None,
    hub: str | None = None,
    rows: str | None = None,
    test_rows: str | None = "0:2000",
    repository: str | None = None,
) -> Source:
    """Read the rows at ``rows`` and ``test_rows``, and no others."""
    pool, test = positions(rows), positions(test_rows, "data.test_rows")
    chosen = open_rows("alpaca", path, hub, repository, REPOSITORIES, (pool, test))
    return assemble("alpaca", chosen, read, pool, test, test_size=TEST_SIZE)


def read(row: Row, counts: Counter[str]) -> tuple[Messages, str | None]:
    """Columns instruction, input (may be missing or null) and output -> messages."""
    return from_instruction(row, counts), None


EXAMPLE = {
    "alpaca.json": json.dumps(
        [
            {
                "instruction": f"Name {k} fruits.",
                "input": (None, "", f"Not number {k}.")[k % 3],
                "output": f"Fruit {k}.",
            }
            for k in range(60)
        ],
        indent=1,
    )
}
