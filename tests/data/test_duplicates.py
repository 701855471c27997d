"""Near-duplicates: the definition, taken literally, on many small texts; what is none."""

import random
import re

from qft.data import duplicates
from qft.data.duplicates import near_duplicates
from qft.data.messages import Message, Sample


def sample(text, name="s"):
    return Sample(name, (Message("user", text), Message("assistant", "yes")))


def near(one, other):
    """Whether the two are near-duplicates, either being the one held out."""
    found = {
        near_duplicates([sample(a)], [], [sample(b)])["test near training"] for a, b in ((one, other), (other, one))
    }
    assert len(found) == 1
    return bool(found.pop())


WORDS = [f"word{k}" for k in range(40)]
CHINESE = "我最近总是睡不好，一躺下就想起工作上的事情，第二天又没有精神。"


def test_most_of_the_words_are_the_same():
    text = " ".join(WORDS)
    assert near(text, f"{text} and more, and still more than that")
    assert near(text, text.upper().replace(" ", ", "))
    assert near(text, " ".join(WORDS[:27]))  # 15 runs, all of the smaller
    assert near(text, " ".join([*WORDS[:26], "new", *WORDS[27:]]))  # the 14 runs before of 28
    assert not near(text, " ".join([*WORDS[:25], "new", *WORDS[26:37], *WORDS[:3]]))
    assert not near(text, " ".join(WORDS[::-1])), "in another order"


def test_characters_count_in_chinese():
    assert near(CHINESE, CHINESE.replace("，", " ").replace("最近", "最近"))
    assert near(CHINESE, CHINESE[:20])
    assert not near(CHINESE, "".join(reversed(CHINESE)))
    assert not near(CHINESE, CHINESE[:9] + "可是医生说这没有什么关系的，多休息就行了")


def test_short_texts_are_compared_whole():
    assert near("Hello there!", "hello, there")
    assert not near("Hello there", "Hello there you")
    assert not near("?!", "?!"), "without a word there is nothing to compare"


def test_set_phrases_are_no_evidence(monkeypatch):
    phrase = " ".join(WORDS)
    held = [sample(f"{phrase} {k} times {k + 1}") for k in range(200)]
    assert near_duplicates(held[100:], held[:100], [])["validation near training"] == 100
    assert near_duplicates([sample(f"{phrase} other")], held, [])["validation near training"] == 0
    monkeypatch.setattr(duplicates, "COMMON", 200)
    assert near_duplicates([sample(f"{phrase} other")], held, [])["validation near training"] == 200


def test_the_parts_are_told_apart():
    texts = [" ".join(WORDS[k : k + 20]) for k in (0, 10, 20)]
    a, b, c = (sample(t) for t in texts)
    other = sample("something else")
    assert near_duplicates([a], [a, other], [b, c]) == {
        "validation near training": 1,
        "test near training": 0,
        "test near validation": 0,
    }
    assert near_duplicates([c], [b], [c, b]) == {
        "validation near training": 0,
        "test near training": 1,
        "test near validation": 1,
    }


def test_the_definition_taken_literally():
    rng = random.Random(0)

    def runs(s):
        units = re.findall(r"[一-鿿]|[a-z]+", s.messages[0].content)
        return {tuple(units[k : k + 13]) for k in range(max(1, len(units) - 12))}

    def text():
        start, length = rng.randrange(30), rng.randrange(5, 40)
        units = ["a", "b", "c", "我", "你", "好"] * 12
        return " ".join(units[start : start + length]) + " " + " ".join(rng.choices(units, k=rng.randrange(20)))

    for _ in range(200):
        train, held = ([sample(text()) for _ in range(rng.randrange(1, 5))] for _ in range(2))
        expected = sum(
            any(len(runs(a) & runs(b)) >= 0.5 * min(len(runs(a)), len(runs(b))) for b in train) for a in held
        )
        assert near_duplicates(train, [], held)["test near training"] == expected
