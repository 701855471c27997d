"""R1-Distill-SFT (ServiceNow-AI): problems with DeepSeek-R1's reasoning and answer, in its two layouts.

A row of v0 (171,647 rows; shortened)::

    {"id": "gsm8k_0", "problem": "Natalia sold clips to ...", "source": "gsm8k", "solution": "... \\\\boxed{72}",
     "reannotated_assistant_content": "<think>\\nIn May she sold 48/2 = 24 clips. ...\\n</think>\\n\\nThe answer is
     \\\\boxed{72}.", "verified": null, "quality_metrics": null}

A row of v1 (1,679,162 rows) has ``messages``, the conversation as its source had it, and
``reannotated_messages``, the same with R1's answer, instead of problem and solution.

Verifiable are rows with a ``\\boxed{}``: the last one of the source's own solution where it has any, else
of R1's answer. For the test set, duplicates and ids see ``qft.data.assemble``.
"""

import json
from collections import Counter

from qft.data.assemble import assemble
from qft.data.boxes import last_boxed
from qft.data.datasets.base import Source, positions
from qft.data.messages import LeftOut, Messages, assistant_turn, from_chat, user_turn
from qft.data.rows import Row
from qft.data.sources import open_rows
from qft.errors import QftError, nearest

REPOSITORIES = {"hf": "ServiceNow-AI/R1-Distill-SFT", "modelscope": "AI-ModelScope/R1-Distill-SFT"}
VERSIONS = ("v0", "v1")


def load(
    path: str | None = None,
    hub: str | None = None,
    rows: str | None = None,
    test_rows: str | None = "0:2000",
    repository: str | None = None,
    version: str = "v0",
) -> Source:
    """Read the rows at ``rows`` and ``test_rows`` only. ``version`` chooses where a source holds both layouts."""
    if version not in VERSIONS:
        raise QftError(f"data.version={version} does not exist.{nearest(version, VERSIONS)}")
    pool, test = positions(rows), positions(test_rows, "data.test_rows")
    chosen = open_rows("r1_distill_sft", path, hub, repository, REPOSITORIES, (pool, test), folder=version)
    return assemble("r1_distill_sft", chosen, read, pool, test, verifiable=True)


def read(row: Row, counts: Counter[str]) -> tuple[Messages, str | None]:
    """A row of either layout, told apart by its columns -> messages and the final answer."""
    row.require("reannotated_assistant_content")
    written = row.text("reannotated_assistant_content")
    messages: Messages
    if "problem" in row.data:
        messages = user_turn(row.text("problem")), assistant_turn(written)
        solution = row.text("solution")
    elif "reannotated_messages" in row.data:
        messages = from_chat(row, counts, "reannotated_messages")
        if messages[-1] != assistant_turn(written):
            raise LeftOut("its reannotated_messages do not end on its reannotated_assistant_content")
        solution = _own_solution(row)
    else:
        row.require("problem, or reannotated_messages,")
    return messages, last_boxed(solution) or last_boxed(messages[-1].content)


def _own_solution(row: Row) -> str:
    turns = row.data.get("messages")
    if turns is None or (isinstance(turns, list) and not turns):
        return ""
    if not isinstance(turns, list) or not isinstance(turns[-1], dict):
        raise QftError(f"{row.where}: column messages is not a list of objects with role and content.")
    return row._replace(data=turns[-1]).text("content") if turns[-1].get("role") == "assistant" else ""


def _example(k: int) -> dict[str, object]:
    """Rows of v0; every eighth is of v1."""
    total = 3 * k + 2
    text = f"<think>\n{k} + {2 * k} = {3 * k}, and 2 more is {total}.\n</think>\n\nThe answer is \\boxed{{{total}}}."
    question = f"Ann has {k} pens, then gets {2 * k}, then 2. How many?"
    rest: dict[str, object] = {"verified": None, "quality_metrics": None}
    if k % 8:
        solution = f"{k} + {2 * k} + 2 = {total}\n\\boxed{{{total}}}" if k % 5 else None
        head = {"id": f"id_{k}", "reannotated_assistant_content": text, "problem": question, "source": "gsm8k"}
        return head | {"solution": solution} | rest
    user = {"content": question, "role": "user"}
    return {
        "id": f"id_{k}",
        "reannotated_assistant_content": text,
        "source": "gsm8k",
        "reannotated_messages": [user, {"content": text, "role": "assistant"}],
        "messages": [user, {"content": f"{total}", "role": "assistant"}],
        "source_dataset": "gsm8k",
    } | rest


EXAMPLE = {"train.jsonl": "".join(json.dumps(_example(k), ensure_ascii=False) + "\n" for k in range(60))}
