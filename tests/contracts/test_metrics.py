"""What every metric must do. The members are found by a walk: a new module is tested without an edit here.

A metric that needs more than its defaults says so in its own test: ``contract_options()`` in
tests/evaluation/test_NAME.py.
"""

import functools
import importlib
import importlib.util
from pathlib import Path

import pytest
import yaml

from qft.errors import QftError
from qft.evaluation.intervals import interval
from qft.evaluation.metrics import load_metric, measures, metric_names, packages
from qft.evaluation.metrics.base import Measure, Pair, Score
from qft.evaluation.score import score_all

ROOT = Path(__file__).parents[2]
CHINESE = ["我明白你的感受，能再多说一些吗？", "我们可以试试每天散步半小时。"]
ENGLISH = [
    "<think>\nFirst add 12 and 30: 42.\nThen divide by 6: 42 / 6 = 7.\n</think>\n\nSo the answer is \\boxed{7}.",
    "<think>\nFirst multiply: 6 * 7 = 42. Then add 15: 57.\n</think>\n\nSo the answer is \\boxed{57}.",
]


@pytest.fixture(params=metric_names())
def name(request):
    return request.param


@functools.cache
def options(name):
    file = ROOT / "tests" / "evaluation" / f"test_{name}.py"
    if not file.exists():
        return {}
    spec = importlib.util.spec_from_file_location(f"test_{name}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, "contract_options", dict)()


def scores(name, predictions, references, **more):
    pairs = [Pair(p, r, **more) for p, r in zip(predictions, references, strict=True)]
    return score_all(pairs, [name], {name: options(name)})


def judged(score):
    return [v for v in score.per_sample if v is not None]


def test_there_are_metrics():
    assert metric_names()


@pytest.mark.parametrize("texts", [CHINESE, ENGLISH, CHINESE + ENGLISH], ids=["zh", "en", "both"])
def test_identical_texts_are_best(name, texts):
    found = scores(name, texts, texts)
    assert any(judged(s) for s in found)
    for s in found:
        best = 100 if s.higher_is_better else 0
        assert judged(s) == pytest.approx([best] * len(judged(s)), abs=1e-3)
        assert s.value == (pytest.approx(best, abs=1e-3) if judged(s) else None)


@pytest.mark.parametrize("references", [CHINESE, ENGLISH, ["", ""]])
def test_an_empty_answer_is_worst_and_no_error(name, references):
    for s in scores(name, ["", ""], references):
        worst = 0 if s.higher_is_better else 100
        assert set(judged(s)) <= {worst}, s.name
        assert s.value == (worst if judged(s) else None)


@pytest.mark.parametrize(("predictions", "references"), [(CHINESE, ["", ""]), ([" \n", "。"], ENGLISH)])
def test_odd_texts_are_no_error(name, predictions, references):
    for s in scores(name, predictions, references):
        assert all(0 <= v <= 100 for v in judged(s))


def test_values_are_in_range_and_complete(name):
    predictions, references = CHINESE + ENGLISH + [""], CHINESE[::-1] + ENGLISH[::-1] + ["好"]
    for s in scores(name, predictions, references):
        assert type(s) is Score and s.name and s.signature
        assert len(s.per_sample) == len(predictions)
        assert all(isinstance(v, float) and 0 <= v <= 100 for v in [s.value, *judged(s)])
        assert s.reasons is None or (len(s.reasons) == len(predictions) and all(s.reasons))
        low, high = interval(s) or (s.value, s.value)
        assert 0 <= low <= high <= 100
        if s.of is not None:
            assert s.of(range(len(predictions))) == s.value
        else:
            assert s.value == pytest.approx(sum(judged(s)) / len(judged(s)))


def test_the_worse_text_scores_worse(name):
    worse = "<think>\nFirst take 12 and 30, which makes"
    for s, t in zip(
        scores(name, ENGLISH[:1], ENGLISH[:1]), scores(name, [worse], ENGLISH[:1], finished=False), strict=True
    ):
        assert (s.value > t.value) == s.higher_is_better and s.value != t.value


def test_scores_are_reproducible_and_names_unique(name):
    first, again = (scores(name, CHINESE, CHINESE[::-1]) for _ in range(2))
    assert first == again
    assert len({s.name for s in first}) == len(first)


def test_each_has_its_yaml(name):
    module = load_metric(name)
    config = yaml.safe_load((ROOT / "configs" / "metric" / f"{name}.yaml").read_text(encoding="utf-8"))
    assert config.pop("_target_") == f"{module.__name__}.score"
    module.check(**config)
    if config:
        with pytest.raises(QftError, match=rf"metric\.{name}\.\w+="):  # the last option, of no type that it takes
            module.check(**config | {list(config)[-1]: -1})
    pairs = [Pair(t, t) for t in CHINESE]
    assert module.score(pairs, **config) == score_all(pairs, [name])  # the yaml's values are the defaults


def test_it_says_what_its_scores_are(name):
    """Tables, pages and exports know a score by its Measure alone."""
    stated = load_metric(name).MEASURES
    assert {s.measure for s in scores(name, CHINESE, CHINESE)} == set(stated)
    for measure in stated:
        assert type(measure) is Measure and measure.name and measure.title and measure.unit
        assert type(measure.higher_is_better) is bool and measure.digits >= 0
        assert set(measure.packages) <= set(packages())
        assert measures()[measure.name] is measure, "a name is of one metric only"


def test_no_two_scores_share_a_title():
    titles = [measure.title for measure in measures().values()]
    assert len(set(titles)) == len(titles)
