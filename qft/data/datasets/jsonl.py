"""Your own set (jsonl, json, parquet or csv). Each row is one conversation, in any of these columns::

    {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]}
    {"conversations": [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "4"}]}
    {"instruction": "Add.", "input": "2+2", "output": "4"}
    {"prompt": "2+2?", "response": "4"}
    {"query": "2+2?", "response": "4"}
    {"question": "2+2?", "answer": "2+2=4\\n#### 4"}

Reasoning is in the assistant's text as ``<think>…</think>``, or separate as ``reasoning_content`` (beside
``content`` in a message, else a column). Other columns are not read. For the test set, duplicates and ids
see ``qft.data.assemble``.
"""

import json

from qft.data.assemble import assemble
from qft.data.columns import read
from qft.data.datasets.base import Source, positions
from qft.data.sources import open_rows


def load(
    path: str | None = None,
    hub: str | None = None,
    rows: str | None = None,
    test_rows: str | None = "0:2000",
    repository: str | None = None,
) -> Source:
    """Read the rows at ``rows`` and ``test_rows``, and no others."""
    pool, test = positions(rows), positions(test_rows, "data.test_rows")
    chosen = open_rows("jsonl", path, hub, repository, {}, (pool, test))
    return assemble("jsonl", chosen, read, pool, test)


def _example(k: int) -> dict[str, object]:
    """The three forms in turn, reasoning apart, within the text and missing."""
    question, thought, reply = f"What is {k} plus 1?", f"{k}+1={k + 1}", f"It is {k + 1}."
    text = f"<think>\n{thought}\n</think>\n\n{reply}"
    if k % 3 == 0:
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]
        turns[1] |= {"reasoning_content": thought} if k % 2 else {}
        return {"messages": [{"role": "system", "content": "Be brief."}, *turns]}
    if k % 3 == 1:
        return {"prompt": question, "response": reply, "reasoning_content": thought if k % 2 else None}
    return {"instruction": question, "input": None, "output": text}


EXAMPLE = {"mine.jsonl": "".join(json.dumps(_example(k)) + "\n" for k in range(60))}
