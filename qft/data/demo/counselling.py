"""Short dialogues in which every answer depends on what the client said.

A real talk (English, pool, one exchange)::

    user       I feel ashamed because I failed my maths exam.
    assistant  It sounds as if you feel ashamed, because you failed your maths exam.
               For study, you could plan only one chapter a day. Shall we try that?

A longer talk asks first, hears a detail, then suggests the step and ends with encouragement.
"""

import random
from dataclasses import dataclass
from typing import Any

from qft.data.demo.counselling_templates import TEMPLATES
from qft.data.demo.counselling_words import FEELINGS, PERSONS, TOPICS
from qft.data.messages import Message


@dataclass(frozen=True)
class Case:
    """What one client brings; ``situation`` keeps its person slots open."""

    language: str
    topic: str
    feeling: str
    situation: str
    detail: str
    question: str
    step: str

    def said_by(self, person: str) -> str:
        """The situation in the words of "client", "counsellor" or "other"."""
        return self.situation.format(**PERSONS[self.language][person])

    def held_out(self) -> bool:
        """One (situation, feeling) pair in five is for the test set alone."""
        number = [s for topic in TOPICS[self.language].values() for s in topic[1]].index(self.situation)
        return (number + FEELINGS[self.language].index(self.feeling)) % 5 == 0


def make_case(rng: random.Random, language: str, topics: dict[str, dict[str, tuple[Any, ...]]] = TOPICS) -> Case:
    """Draw a case of ``language`` ("en", "zh"): the question and the step belong to the topic."""
    topic, situations, details, questions, steps = topics[language][rng.choice(list(topics[language]))]
    return Case(
        language,
        topic,
        rng.choice(FEELINGS[language]),
        rng.choice(situations),
        rng.choice(details),
        rng.choice(questions),
        rng.choice(steps),
    )


def sentence(template: str, case: Case) -> str:
    """Fill one template; each of its sentences begins with a capital letter."""
    text = template.format(
        mine=case.said_by("client"),
        yours=case.said_by("counsellor"),
        theirs=case.said_by("other"),
        topic=case.topic,
        feeling=case.feeling,
        detail=case.detail,
        question=case.question,
        step=case.step,
    )
    for stop in (". ", "? "):
        text = stop.join(part[:1].upper() + part[1:] for part in text.split(stop))
    return text


@dataclass(frozen=True)
class Talk:
    """What was said; ``family`` names the sentence that says back what the client brought, such as en-reflect-0."""

    case: Case
    family: str
    messages: tuple[Message, ...]


def make_dialogue(rng: random.Random, language: str, part: str) -> Talk:
    """Draw a talk of one to three exchanges from the templates of ``part`` ("pool", "test")."""
    case = make_case(rng, language)
    while case.held_out() != (part == "test"):
        case = make_case(rng, language)
    exchanges = rng.randint(1, 3)
    gap = " " if language == "en" else ""
    templates = TEMPLATES[language][part]
    drawn: dict[str, str] = {}

    def say(role: str, *places: str) -> Message:
        for place in places:
            drawn[place] = rng.choice(templates[place])
        return Message(role, gap.join(sentence(drawn[place], case) for place in places))

    turns = [say("user", "open"), say("assistant", "reflect", "suggest" if exchanges == 1 else "ask")]
    if exchanges > 1:
        turns += [say("user", "detail"), say("assistant", "suggest")]
    if exchanges > 2:
        turns += [say("user", "doubt"), say("assistant", "encourage")]
    family = f"{language}-reflect-{templates['reflect'].index(drawn['reflect'])}"
    return Talk(case, family, tuple(turns))
