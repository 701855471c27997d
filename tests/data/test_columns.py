"""The columns that conversations come in: which form a row has, and what a row of none is told."""

from collections import Counter
from pathlib import Path

import pytest

from qft.data import columns
from qft.data.datasets import sharegpt
from qft.data.messages import LeftOut, Message
from qft.data.rows import Row
from qft.errors import QftError


def row(**data: object) -> Row:
    return Row(Path("mine.jsonl"), 3, dict(data))


def talk(*turns: tuple[str, str], **more: object) -> Row:
    return row(conversations=[{"from": who, "value": text} for who, text in turns], **more)


def test_the_final_answer_of_a_gsm8k_row_is_known() -> None:
    counts: Counter[str] = Counter()
    messages, answer = columns.read(row(question="How many?", answer="48/2 = <<48/2=24>>24\n#### 1,024"), counts)
    assert answer == "1,024"
    assert messages[1].content.endswith("#### 1,024"), "the text itself is left as it is"
    assert columns.read(row(question="How many?", answer="24, or #### so"), counts)[1] is None
    assert columns.read(row(prompt="How many?", response="24\n#### 24"), counts)[1] is None, (
        "that is GSM8K's form alone"
    )


def test_of_two_forms_the_first_that_is_filled_is_read() -> None:
    mixed = {"prompt": "q", "response": "a", "conversations": [{"from": "human", "value": "other"}]}
    assert columns.read(row(**mixed), Counter())[0][0] == Message("user", "q")
    (asked, _), _ = columns.read(talk(("human", "q"), ("gpt", "a"), prompt=None, response=None), Counter())
    assert asked == Message("user", "q")


def test_what_a_conversation_may_hold_besides_the_two_speakers() -> None:
    counts: Counter[str] = Counter()
    turns = (("system", "Be brief."), ("human", "q"), ("gpt", "<think>t</think>a"), ("user", "r"), ("chatgpt", "b"))
    messages, _ = columns.read(talk(*turns, system="You help."), counts)
    assert messages == (
        *(Message("user", "q"), Message("assistant", "a", "t")),
        *(Message("user", "r"), Message("assistant", "b")),
    )
    assert counts["system texts left out"] == 2
    for turns in ((("gpt", "a"),), (("human", "q"), ("function_call", "f()")), (("human", "q"),), ()):
        with pytest.raises(LeftOut, match="do not alternate"):
            columns.read(talk(*turns), counts)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"Question": "q", "answers": "a"}, "Rename Question to question and answers to answer."),
        ({"conversation": [], "id": 1}, "Its columns: conversation, id. Rename conversation to conversations."),
        ({"instructions": "q", "output": "a"}, "Rename instructions to instruction."),
        ({"problem": "q", "solution": "a"}, "question and answer). Its columns: problem, solution."),
        ({"prompt": "q", "text": "a"}, "no column response. Its columns: prompt, text."),
        ({"conversations": "q"}, "column conversations is not a list of objects with from and value."),
        (
            {"conversations": [{"speaker": "human", "value": "q"}]},
            "turn 0 of column conversations has no from and value",
        ),
        ({"conversations": [{"from": "human", "value": 7}, {"from": "gpt", "value": "a"}]}, "content holds int"),
        ({}, "Its columns: none."),
    ],
)
def test_a_row_of_no_form_is_told_what_is_nearest(data: dict[str, object], words: str) -> None:
    with pytest.raises(QftError) as error:
        columns.read(row(**data), Counter())
    assert words in str(error.value) and "line 3" in str(error.value)


def test_sharegpt_says_which_column_it_wants_and_who_reads_others() -> None:
    with pytest.raises(QftError, match=r"no column conversations.*Rename conversation to conv.*data=jsonl reads other"):
        sharegpt.read(row(conversation=[]), Counter())
