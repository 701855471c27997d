"""SA, Accuracy, CTC and AC: every judgement worked out from its definition."""

import time

import pytest

from qft.errors import QftError
from qft.evaluation.metrics.base import Pair
from qft.evaluation.metrics.reasoning import score, segments

REFERENCE = "<think>\nFirst 6 * 7 = 42. Then 42 + 15 = 57.\n</think>\n\nThe answer is \\boxed{57}."


def judged(prediction: str, reference: str = REFERENCE, **more) -> tuple:
    """(sa, accuracy, ctc, ac) of one answer."""
    return tuple(s.per_sample[0] for s in score([Pair(prediction, reference, **more)]))


# sa, accuracy, ctc, ac
CASES = {
    "the reference itself": (REFERENCE, (100, 100, 100, 100)),
    "another writing": ("<think>\nx\n</think>\n\n答案是 \\boxed{５７ 支}。", (100, 100, 100, 100)),
    "wrong, but thought of": ("<think>\n42 + 15 = 57\n</think>\n\n\\boxed{58}", (0, 100, 100, 100)),
    "wrong throughout": ("<think>\n42 + 16 = 58\n</think>\n\n\\boxed{58}", (0, 0, 100, 100)),
    "right, not boxed": ("<think>\nx\n</think>\n\nRosa has 57 pens.", (100, 100, 100, 0)),
    "the box decides, not the words": ("<think>\nx\n</think>\n\n57 or 58? \\boxed{58}", (0, 100, 100, 100)),
    "the last box decides": ("<think>\nx\n</think>\n\n\\boxed{58}, no: \\boxed{57}", (100, 100, 100, 100)),
    "no reasoning": ("The answer is \\boxed{57}.", (100, 100, 0, 100)),
    "neither reasoning nor box: no answer segment": ("First 42 + 15 = 57.", (0, 100, 0, 0)),
    "reasoning not closed": ("<think>\nFirst 6 * 7 = 42. Then 42 + 15 = 57", (0, 100, 0, 0)),
    "nothing thought": ("<think>\n\n</think>\n\n\\boxed{57}", (100, 100, 0, 100)),
    "opened again": ("<think>\na\n</think>\n\n<think>\n57", (0, 100, 0, 0)),
    "only closed": ("6 * 7 + 15 = 57\n</think>\n\n\\boxed{57}", (100, 100, 0, 100)),
    "a box that is not closed": ("<think>\nx\n</think>\n\n\\boxed{57", (100, 100, 100, 0)),
    "empty": ("", (0, 0, 0, 0)),
}


def test_judgements() -> None:
    scores = score([Pair(prediction, REFERENCE) for prediction, _ in CASES.values()])  # one process for all
    found = dict(zip(CASES, zip(*(s.per_sample for s in scores), strict=True), strict=True))
    assert found == {case: wanted for case, (_, wanted) in CASES.items()}


def test_an_opening_in_the_prompt_counts() -> None:
    rest = REFERENCE.removeprefix("<think>")
    assert judged(rest) == (100, 100, 0, 100)
    assert judged(rest, prompt="How many pens?<think>\n") == (100, 100, 100, 100)
    assert judged(rest, prompt="What does <think> mean?\n") == (100, 100, 0, 100), "only at its end"


def test_an_answer_cut_off_is_not_complete() -> None:
    assert judged(REFERENCE, finished=False) == (100, 100, 100, 0)


def test_the_rows_answer_comes_before_the_references_box() -> None:
    assert judged("<think>x</think> \\boxed{0.5}", answer="50%")[:2] == (100, 100)
    assert judged("<think>x</think> 1/2", "<think>x</think> One half.", answer="0.5") == (100, 100, 100, 100)


def test_without_a_verifiable_answer_a_row_is_left_out() -> None:
    scores = score([Pair(REFERENCE, REFERENCE), Pair("好的。", "我明白你的感受。"), Pair("", "我明白。")])
    by_name = {s.name: s for s in scores}
    assert by_name["sa"].per_sample == [100, None, None] and by_name["sa"].value == 100
    assert by_name["ctc"].per_sample == [100, None, None]
    assert by_name["ac"].per_sample == [100, 100, 0] and by_name["ac"].value == pytest.approx(200 / 3)
    assert "judged:1 of 3" in by_name["sa"].signature and "judged:3 of 3" in by_name["ac"].signature
    none = {s.name: s.value for s in score([Pair("好的。", "我明白你的感受。")])}
    assert none == {"sa": None, "accuracy": None, "ctc": None, "ac": 100}


def test_each_judgement_has_its_reason() -> None:
    reasons = {
        s.name: s.reasons[0] for s in score([Pair("<think>\n57\n</think>\n\n\\boxed{58}", REFERENCE, finished=False)])
    }
    assert reasons == {
        "sa": "\\boxed{58} is not 57",
        "accuracy": "57 is 57",
        "ctc": "opened and closed",
        "ac": "cut off at the length limit",
    }


def test_choices_and_words() -> None:
    reference = "<think>比较四项。</think> \\boxed{B}"
    assert judged("<think>A boy runs. B</think> 所以答案是 B。", reference)[:2] == (100, 100)
    assert judged("<think>A and B differ.</think> A boy.", reference)[:2] == (0, 0), "a letter alone is no answer"
    reference = "<think>想。</think> \\boxed{红色}"
    assert judged("<think>x</think> 球是红色的。", reference)[:2] == (100, 100)


def test_numbers_are_found_in_running_text() -> None:
    reference = "<think>x</think> \\boxed{1234.5}"
    texts = ("共1,234.5元", "$x = 1234.5$", "\\(\\frac{2469}{2}\\)", "总数为１２３４．５个")
    assert score([Pair(f"<think>x</think> {text}", reference) for text in texts])[0].per_sample == [100] * len(texts)
    assert judged("<think>x</think> 得到3，4和5", "<think>x</think> \\boxed{4}")[:2] == (0, 100), "one of several"
    assert judged("<think>x</think> 7 = 12-5, so -5", "<think>x</think> \\boxed{-5}")[0] == 100
    assert judged("<think>x</think> 12-5 = 7", "<think>x</think> \\boxed{-5}")[0] == 0, "a minus between two terms"


def test_segments() -> None:
    parts = segments("a<think>b</think>c")
    assert (parts.opened, parts.closed, parts.reasoning, parts.answer) == (True, True, "ab", "c")


def test_one_endless_answer_costs_its_limit_only() -> None:
    tower = Pair("<think>x</think> \\boxed{9^{9^{9^{9}}}}", REFERENCE)
    began = time.monotonic()
    sa = score([tower, Pair(REFERENCE, REFERENCE)], seconds=0.5)[0]
    assert time.monotonic() - began < 60
    assert sa.per_sample == [0, 100] and "not found within 0.5 seconds" in sa.reasons[0]
    with pytest.raises(QftError, match="seconds=0"):
        score([tower], seconds=0)
