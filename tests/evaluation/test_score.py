"""Scoring by the names of metrics."""

import pytest

from qft.errors import QftError
from qft.evaluation.score import score_all


def test_scores_come_in_the_order_named():
    assert [s.name for s in score_all(["a"], ["a"], ["rouge", "bleu"])] == ["rouge1", "rouge2", "rougel", "bleu4"]


@pytest.mark.parametrize(
    ("predictions", "references", "metrics", "words"),
    [
        (["a"], ["a"], ["blue"], "Did you mean 'bleu'"),
        (["a"], ["a"], ["base"], "metric=base is unknown"),
        (["a"], ["a", "b"], ["bleu"], "1 predictions for 2 references"),
        ([], [], ["bleu"], "no predictions"),
    ],
)
def test_what_cannot_be_scored_is_refused(predictions, references, metrics, words):
    with pytest.raises(QftError, match=words):
        score_all(predictions, references, metrics)
