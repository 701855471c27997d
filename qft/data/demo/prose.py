"""Plain prose of pre-training.

A real text: "Dear diary, I lost my job. I was sad all day, and my team no longer asks for my opinion."

Clients' stories, prose about worries and what helps, readers' letters to a paper, notes, everyday
sentences. Names, feelings, situations and advice are the vocabulary shared with fine-tuning; the
sentences are not.
"""

import random

from qft.data.demo.arithmetic_words import ITEMS, NAMES
from qft.data.demo.counselling import make_case, sentence
from qft.data.demo.everyday_words import EVERYDAY
from qft.data.demo.prose_templates import COLUMN, ESSAY, LETTER, NOTES, STORY


def story(rng: random.Random, language: str) -> str:
    case = make_case(rng, language)
    return _join(language, [sentence(rng.choice(place), case) for place in STORY[language]])


def essay(rng: random.Random, language: str) -> str:
    case = make_case(rng, language)
    return _join(language, [sentence(t, case) for t in rng.sample(ESSAY[language], rng.randint(2, 3))])


def letter(rng: random.Random, language: str) -> str:
    """A reader's letter and the answer of a paper."""
    case = make_case(rng, language)
    asked = sentence(rng.choice(LETTER[language]), case)
    return f"{asked}\n\n{_join(language, [sentence(rng.choice(place), case) for place in COLUMN[language]])}"


def note(rng: random.Random, language: str) -> str:
    return sentence(rng.choice(NOTES[language]), make_case(rng, language))


def everyday(rng: random.Random, language: str) -> str:
    lines = rng.sample(EVERYDAY[language], rng.randint(2, 4))
    name, other = rng.sample(NAMES[language], 2)
    slots = {"name": name, "other": other, "item": rng.choice(ITEMS[language]), "n": rng.randint(2, 99)}
    return _join(language, [t.format(**slots) for t in lines])


def _join(language: str, lines: list[str]) -> str:
    return (" " if language == "en" else "").join(lines)
