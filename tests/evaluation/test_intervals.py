"""Bootstrap intervals: where they are known, and where there are none."""

import numpy as np
import pytest

from qft.evaluation import intervals
from qft.evaluation.intervals import interval
from qft.evaluation.metrics.base import Measure, Pair, Score
from qft.evaluation.score import score_all


def of(values: list) -> list[float] | None:
    return interval(Score(Measure("x", "X"), 0.0, "", values))


def test_a_mean_has_about_its_normal_interval() -> None:
    values = np.random.default_rng(1).normal(50, 10, size=400)
    low, high = of(values.tolist())
    spread = 1.96 * values.std() / 20  # 1.96 standard errors
    assert low == pytest.approx(values.mean() - spread, abs=0.1)
    assert high == pytest.approx(values.mean() + spread, abs=0.1)


def test_three_right_of_four() -> None:
    # A draw of 4 has k right ones with k ~ B(4, 3/4): P(k <= 1) = 1/256 + 12/256 = 5.1 %, P(0) = 0.4 %.
    # So 2.5 % lie at or below 1 of 4; P(4) = 31.6 %, so the upper end is 4 of 4.
    assert of([100, 100, 0, 100]) == (25, 100)


def test_it_is_seeded_and_leaves_out_what_was_not_judged() -> None:
    assert of([10, 20, 40]) == of([10, 20, 40]) == of([10, None, 20, 40, None])


@pytest.mark.parametrize("values", [[50], [50, None], [100, 100, 100], [None, None], [0, 0]])
def test_where_resampling_says_nothing_there_is_none(values: list) -> None:
    assert of(values) is None


def test_a_corpus_score_is_resampled_as_a_corpus() -> None:
    texts = ["我今天很高兴。", "好的", "慢慢来也没关系，下次告诉我。", "不知道该怎么办"]
    others = ["我今天很开心。", "好的呀", "慢慢来，下次再告诉我吧。", "我不知道怎么办"]
    bleu = score_all([Pair(p, r) for p, r in zip(texts, others, strict=True)], ["bleu"])[2]
    draws = np.random.default_rng(0).integers(4, size=(2000, 4))

    def corpus(draw: list[int]) -> float:  # the slow way: the whole score of each draw's texts
        return score_all([Pair(texts[k], others[k]) for k in draw], ["bleu"])[2].value

    known = {tuple(sorted(d)): 0.0 for d in draws.tolist()}
    known = {d: corpus(list(d)) for d in known}
    found = [known[tuple(sorted(d))] for d in draws.tolist()]
    assert interval(bleu) == pytest.approx(np.quantile(found, [0.025, 0.975]).tolist())


def test_how_many_draws_are_held_at_a_time_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).normal(50, 10, size=30).tolist()
    corpus = Score(Measure("x", "X"), 0.0, "", values, of=lambda chosen: max(values[k] for k in chosen))
    whole = of(values), interval(corpus)
    monkeypatch.setattr(intervals, "HELD", 7 * len(values))  # does not divide the number of draws
    assert (of(values), interval(corpus)) == whole
