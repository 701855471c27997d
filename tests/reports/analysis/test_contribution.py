"""The answer to "what does the circuit contribute?" when the truth is known."""

import json
from pathlib import Path

import pytest
import synthetic

from qft.reports import read
from qft.reports.analysis import comparisons, contribution


def answers(path: Path) -> list[contribution.Answer]:
    of = read.load(path)
    return contribution.answers(of, comparisons.controls(of))


@pytest.mark.parametrize(
    ("variants", "effect", "kind", "words"),
    [
        ([{"circuit": "none"}], 8.0, "contributes", ["contributes", "No classical stand-in was tried", "+"]),
        ([{"circuit": "none"}, {"circuit": "constants"}], 8.0, "contributes", ["also beats constants"]),
        (
            [{"circuit": "none"}, {"circuit": "silu"}],
            8.0,
            "replaceable",
            ["the circuit helps", "not shown to beat SiLU", "no gain from being quantum"],
        ),
        ([{"circuit": "none"}], 0.0, "undecided", ["what would help"]),
        ([{"circuit": "none"}], -8.0, "costs", ["the circuit costs", "−"]),
    ],
)
def test_the_answer_is_the_truth_that_was_put_in(variants, effect, kind, words, tmp_path: Path) -> None:
    answer, by_loss = answers(synthetic.controls(tmp_path, variants, effect, seeds=5))
    assert answer.kind == kind and "ROUGE-L" in answer.sentence
    assert by_loss.kind == "contributes" or by_loss.kind == "replaceable", "drawn 0.08 apart"
    assert all(word in answer.sentence for word in [*words, "95 % interval [", "of 5 seeds"])
    assert contribution.headline([answer]) == answer.sentence


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"missing": ["final-qwthn-circuitnone"]}, "the method without its circuit has no finished run"),
        ({"failed": ["final-qwthn-demo"]}, "the method itself has no finished run"),
        ({"missing": ["circuitnone-demo-n300-seed0"], "failed": ["qwthn-demo-n300-seed1"], "seeds": 2}, "no seed"),
    ],
)
def test_what_cannot_be_told_is_said_with_its_reason(options, words: str, tmp_path: Path) -> None:
    answer = answers(synthetic.controls(tmp_path, [{"circuit": "none"}], 8.0, **options))[0]
    assert answer.kind == "unknown" and "these runs cannot tell" in answer.sentence and words in answer.sentence


def test_without_an_ablation_there_is_no_answer(tmp_path: Path) -> None:
    found = answers(synthetic.table1(tmp_path, sizes=(300,), seeds=1))
    assert found == [] and contribution.headline(found).startswith("These runs cannot tell")


def test_runs_without_test_answers_are_judged_by_loss(tmp_path: Path) -> None:
    (answer,) = answers(synthetic.controls(tmp_path, [{"circuit": "none"}], 0.0, scores=[], seeds=3))
    assert "held-out loss is" in answer.sentence and answer.kind == "descriptive"


def test_several_answers_are_counted() -> None:
    found = [
        contribution.Answer("undecided", "a."),
        contribution.Answer("undecided", "b."),
        contribution.Answer("costs", "c."),
    ]
    line = contribution.headline(found)
    assert "Of 3 comparisons" in line and "undecided in 2" in line and "better without it in 1" in line


def test_a_stand_in_that_failed_is_not_beaten(tmp_path: Path) -> None:
    path = synthetic.controls(
        tmp_path, [{"circuit": "none"}, {"circuit": "constants"}, {"circuit": "silu"}], 8.0, failed=["silu"], seeds=5
    )
    answer = answers(path)[0]
    assert answer.kind == "replaceable" and "SiLU" in answer.sentence and "(no finished run)" in answer.sentence


def test_a_difference_that_seeds_contradict_decides_nothing(tmp_path: Path) -> None:
    path = synthetic.controls(tmp_path, [{"circuit": "none"}], 8.0, seeds=5)
    for seed in (1, 3):
        turned = next(path.glob(f"cells/final-qwthn-demo-n300-seed{seed}/scores.jsonl"))
        rows = [json.loads(line) for line in turned.read_text().splitlines()]
        for row in rows:  # 8 better in each of three seeds, about 2 worse in two: over items alone the mean stays clear
            row["scores"]["rougel_llamafactory"] -= 10
        turned.write_text("".join(json.dumps(row) + "\n" for row in rows))
    answer = answers(path)[0]
    found = next(v for v in comparisons.controls(read.load(path)) if v.measure.name == "rougel_llamafactory")
    assert found.verdict.estimate > 3 and (found.agree, found.seeds, found.word) == (3, 5, "undecided")
    assert (
        answer.kind == "undecided" and "what would help: " in answer.sentence and "in 3 of 5 seeds" in answer.sentence
    )


def test_few_seeds_get_no_verdict(tmp_path: Path) -> None:
    answer = answers(synthetic.controls(tmp_path, [{"circuit": "none"}], 8.0))[0]
    assert answer.kind == "descriptive" and "no verdict without 5 seeds or more" in answer.sentence
    assert "no verdict, the numbers are shown in 1" in contribution.headline(
        [answer, contribution.Answer("costs", "a.")]
    )
