"""Sums and word problems of pre-training, as prose and as chat, worked in several house styles.

A real exchange::

    user       Mia counts 84 pens in the garden. A thief takes 17. How many is that?
    assistant  We subtract 17: 84 - 17 = 67.
               So the result is 67.

About 15 % of the answers think first and box the result, in other words than fine-tuning does.
"""

import random
from dataclasses import dataclass

from qft.data.demo import sums_words as words
from qft.data.demo.arithmetic import APPLY
from qft.data.demo.arithmetic_words import ITEMS, NAMES
from qft.data.messages import Message

SHAPES = ("+", "-", "*", "+-", "-+", "++", "--", "*+", "*-", "+-", "-+", "*+", "*-")
THINKING = 0.15  # share of the answers with a thought and a box
SPACE = {"en": " ", "zh": ""}


@dataclass(frozen=True)
class Sum:
    """One or two operations in a row: ``numbers`` (a, b) or (a, b, c), ``values`` after each operation."""

    signs: str
    numbers: tuple[int, ...]
    values: tuple[int, ...]

    @property
    def text(self) -> str:
        rest = (f" {s} {n}" for s, n in zip(self.signs, self.numbers[1:]))
        return f"{self.numbers[0]}{''.join(rest)}"

    def steps(self) -> list[tuple[str, str, int, int]]:
        """Per operation its sign, "84 - 17", 17 and 67."""
        firsts = (self.numbers[0], *self.values)
        rows = zip(firsts, self.signs, self.numbers[1:], self.values)
        return [(sign, f"{a} {sign} {n}", n, x) for a, sign, n, x in rows]


def make_sum(rng: random.Random, shape: str, lead: dict[str, tuple[tuple[int, int], ...]] | None = None) -> Sum:
    """Draw a sum; the first number from ``lead``, or (None) from everything up to about 150."""
    free = {"+": ((2, 130),), "-": ((5, 150),), "*": ((2, 19),)}
    value = rng.randint(*rng.choice((lead or free)[shape[0]]))
    numbers, values = [value], []
    for sign in shape:
        most = 9 if sign == "*" else max(1, min(value - 2, 40)) if sign == "-" else 40
        numbers.append(rng.randint(min(2, most), most))
        value = APPLY[sign](value, numbers[-1])
        values.append(value)
    return Sum(shape, tuple(numbers), tuple(values))


def story(rng: random.Random, language: str) -> tuple[str, str, Sum, list[str]]:
    """A story, what it asks, its sum, and by what each step is called."""
    made = make_sum(rng, rng.choice(SHAPES), words.LEAD)
    name, other = rng.sample(NAMES[language], 2)
    slots = {"name": name, "other": other, "item": rng.choice(ITEMS[language])}
    a, b = made.numbers[:2]
    signs, numbers, called = made.signs, made.numbers[1:], []
    if signs[0] == "*":
        start, group = rng.choice(words.GROUPS[language])
        signs, numbers, called = signs[1:], numbers[1:], [group]
    else:
        start = rng.choice(words.STARTS[language])
    told, events = [start.format(a=a, b=b, **slots)], []
    for sign, n in zip(signs, numbers):
        event, what = rng.choice(words.EVENTS[language][sign])
        events.append(event.format(n=n, **slots))
        called.append(what)
    if len(events) == 2:
        told.append(rng.choice(words.JOINTS[language]).format(one=events[0], two=events[1]))
    elif events:
        told.append(events[0] + ("." if language == "en" else "。"))
    text = SPACE[language].join(t[:1].upper() + t[1:] for t in told)
    return text, rng.choice(words.ASKING[language]).format(**slots), made, called


def working(rng: random.Random, language: str, made: Sum, called: list[str]) -> list[str]:
    """The steps in one of the manners of ``STEPS``; the last two need to know what comes or goes."""
    manner = rng.randrange(5 if called else 3)
    rows = zip(made.steps(), words.ORDER[language], called or ["", ""])
    return [
        words.STEPS[language][sign][manner].format(sum=text, n=n, x=x, order=order, what=what)
        for (sign, text, n, x), order, what in rows
    ]


def exchange(rng: random.Random, language: str) -> tuple[Message, Message]:
    """A question, two times in three with a story, and its worked answer."""
    if rng.random() < 2 / 3:
        told, asked, made, called = story(rng, language)
        question = SPACE[language].join([told, asked])
    else:
        made, called = make_sum(rng, rng.choice(SHAPES)), []
        question = rng.choice(words.BARE[language]).format(sum=made.text)
    steps, y = "\n".join(working(rng, language, made, called)), made.values[-1]
    if rng.random() < THINKING:
        return Message("user", question), Message("assistant", rng.choice(words.BOXES[language]).format(y=y), steps)
    answer = rng.choice(words.STYLES[language]).format(steps=steps, y=y)
    return Message("user", question), Message("assistant", answer)


def facts(rng: random.Random, language: str) -> str:
    """A handful of sums as prose, single and in two steps."""
    lines = []
    for _ in range(rng.randint(4, 8)):
        made = make_sum(rng, rng.choice(("+", "-", "*", "+", "-", "*", "+-", "-+", "*+", "*-")))
        for _, text, _, x in made.steps():
            lines.append(rng.choice(words.FACTS[language]).format(sum=text, y=x))
    return SPACE[language].join(lines)


def solved(rng: random.Random, language: str) -> str:
    """A story with its working, as prose."""
    told, _, made, called = story(rng, language)
    return "\n".join([told, *working(rng, language, made, called)])
