"""Word problems of two steps, with the chain of thought apart from the answer.

A real problem (English, pool, family ``boxes``)::

    question   Rosa packs 7 boxes with 6 pens each and has 15 pens over. How many pens in all?
    reasoning  First multiply the boxes: 7 * 6 = 42.
               Then add the rest: 42 + 15 = 57.
    answer     57, written "The answer is \\boxed{57}."
"""

import operator
import random
from dataclasses import dataclass

from qft.data.demo.arithmetic_words import FAMILIES, ITEMS, NAMES, SHAPES
from qft.data.messages import Message

ANSWERS = {"en": "The answer is \\boxed{{{y}}}.", "zh": "答案是 \\boxed{{{y}}}。"}
APPLY = {"+": operator.add, "-": operator.sub, "*": operator.mul}

# The range of the leading number {a}, per part and first operator: no number leads in both pool and test.
LEAD = {
    "pool": {"+": (15, 59), "-": (32, 59), "*": (2, 9)},
    "test": {"+": (61, 79), "-": (61, 79), "*": (11, 14)},
}


@dataclass(frozen=True)
class Problem:
    """One word problem; ``numbers`` are the given (a, b, c), all whole and positive, as is ``answer``."""

    language: str
    family: str
    item: str
    numbers: tuple[int, int, int]
    question: str
    steps: tuple[str, str]
    answer: int

    def messages(self) -> tuple[Message, Message]:
        """The problem as one exchange."""
        content = ANSWERS[self.language].format(y=self.answer)
        return Message("user", self.question), Message("assistant", content, "\n".join(self.steps))


def make_problem(rng: random.Random, language: str, part: str) -> Problem:
    """Draw one problem of ``language`` ("en", "zh") from the families of ``part`` ("pool", "test")."""
    family, shape, question, first, second = rng.choice(FAMILIES[language][part])
    one, two = SHAPES[shape]
    a = rng.randint(*LEAD[part][one])
    b = rng.randint(2, 9) if one == "*" else rng.randint(3, 29)
    x = APPLY[one](a, b)
    # At least two are taken and two are left, so that every count is a plural.
    c = rng.randint(2, min(x - 2, 29)) if two == "-" else rng.randint(2, 29)
    y = APPLY[two](x, c)
    words = {"a": a, "b": b, "c": c, "x": x, "y": y}
    words |= {"name": rng.choice(NAMES[language]), "item": rng.choice(ITEMS[language])}
    steps = first.format(**words), second.format(**words)
    return Problem(language, family, words["item"], (a, b, c), question.format(**words), steps, y)
