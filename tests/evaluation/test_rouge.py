"""ROUGE against values worked out by hand, and against the libraries."""

import importlib
import random
import sys

import pytest
from rouge_chinese import Rouge
from rouge_score.rouge_scorer import RougeScorer

from qft.errors import QftError
from qft.evaluation.metrics import base
from qft.evaluation.metrics import rouge as module
from qft.evaluation.metrics.base import Pair
from qft.evaluation.words import cut, words


def score(predictions, references, variant="standard", **options):
    """The three scores of one variant."""
    pairs = [Pair(p, r) for p, r in zip(predictions, references, strict=True)]
    return [s for s in module.score(pairs, **options) if s.name.endswith(variant)]


def values(prediction, reference, variant="standard", **options):
    return {s.name.partition("_")[0]: s.value for s in score([prediction], [reference], variant, **options)}


def test_chinese_by_hand():
    # Words: 我 今天 很 高兴 / 我 今天 很 开心. Single: 3 of 4 both ways. Pairs: 2 of 3. Longest common: 3 of 4.
    assert words("我今天很高兴。") == ["我", "今天", "很", "高兴"]
    assert values("我今天很高兴。", "我今天很开心。") == pytest.approx(
        {"rouge1": 100 * 3 / 4, "rouge2": 100 * 2 / 3, "rougel": 100 * 3 / 4}
    )


def test_english_by_hand():
    # the cat on the mat (5) / the cat sat on the mat (6). Single: P = 5/5, R = 5/6, F1 = 10/11.
    # Pairs: the-cat, on-the, the-mat: P = 3/4, R = 3/5, F1 = 2 * 3 / (4 + 5) = 2/3.
    # Longest common: all 5 words: as for single ones.
    assert values("The cat on the mat.", "the cat sat on the mat") == pytest.approx(
        {"rouge1": 100 * 10 / 11, "rouge2": 100 * 2 / 3, "rougel": 100 * 10 / 11}
    )


def test_the_paper_prints_recall():
    # As above: R = 5/6 of the single words, 3/5 of the pairs; ROUGE-L is the F1 all the same.
    assert values("The cat on the mat.", "the cat sat on the mat", "formula") == pytest.approx(
        {"rouge1": 100 * 5 / 6, "rouge2": 100 * 3 / 5, "rougel": 100 * 10 / 11}
    )
    # A word that stands twice in the reference and once in the prediction is found once: R = 2/3.
    assert values("a b", "a a b", "formula")["rouge1"] == pytest.approx(100 * 2 / 3)


def test_llamafactory_by_hand():
    # jieba: 我 今天 很 高兴 。 / 我 今天 很 开心 。 - punctuation is kept: 4 of 5 words both ways.
    # Pairs: 我-今天, 今天-很 of 4 both ways. Longest common subsequence: 我 今天 很 。: 4 of 5.
    assert values("我今天很高兴。", "我今天很开心。", "llamafactory") == pytest.approx(
        {"rouge1": 80, "rouge2": 50, "rougel": 80}, rel=1e-6
    )
    # Words count once however often they stand there: {很, 好} / {很, 好}.
    assert values("很很好", "很好很好", "llamafactory")["rouge1"] == pytest.approx(100, rel=1e-6)


def test_order_counts_for_rouge_l_only():
    # a b c d / d c b a: every word shared, no pair, longest common subsequence 1 of 4.
    assert values("a b c d", "d c b a") == pytest.approx({"rouge1": 100, "rouge2": 0, "rougel": 25})


def test_the_value_is_the_mean_over_samples():
    # Sample 1: equal, 100; sample 2: a / a b: P = 1, R = 1/2, F1 = 2/3.
    rouge1 = score(["x y", "a"], ["x y", "a b"])[0]
    assert rouge1.per_sample == pytest.approx([100, 100 * 2 / 3])
    assert rouge1.value == pytest.approx(100 * (1 + 2 / 3) / 2)


def test_the_signature_names_versions_tokenizer_and_stemmer():
    chinese, english = score(["好"], ["好"])[0].signature, score(["a"], ["a"])[0].signature
    assert chinese == "rouge-score-0.1.2|f1|avg:sample|tok:jieba-0.42.1|stem:no"
    assert english == "rouge-score-0.1.2|f1|avg:sample|tok:default|stem:no"


def test_stems_are_not_taken():
    assert values("running", "runs")["rouge1"] == 0


def test_the_tokenizer_can_be_named():
    assert values("好", "好", tokenize="default")["rouge1"] == 0  # rouge-score's own sees no Chinese
    with pytest.raises(QftError, match="Did you mean 'jieba'"):
        score(["a"], ["a"], tokenize="jiba")


def test_cutting_words_prints_nothing_and_leaves_no_cache(capfd, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    fresh = importlib.reload(sys.modules["qft.evaluation.words"])  # has not read its dictionary yet
    assert fresh.words("睡不好 Sleep，2小时") == ["睡", "不好", "sleep", "2", "小时"]
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())


PIECES = [*"我你今天很高兴不知道ab1。！？….”’， \n", "……", "......", "？”", "。。", "the ", "cat "]


class _Words:
    tokenize = staticmethod(words)


def test_every_number_is_the_libraries_own():
    """Theirs fill a table for ROUGE-L; the sentences that rouge-chinese cuts are in it, odd ones too."""
    rng = random.Random(0)
    pairs = [Pair(*("".join(rng.choices(PIECES, k=rng.randrange(40))) for _ in range(2))) for _ in range(400)]
    found = {s.name: s.per_sample for s in module.score(pairs, tokenize="jieba")}
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=_Words())
    for k, pair in enumerate(pairs):
        ours, theirs = (" ".join(cut(text)) for text in (pair.prediction, pair.reference))
        chinese = Rouge().get_scores(ours, theirs)[0] if ours.split() and theirs.split() else None
        for kind, stats in scorer.score(pair.reference, pair.prediction).items():
            name = kind.lower()
            assert found[f"{name}_standard"][k] == 100 * stats.fmeasure, pair
            assert found[f"{name}_formula"][k] == 100 * (stats.fmeasure if kind == "rougeL" else stats.recall), pair
            expected = 100 * chinese[name.replace("rouge", "rouge-")]["f"] if chinese else 0.0
            assert found[f"{name}_llamafactory"][k] == expected, pair


def test_texts_of_20000_characters_are_scored():
    rng = random.Random(0)
    ours, theirs = ("".join(rng.choices("我你今天很高兴，不知道。睡", k=20_000)) for _ in range(2))
    found = score([ours], [theirs]) + score([ours], [theirs], "llamafactory")
    assert all(0 < s.value < 100 and "cut" not in s.signature for s in found)


def test_texts_beyond_the_limit_are_cut_and_the_signature_says_so(monkeypatch):
    assert base.LONGEST == 100_000  # what the documentation says
    monkeypatch.setattr(base, "LONGEST", 3)
    found = score(["a b c d", "x"], ["a b", "x"])
    assert [s.value for s in found] == [100, 50, 100]
    assert all(s.signature.endswith("|stem:no|cut:3-characters-in-1-pairs") for s in found)
