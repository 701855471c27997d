"""ShareGPT: conversations as tools for fine-tuning exchange them, one a row::

    {"id": "wNBG8Gp_0", "conversations": [{"from": "human", "value": "Summarise this."},
                                          {"from": "gpt", "value": "It says that ..."}]}

The speakers are human (or user) and gpt (or assistant, chatgpt); a system text at the start is left out and counted,
and conversations with turns of a tool, or that do not alternate, are left out. For the test set, duplicates and ids see
``qft.data.assemble``.
"""

import json
from collections import Counter

from qft.data.assemble import assemble
from qft.data.columns import near_misses
from qft.data.datasets.base import Source, positions
from qft.data.messages import Messages, from_conversations
from qft.data.rows import Row
from qft.data.sources import open_rows
from qft.errors import QftError


def load(
    path: str | None = None,
    hub: str | None = None,
    rows: str | None = None,
    test_rows: str | None = "0:2000",
    repository: str | None = None,
) -> Source:
    """Read the rows at ``rows`` and ``test_rows``, and no others."""
    pool, test = positions(rows), positions(test_rows, "data.test_rows")
    chosen = open_rows("sharegpt", path, hub, repository, {}, (pool, test))
    return assemble("sharegpt", chosen, read, pool, test)


def read(row: Row, counts: Counter[str]) -> tuple[Messages, str | None]:
    """The column conversations -> messages."""
    try:
        row.require("conversations")
    except QftError as error:
        raise QftError(f"{error}{near_misses(row, ('conversations',))} data=jsonl reads other columns.") from None
    return from_conversations(row, counts), None


def _example(k: int) -> dict[str, object]:
    """Some begin with a system text, some have two exchanges."""
    turns = [{"from": "human", "value": f"Name {k} birds."}, {"from": "gpt", "value": f"Bird {k}, and so on."}]
    if k % 3 == 0:
        turns = [{"from": "system", "value": "Be brief."}, *turns]
    if k % 4 == 0:
        turns += [{"from": "human", "value": f"And bird {k + 1}?"}, {"from": "gpt", "value": "A wren."}]
    return {"id": f"talk_{k}", "conversations": turns}


EXAMPLE = {"train.json": json.dumps([_example(k) for k in range(60)], indent=1)}
