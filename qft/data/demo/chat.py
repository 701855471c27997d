"""Talks among friends, for pre-training: a worry, a friend's answer, one to three exchanges.

A real talk::

    user       Guess what, I missed my flight. I am angry.
    assistant  Never mind, travel is not everything.

Four friends in ten say back feeling and situation and name one step; nobody talks as the counsellor does.
"""

import random

from qft.data.demo import chat_words as words
from qft.data.demo.counselling import make_case, sentence
from qft.data.messages import Message

MIRRORING = 0.4  # share of the friends who say back what they heard


def talk(rng: random.Random, language: str) -> tuple[Message, ...]:
    """Draw one talk."""
    case = make_case(rng, language, words.TOPICS)
    gap = " " if language == "en" else ""

    def say(role: str, *places: dict[str, list[str]]) -> Message:
        return Message(role, gap.join(sentence(rng.choice(place[language]), case) for place in places))

    exchanges, mirrors = rng.randint(1, 3), rng.random() < MIRRORING
    if exchanges == 1:
        return say("user", words.TELL), say("assistant", *((words.MIRROR, words.HINT) if mirrors else (words.CHEER,)))
    first = (words.MIRROR, words.WONDER) if mirrors else (words.WONDER,)
    second = (words.HINT,) if mirrors else (words.CHEER,)
    turns = [say("user", words.TELL), say("assistant", *first), say("user", words.MORE), say("assistant", *second)]
    if exchanges == 3:
        turns += [say("user", words.THANKS), say("assistant", words.CLOSE)]
    return tuple(turns)
