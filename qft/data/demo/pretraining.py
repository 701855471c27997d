"""The pre-training part of the demo corpus, which fine-tuning does not repeat.

Less than half is plain prose and sums; the rest are chats, in ChatML, of other families, topics,
situations and numbers than the set for fine-tuning and its test. A real one::

    <|im_start|>user
    What is 74 + 13?<|im_end|>
    <|im_start|>assistant
    74 + 13 = 87
    So the result is 87.<|im_end|>
"""

import random
from collections.abc import Sequence

from qft.data.demo import chat, prose, sums
from qft.data.messages import Message

COUNT = 48_000  # texts, half in each language


def chatml(messages: Sequence[Message]) -> str:
    """The messages as the model reads them."""
    return "".join(f"<|im_start|>{m.role}\n{m.text}<|im_end|>\n" for m in messages)


def _worked(rng: random.Random, language: str) -> str:
    return chatml(sums.exchange(rng, language))


def _talk(rng: random.Random, language: str) -> str:
    return chatml(chat.talk(rng, language))


KINDS = (
    prose.story,
    prose.essay,
    prose.letter,
    prose.note,
    prose.everyday,
    sums.facts,
    sums.facts,
    sums.solved,
    _worked,
    _worked,
    _worked,
    _worked,
    _worked,
    _worked,
    _talk,
    _talk,
    _talk,
    _talk,
)


def pretraining_texts(seed: int = 0, count: int = COUNT) -> list[str]:
    """The texts of pre-training, distinct and shuffled; they depend on nothing but ``seed`` and ``count``.

    ``count`` is how many are drawn; those that repeat an earlier one are dropped.
    """
    rng = random.Random(f"demo-pretraining-{seed}")
    texts: dict[str, None] = {}  # a dict keeps the order of insertion, which a set does not
    for k in range(count):
        texts[KINDS[k // 2 % len(KINDS)](rng, ("en", "zh")[k % 2])] = None
    shuffled = list(texts)
    rng.shuffle(shuffled)
    return shuffled
