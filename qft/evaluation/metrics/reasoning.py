"""Right and complete answers of reasoning sets: SA, Accuracy, CTC, AC; each answer counts 0 or 100.

In the paper's words, and how they are read here:

- ``sa``, *Strict Accuracy*: "whether the output contains the correct answer in the answer segment". The answer
  segment is what follows ``</think>``. Where it has a ``\\boxed{}``, the last one is the model's answer and decides;
  else the value that its final clause states (``answers.final_answer``). In a text without ``<think>`` nothing
  marks where the answer begins: where the task asks for reasoning, only a box counts.
- ``accuracy``, *Accuracy*: "correct if the correct answer appears anywhere in the reasoning chain": any boxed or
  written value in the reasoning or the answer. A small number appears in many chains by chance; so it is defined.
- ``ctc``, *Chain-of-Thought Completeness*: "whether the response includes a complete reasoning chain, assessing
  the model's ability to apply reasoning chains within limited lengths": ``<think>`` was opened (at the end of the
  prompt counts), something was thought, and ``</think>`` came before the length limit.
- ``ac``, *Answer Completeness*: "the completeness of the answer itself": there is one, it was not cut off by the
  length limit, and it is boxed where the reference's is.

The right answer is the row's ``answer`` or the last ``\\boxed{}`` of the reference; a row with neither has no SA
and no Accuracy, one whose reference has no reasoning (nor its prompt) no CTC: they are left out of the mean.
Two writings are the same where ``answers.equality`` says so, within a limit of computing a row. An answer that
could not be compared because of the machine is "not judged": left out, and never wrong.
"""

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from qft.data.boxes import boxes
from qft.data.messages import THINK_CLOSE, THINK_OPEN
from qft.evaluation.answers import final_answer, judge
from qft.evaluation.answers.judge import Comparison, Judge
from qft.evaluation.answers.values import values
from qft.evaluation.metrics.base import Measure, Pair, Score, mean
from qft.ranges import Range, check_one

log = logging.getLogger(__name__)

UNIT, MATH = "% of answers", ("math-verify",)
MEASURES = (
    Measure("sa", "Strict accuracy", UNIT, packages=MATH, published="sa"),
    Measure("accuracy", "Accuracy", UNIT, packages=MATH, published="accuracy"),
    Measure("ctc", "CTC", UNIT, published="ctc"),
    Measure("ac", "AC", UNIT, published="ac"),
)
NOT_JUDGED = "not judged"  # how the reason begins where the machine, not the answer, is at fault

Verdict = tuple[bool | None, str]

# a question that asks for a percentage
_PERCENT = re.compile(
    r"(?:what|which|how many|as a|in|the) percent|percentage|\b(?:chances?|odds|likely|probability)\b|"
    "百分之(?:几|多少)|百分比|百分率|占比|概率",
    re.I,
)
_CHOICE = r"(?:选项?|答案|answer|option|choice)(?:\s*(?:是|为|is|[:：]))*\s*\(?{}(?![A-Za-z])|\({}\)"


def check(seconds: float = 5.0) -> None:
    """Raise QftError where nothing can be judged with these options."""
    check_one("metric.reasoning.seconds", seconds, Range(above=0))
    judge.check()


def score(pairs: Sequence[Pair], seconds: float = 5.0) -> list[Score]:
    """Four Scores. ``seconds`` of computing that one row's comparisons may take; what is not found by then is not."""
    check(seconds)
    with Judge() as comparing:
        verdicts = [_judge(pair, comparing, seconds) for pair in pairs]
    faults = [[why for _, why in v.values() if why.startswith(NOT_JUDGED)] for v in verdicts]
    if unjudged := [why for why in faults if why]:
        log.warning("%d of %d answers are left out: %s.", len(unjudged), len(pairs), unjudged[0][0])
    scores = []
    for measure in MEASURES:
        judged_as = [v[measure.name] for v in verdicts]
        each = [None if right is None else 100.0 * right for right, _ in judged_as]
        judged = sum(v is not None for v in each)
        signature = f"math-verify-{version('math-verify')}|limit:{seconds:g}s|" if measure.packages == MATH else ""
        signature += f"avg:sample|judged:{judged} of {len(each)}"
        scores.append(Score(measure, mean(each), signature, each, [why for _, why in judged_as]))
    return scores


@dataclass(frozen=True)
class Segments:
    """An answer in its parts. ``opened``, ``closed``: whether the chain of reasoning has its two marks."""

    opened: bool
    closed: bool
    reasoning: str
    answer: str


def segments(text: str, prompt: str = "") -> Segments:
    """Split a prediction at ``<think>`` and the last ``</think>``; an opening at the prompt's end counts."""
    if prompt.rstrip().endswith(THINK_OPEN):
        text = THINK_OPEN + text
    before, opened, rest = text.partition(THINK_OPEN)
    if not opened:  # an end without a beginning still parts the reasoning from the answer
        reasoning, closed, answer = text.rpartition(THINK_CLOSE)
        return Segments(False, bool(closed), reasoning, answer.strip())
    reasoning, closed, answer = rest.rpartition(THINK_CLOSE)
    if not closed:
        return Segments(True, False, before + rest, "")
    answer, again, more = answer.partition(THINK_OPEN)
    return Segments(True, not again, before + reasoning + more, answer.strip())


def _judge(pair: Pair, judge: Judge, seconds: float) -> dict[str, Verdict]:
    parts = segments(pair.prediction, pair.prompt)
    model = segments(pair.reference, pair.prompt)
    wanted = pair.answer or next(iter(boxes(model.answer)[-1:] or boxes(pair.reference)[-1:]), None)
    asked = model.closed or pair.prompt.rstrip().endswith(THINK_OPEN)
    out = {"ctc": _chain(parts, asked), "ac": _answer(parts, pair.finished, bool(boxes(model.answer)))}
    if wanted is None:
        return out | dict.fromkeys(("sa", "accuracy"), (None, "the reference states no answer that can be verified"))
    left = seconds

    def find(candidates: Iterable[str]) -> Verdict:
        nonlocal left
        fault = ""
        for candidate in dict.fromkeys(candidates):
            comparison = judge(wanted, candidate, left) if left > 0 else Comparison(None)
            left -= comparison.seconds
            if comparison.same:
                return True, f"{candidate} is {wanted}"
            if comparison.same is None and not comparison.fault:
                return False, f"{wanted} was not found within {seconds:g} seconds of computing"
            fault = fault or comparison.fault
        return (None, f"{NOT_JUDGED}: {fault}") if fault else (False, f"{wanted} does not stand there")

    out["sa"] = _strict(parts, pair.prompt, wanted, find, boxed_only=asked and not parts.closed)
    if out["sa"][0]:
        out["accuracy"] = True, out["sa"][1]
    else:
        whole = f"{parts.reasoning}\n{parts.answer}"
        out["accuracy"] = find([*boxes(whole)[::-1], *_written(whole, wanted)])
    return out


def _strict(
    parts: Segments, prompt: str, wanted: str, find: Callable[[Iterable[str]], Verdict], boxed_only: bool
) -> Verdict:
    if not parts.answer:
        why = "<think> is not closed" if parts.opened and not parts.closed else "nothing stands there"
        return False, f"there is no answer segment: {why}"
    if given := boxes(parts.answer):
        right, why = find(given[-1:])
        if right is False and "within" not in why:
            why = f"\\boxed{{{given[-1]}}} is not {wanted}"
        return right, f"the answer's box: {why}" if right else why
    if boxed_only:
        return False, "there is no answer segment: no </think>, and nothing is boxed"
    given = _unboxed(parts.answer, wanted, prompt)
    right, why = find(given)
    if right is False and "within" not in why:
        why = f"{given[-1]} is not {wanted}" if given else "no value is stated"
    return right, why if right is None else f"unboxed: {why}"


def _unboxed(answer: str, wanted: str, prompt: str) -> list[str]:
    """What an answer without a box states; its x % is x only where the reference or the question is of percent."""
    stated = final_answer.stated(answer)
    if not re.search(r"\d", wanted) and final_answer.says(answer, wanted):
        stated = [wanted]
    if "%" in wanted or _PERCENT.search(prompt):
        return stated
    return [re.sub(r"^([^,%]*?)\s?\\?%$", r"(\1)/100", value) for value in stated]


def _written(text: str, wanted: str) -> list[str]:
    """Values that stand anywhere in a text, the last first; and ``wanted`` itself where it is a word there."""
    written = values(text)
    if re.fullmatch(r"[A-Za-z]", wanted):  # a choice; the letter alone may be an article or a variable
        named = re.search(_CHOICE.format(wanted, wanted), text)
    elif re.search(r"\d", wanted):
        named = None
    else:
        named = re.search(rf"(?<![A-Za-z]){re.escape(wanted)}(?![A-Za-z])", text)
    return [*([wanted] if named else []), *written]


def _chain(parts: Segments, asked: bool) -> Verdict:
    if not asked:
        return None, "the task asks for no reasoning"
    if not parts.opened:
        return False, "<think> was not opened"
    if not parts.closed:
        return False, "<think> was not closed within the length limit"
    return (True, "opened and closed") if parts.reasoning.strip() else (False, "nothing between <think> and </think>")


def _answer(parts: Segments, finished: bool, in_a_box: bool) -> Verdict:
    if not parts.answer:
        return False, "there is no answer"
    if not finished:
        return False, "cut off at the length limit"
    if in_a_box and not boxes(parts.answer):
        return False, "the answer is not boxed"
    return True, "complete"
