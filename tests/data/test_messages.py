"""Reasoning and answer taken apart, and the stated final answer."""

import pytest

from qft.data.boxes import boxes, last_boxed
from qft.data.messages import Message, split_reasoning


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        ("<think>\n2+2=4\n</think>\n\nIt is 4.", "2+2=4", "It is 4."),
        ("<think>2+2=4</think>It is 4.", "2+2=4", "It is 4."),
        ("2+2=4\n</think>\n\nIt is 4.", "2+2=4", "It is 4."),  # opened in the prompt
        ("<think>\n\n</think>\n\nIt is 4.", None, "It is 4."),  # no thought is no reasoning
        (" It is 4.\n", None, "It is 4."),
        ("<think>\n2+2=4\n</think>\n\n", "2+2=4", ""),
        ("", None, ""),
    ],
)
def test_taken_apart(text, reasoning, answer):
    assert split_reasoning(text) == (reasoning, answer)


@pytest.mark.parametrize(
    "text",
    ["<think>\nfor ever", "Well. <think>a</think>b", "<think>a</think>b<think>c</think>d", "a</think>b</think>c"],
)
def test_what_cannot_be_taken_apart_is_refused(text):
    with pytest.raises(ValueError, match="think"):
        split_reasoning(text)


def test_joining_is_the_inverse():
    message = Message("assistant", "It is 4.", "2+2=4\n\nso 4")
    assert split_reasoning(message.text) == (message.reasoning, message.content)


@pytest.mark.parametrize(
    ("text", "boxed"),
    [
        (r"so \boxed{72}", "72"),
        (r"\boxed{1} or \boxed{2}.", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed {7}", "7"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{3} and \boxed{4", "3"),  # the last whole one
        (r"\boxed{}", None),
        (r"\boxed 5.", "5"),
        (r"\fbox{5}", "5"),
        (r"\boxed B", "B"),
        (r"in \boxed form", None),
        (r"\boxed{5 + \boxed{6}}", "6"),
        (r"\boxed{4} and } and \boxed{{5}", "4"),
        ("no box", None),
    ],
)
def test_the_last_boxed(text, boxed):
    assert last_boxed(text) == boxed


def test_boxes_are_read_once_however_many_are_never_closed():
    many = r"\boxed{" * 200_000  # read to its end for each, this takes hours
    assert boxes(many) == [] and boxes(many + "1}") == ["1"]
    assert boxes(many + "1" + "}" * 200_000) == ["1"] and boxes("{" * 200_000 + r"\boxed{2}") == ["2"]
