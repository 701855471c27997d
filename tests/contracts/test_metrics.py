"""What every metric must do. The members are found by a walk: a new module is tested without an edit here."""

import importlib
from pathlib import Path

import pytest
import yaml

from qft.evaluation.metrics.base import Score
from qft.evaluation.score import metric_names, score_all

CONFIGS = Path(__file__).parents[2] / "configs" / "metric"
CHINESE = ["我明白你的感受，能再多说一些吗？", "我们可以试试每天散步半小时。"]
ENGLISH = ["First add 12 and 30, then divide by 6.", "So the answer is \\boxed{7}."]


@pytest.fixture(params=metric_names())
def name(request):
    return request.param


def test_there_are_metrics():
    assert metric_names()


@pytest.mark.parametrize("texts", [CHINESE, ENGLISH, CHINESE + ENGLISH], ids=["zh", "en", "both"])
def test_identical_texts_are_best(name, texts):
    for s in score_all(texts, texts, [name]):
        best = 100 if s.higher_is_better else 0
        assert s.value == pytest.approx(best)
        assert s.per_sample == pytest.approx([best] * len(texts))


@pytest.mark.parametrize(
    ("predictions", "references"),
    [(["", ""], CHINESE), (CHINESE, ["", ""]), (["", ""], ["", ""]), ([" \n", "。"], ENGLISH)],
)
def test_empty_texts_are_worst_and_no_error(name, predictions, references):
    for s in score_all(predictions, references, [name]):
        worst = 0 if s.higher_is_better else 100
        assert s.value == worst and s.per_sample == [worst, worst]


def test_values_are_in_range_and_complete(name):
    predictions, references = CHINESE + ENGLISH + [""], CHINESE[::-1] + ENGLISH[::-1] + ["好"]
    for s in score_all(predictions, references, [name]):
        assert type(s) is Score and s.name and s.signature
        assert isinstance(s.higher_is_better, bool)
        assert len(s.per_sample) == len(predictions)
        assert all(isinstance(v, float) and 0 <= v <= 100 for v in [s.value, *s.per_sample])


def test_the_worse_text_scores_worse(name):
    reference, worse = [CHINESE[0]], [CHINESE[0][:5] + CHINESE[1][3:9]]
    for s, t in zip(score_all(reference, reference, [name]), score_all(worse, reference, [name]), strict=True):
        assert (s.value > t.value) == s.higher_is_better and s.value != t.value


def test_scores_are_reproducible_and_names_unique(name):
    first, again = (score_all(CHINESE, CHINESE[::-1], [name]) for _ in range(2))
    assert first == again
    assert len({s.name for s in first}) == len(first)


def test_each_has_its_yaml(name):
    module = importlib.import_module(f"qft.evaluation.metrics.{name}")
    config = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))
    assert config.pop("_target_") == f"{module.__name__}.score"
    result = module.score(CHINESE, CHINESE, **config)
    assert result == score_all(CHINESE, CHINESE, [name])  # the yaml's values are the defaults
