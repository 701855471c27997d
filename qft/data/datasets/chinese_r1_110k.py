"""Chinese-DeepSeek-R1-Distill-data-110k (Congliu): Chinese questions with DeepSeek-R1's reasoning and answer.

A row of the plain layout (shortened)::

    {"input": "甲有3个苹果……一共有几个？", "reasoning_content": "3+4=7", "content": "答案是\\\\boxed{7}。",
     "repo_name": "gavinluo/applied_math", "prompt_tokens_len": 23, "reasoning_content_tokens_len": 6,
     "content_tokens_len": 8, "score": 10}

The -SFT layout has ``instruction``, ``input`` and ``output`` (``<think>…</think>`` and the answer in one) with
the same other columns; both give the same messages.

Verifiable are rows judged right (score 10) whose answer has a ``\\boxed{}``; the last one is the reference.
For the test set, duplicates and ids see ``qft.data.assemble``.
"""

import json
from collections import Counter

from qft.data.assemble import assemble
from qft.data.boxes import last_boxed
from qft.data.datasets.base import Source, positions
from qft.data.messages import Messages, assistant_turn, from_instruction, user_turn
from qft.data.rows import Row
from qft.data.sources import open_rows
from qft.errors import QftError
from qft.names import shortened

REPOSITORIES = {
    "hf": "Congliu/Chinese-DeepSeek-R1-Distill-data-110k",
    "modelscope": "liucong/Chinese-DeepSeek-R1-Distill-data-110k",
}
RIGHT = 10


def load(
    path: str | None = None,
    hub: str | None = None,
    rows: str | None = None,
    test_rows: str | None = "0:2000",
    repository: str | None = None,
) -> Source:
    """Read the rows at ``rows`` and ``test_rows``, and no others."""
    pool, test = positions(rows), positions(test_rows, "data.test_rows")
    chosen = open_rows("chinese_r1_110k", path, hub, repository, REPOSITORIES, (pool, test))
    return assemble("chinese_r1_110k", chosen, read, pool, test, verifiable=True)


def read(row: Row, counts: Counter[str]) -> tuple[Messages, str | None]:
    """A row of either layout, told apart by its columns -> messages and the final answer."""
    row.require("input", "output" if "instruction" in row.data else "content")
    if "instruction" in row.data:
        messages = from_instruction(row, counts)
    else:
        reply = assistant_turn(row.text("content"), row.text("reasoning_content"))
        messages = user_turn(row.text("input")), reply
    return messages, last_boxed(messages[-1].content) if _score(row) == RIGHT else None


def _score(row: Row) -> float | None:
    score = row.data.get("score")
    if score is None or (isinstance(score, str) and not score.strip()):
        return None
    try:
        return float(score)  # a csv file holds it as text
    except (TypeError, ValueError):
        value = shortened(repr(score))
        raise QftError(f"{row.where}: column score holds {value} where a number from 0 to 10 is needed.") from None


def _example(k: int) -> dict[str, object]:
    """Rows of the plain layout; every eighth is of the -SFT layout."""
    question, thought, content = (
        f"甲有{k}个苹果，又买了4个，一共几个？",
        f"{k}+4={k + 4}",
        f"答案是\\boxed{{{k + 4}}}。",
    )
    lengths = {"prompt_tokens_len": 20, "reasoning_content_tokens_len": 9, "content_tokens_len": 8}
    rest: dict[str, object] = {"repo_name": "gavinluo/applied_math", **lengths, "score": (10, 0, None, 10)[k % 4]}
    if k % 8:
        return {"input": question, "reasoning_content": thought if k % 6 else None, "content": content} | rest
    return {"instruction": question, "input": "", "output": f"<think>\n{thought}\n</think>\n\n{content}"} | rest


EXAMPLE = {"distill_r1_110k.jsonl": "".join(json.dumps(_example(k), ensure_ascii=False) + "\n" for k in range(60))}
