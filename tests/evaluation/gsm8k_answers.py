"""180 answers made of real GSM8K solutions (MIT licence, OpenAI): 70 right, 110 wrong, labelled by how they are made.

A right one ends on the solution's own last line, or on a sentence that states its value. A wrong one holds the right
value too (that is what makes it hard), but denies it, asks about it, passes through it or states another.
"""

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

Make = Callable[[str, str, str], str]  # (solution without its box, its value, another value) -> answer

RIGHT: list[tuple[int, Make]] = [
    (42, lambda text, gold, other: text),
    (4, lambda text, gold, other: f"{text}\nThe answer is {gold}."),
    (4, lambda text, gold, other: f"{text}\n#### {gold}"),
    (4, lambda text, gold, other: f"{text}\nSo the final answer is **{gold}**."),
    (4, lambda text, gold, other: f"{text}\nThe answer is {gold}, not {other}."),
    (4, lambda text, gold, other: f"{text}\nIs it {other}? No, it is {gold}."),
    (4, lambda text, gold, other: f"{text}\n所以答案是{gold}，不是{other}。"),
    (4, lambda text, gold, other: f"{text}\n答：一共是{gold}。"),
]
WRONG: list[tuple[int, Make]] = [
    (10, lambda text, gold, other: f"{text}\nIt is not {gold}."),
    (10, lambda text, gold, other: f"{text}\nThe answer is {other}, not {gold}."),
    (10, lambda text, gold, other: f"{text}\nSo the answer is {other}."),
    (10, lambda text, gold, other: f"{text}\nIs it {gold}?"),
    (10, lambda text, gold, other: f"{text}\nThe answer isn't {gold} but {other}."),
    (10, lambda text, gold, other: f"{text}\nFrom these {gold}, {other} are left."),
    (10, lambda text, gold, other: f"{text}\n答案不是{gold}，而是{other}。"),
    (6, lambda text, gold, other: f"{text}\n是{gold}吗？"),
    (6, lambda text, gold, other: f"{text}\nIt is between {gold} and {other}."),
    (6, lambda text, gold, other: f"{text}\nTherefore there are {gold}.5 of them."),
    (6, lambda text, gold, other: f"{text}\nTherefore it is 1{gold}."),
    (6, lambda text, gold, other: f"{text}\nWait, that is wrong. It must be {other}."),
    (10, lambda text, gold, other: another_end(text, gold, other)),
]


def another_end(text: str, gold: str, other: str) -> str:
    """The solution with another value in its last line; the right one may stand before."""
    *lines, last = text.splitlines()
    changed = re.sub(rf"(?<![\d.]){re.escape(gold)}(?!\.?\d)", other, last.replace(",", ""))
    return "\n".join([*lines, changed if other in changed else f"{last}\nSo it is {other}."])


def cases(path: Path) -> list[tuple[str, str, str, bool]]:
    """(question, gold, answer, right) for 180 rows drawn with one seed."""
    with path.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    draw = random.Random(20)
    draw.shuffle(rows)
    out = []
    left = iter(rows)
    for right, forms in ((True, RIGHT), (False, WRONG)):
        for count, make in forms:
            for _ in range(count):
                text, gold = "", "-"
                while gold not in text.rpartition("\n")[2].replace(",", ""):  # a few state another value than their own
                    row = next(left)
                    text, _, gold = row["solution"].rpartition("\n\\boxed{")
                    gold = gold.removesuffix("}")
                other = str(int(float(gold)) + draw.choice([1, 2, 10]))
                out.append((row["problem"], gold, make(text, gold, other), right))
    return out
