"""The pre-training part of the demo corpus: plain text that fine-tuning does not repeat.

A real text: "Dear diary, I lost my job. I was sad all day, and my team no longer asks for my opinion."

Clients' stories alone, prose about worries and what helps, number facts, solved problems told as prose,
everyday sentences, and problems or letters to a paper on two marked pages. The chat and thought markers
occur in another use (pages with headings; a thought before a text), so that their embeddings are trained.
No user or assistant, no reply or step of fine-tuning, no thought before an answer, no boxed answer.
Names, feelings, situations and advice are the vocabulary shared with fine-tuning; the sentences are not.
"""

import random

from qft.data.demo.arithmetic import APPLY, make_problem
from qft.data.demo.arithmetic_words import ITEMS, NAMES
from qft.data.demo.counselling import make_case, sentence
from qft.data.demo.everyday_words import EVERYDAY
from qft.data.demo.prose_templates import ASKING, COLUMN, ENDINGS, ESSAY, FACTS, LETTER, NOTES, STORY

COUNT = 16000  # texts, half in each language


def _story(rng: random.Random, language: str) -> str:
    case = make_case(rng, language)
    return _join(language, [sentence(rng.choice(place), case) for place in STORY[language]])


def _essay(rng: random.Random, language: str) -> str:
    case = make_case(rng, language)
    lines = [sentence(t, case) for t in rng.sample(ESSAY[language], rng.randint(2, 3))]
    return _join(language, lines)


def _solved(rng: random.Random, language: str) -> str:
    problem = make_problem(rng, language, "prose")
    return _join(language, [problem.question, *problem.steps])


def _facts(rng: random.Random, language: str) -> str:
    """A handful of sums up to 99; these also cover the numbers that word problems of the test use."""
    lines = []
    for _ in range(rng.randint(3, 6)):
        sign = rng.choice("+-*")
        a, b = (rng.randint(2, 15), rng.randint(2, 9)) if sign == "*" else (rng.randint(12, 99), rng.randint(2, 30))
        a = a + b if sign == "-" else a
        lines.append(rng.choice(FACTS[language]).format(sum=f"{a} {sign} {b}", y=APPLY[sign](a, b)))
    return _join(language, lines)


def _quiz(rng: random.Random, language: str) -> str:
    """A problem and its solution, on two pages or one."""
    problem = make_problem(rng, language, "prose")
    asking = rng.choice(ASKING[language]).format(item=problem.item)
    steps, ending = "\n".join(problem.steps), rng.choice(ENDINGS[language]).format(y=problem.answer)
    question = _join(language, [problem.question, asking])
    return _pages(rng, language, question, f"{steps}\n\n{ending}")


def _column(rng: random.Random, language: str) -> str:
    """A reader's letter and the answer of a paper."""
    case = make_case(rng, language)
    letter = sentence(rng.choice(LETTER[language]), case)
    return _pages(rng, language, letter, _join(language, [sentence(rng.choice(place), case) for place in COLUMN[language]]))


def _aside(rng: random.Random, language: str) -> str:
    """A thought between its marks, then a text that does not answer anything."""
    kinds = (_facts, _story, _everyday)
    return f"<think>\n{rng.choice(kinds)(rng, language)}\n</think>\n\n{rng.choice(kinds)(rng, language)}"


def _pages(rng: random.Random, language: str, first: str, second: str) -> str:
    """Two pages, each <|im_start|>, a heading, a new line, the text, <|im_end|>; or plain, without the marks.

    A heading is any name or thing, never "user" or "assistant": this is the chat markers in another use.
    """
    one, two = rng.sample(NAMES[language] + ITEMS[language], 2)
    if rng.random() < 0.2:
        return f"{one}\n{first}\n{two}\n{second}"
    return f"<|im_start|>{one}\n{first}<|im_end|>\n<|im_start|>{two}\n{second}<|im_end|>\n"


def _note(rng: random.Random, language: str) -> str:
    case = make_case(rng, language)
    return sentence(rng.choice(NOTES[language]), case)


def _everyday(rng: random.Random, language: str) -> str:
    lines = rng.sample(EVERYDAY[language], rng.randint(2, 4))
    name, other = rng.sample(NAMES[language], 2)
    return _join(language, [t.format(name=name, other=other, item=rng.choice(ITEMS[language]), n=rng.randint(2, 99))
                            for t in lines])


def _join(language: str, lines: list[str]) -> str:
    return (" " if language == "en" else "").join(lines)


KINDS = (_story, _essay, _solved, _facts, _quiz, _quiz, _column, _column, _column, _note, _aside, _everyday)


def pretraining_texts(seed: int = 0) -> list[str]:
    """All texts of pre-training, distinct, in a shuffled order that depends on ``seed`` alone."""
    rng = random.Random(f"demo-pretraining-{seed}")
    texts: dict[str, None] = {}  # a dict keeps the order of insertion, which a set does not
    for k in range(COUNT):
        texts[KINDS[k // 2 % len(KINDS)](rng, ("en", "zh")[k % 2])] = None
    shuffled = list(texts)
    rng.shuffle(shuffled)
    return shuffled
