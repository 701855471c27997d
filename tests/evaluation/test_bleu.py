"""BLEU-4 against values worked out by hand."""

import math

import pytest

from qft.errors import QftError
from qft.evaluation.metrics import base
from qft.evaluation.metrics import bleu as module
from qft.evaluation.metrics.base import Pair


def score(predictions, references, variant="standard", **options):
    """The one variant."""
    pairs = [Pair(p, r) for p, r in zip(predictions, references, strict=True)]
    return [s for s in module.score(pairs, **options) if s.name == f"bleu4_{variant}"]


def test_chinese_by_hand():
    # Characters: 7 and 7, so BP = 1. Shared: 我 今 天 很 。 = 5 of 7; 我今 今天 天很 = 3 of 6;
    # 我今天 今天很 = 2 of 5; 我今天很 = 1 of 4.
    (bleu,) = score(["我今天很高兴。"], ["我今天很开心。"])
    expected = 100 * (5 / 7 * 3 / 6 * 2 / 5 * 1 / 4) ** (1 / 4)
    assert bleu.value == pytest.approx(expected)
    assert bleu.per_sample == [pytest.approx(expected)]  # 4 characters and more: every order is there
    assert "tok:zh" in bleu.signature and "eff:no" in bleu.signature and "smooth:exp" in bleu.signature


def test_the_corpus_pools_counts_and_pays_for_brevity():
    # Second pair 好的 / 好的呀: 2 of 2 characters, 1 of 1 pairs, nothing longer. Pooled: 7/9, 4/7, 2/5, 1/4;
    # lengths c = 9, r = 10, so BP = exp(1 - 10/9).
    (bleu,) = score(["我今天很高兴。", "好的"], ["我今天很开心。", "好的呀"])
    assert bleu.value == pytest.approx(100 * math.exp(1 - 10 / 9) * (7 / 9 * 4 / 7 * 2 / 5 * 1 / 4) ** (1 / 4))
    # Alone the second has orders 1 and 2 only (effective order): p1 = p2 = 1, BP = exp(1 - 3/2).
    assert bleu.per_sample[1] == pytest.approx(100 * math.exp(-1 / 2))


def test_english_by_hand():
    # Words: 5 of 6, 3 of 5 (the cat, on the, the mat), 1 of 4 (on the mat), 0 of 3 -> smoothed to (1/2) of 3.
    (bleu,) = score(["the cat sat on the mat"], ["the cat is on the mat"])
    assert bleu.value == pytest.approx(100 * (5 / 6 * 3 / 5 * 1 / 4 * (1 / 2) / 3) ** (1 / 4))
    assert "tok:13a" in bleu.signature


def test_repeated_words_are_clipped():
    # "the" stands twice in the reference: 2 of 4; no pair is shared: 0 of 3, 0 of 2, 0 of 1, smoothed to
    # 1/2, 1/4, 1/8 matches. Lengths 4 and 4: BP = 1.
    (bleu,) = score(["the the the the"], ["the cat the dog"])
    assert bleu.value == pytest.approx(100 * (2 / 4 * (1 / 2) / 3 * (1 / 4) / 2 * (1 / 8) / 1) ** (1 / 4))


def test_one_chinese_reference_decides_for_the_whole_set():
    assert "tok:zh" in score(["a", "b"], ["a", "你好"])[0].signature


def test_the_tokenizer_can_be_named():
    assert "tok:char" in score(["a b"], ["a b"], tokenize="char")[0].signature
    with pytest.raises(QftError, match="Did you mean 'zh'"):
        score(["a"], ["a"], tokenize="zhh")


def test_the_paper_smooths_nothing():
    # As above, but a length without a shared n-gram makes the product, and the score, 0.
    (bleu,) = score(["the cat sat on the mat"], ["the cat is on the mat"], "formula")
    assert bleu.value == 0
    # Where every length has one, both agree: 5/7, 3/6, 2/5, 1/4 (see the first test).
    (bleu,) = score(["我今天很高兴。"], ["我今天很开心。"], "formula")
    assert bleu.value == pytest.approx(100 * (5 / 7 * 3 / 6 * 2 / 5 * 1 / 4) ** (1 / 4))
    assert "smooth:none" in bleu.signature


def test_llamafactory_by_hand():
    # Characters, as above: 5/7, 3/6, 2/5, 1/4. The second pair 好的 / 好的呀: p1 = 2/2, p2 = 1/1; none of length 3
    # and 4, whose denominators count as 1: 1/2 and 1/4. BP = exp(1 - 3/2). Averaged over the two.
    (bleu,) = score(["我今天很高兴。", "好的"], ["我今天很开心。", "好的呀"], "llamafactory")
    one = (5 / 7 * 3 / 6 * 2 / 5 * 1 / 4) ** (1 / 4)
    two = math.exp(-1 / 2) * (1 * 1 * 1 / 2 * 1 / 4) ** (1 / 4)
    assert bleu.per_sample == pytest.approx([100 * one, 100 * two])
    assert bleu.value == pytest.approx(100 * (one + two) / 2)
    assert "method3" in bleu.signature and "avg:sample" in bleu.signature


def test_the_corpus_score_of_a_choice_of_samples():
    predictions, references = ["我今天很高兴。", "好的", "不知道"], ["我今天很开心。", "好的呀", "不"]
    (bleu,) = score(predictions, references)
    assert bleu.of([0, 1, 2]) == bleu.value
    (chosen,) = score([predictions[k] for k in (1, 0, 0)], [references[k] for k in (1, 0, 0)])
    assert bleu.of([1, 0, 0]) == pytest.approx(chosen.value)


def test_texts_beyond_the_limit_are_cut_and_the_signature_says_so(monkeypatch):
    monkeypatch.setattr(base, "LONGEST", 7)
    pairs = [Pair("a b c d e", "a b c d f"), Pair("a b c d", "a b c d")]
    for found in module.score(pairs):
        assert found.value == pytest.approx(100)
        assert found.signature.endswith("|cut:7-characters-in-1-pairs")


def test_single_and_corpus_scores_are_those_of_sacrebleu():
    from sacrebleu.metrics import BLEU

    predictions, references = ["我今天很高兴。", "好的", "the cat", ""], ["我今天很开心。", "好的呀", "the dog", "不"]
    for variant, smooth in (("formula", "none"), ("standard", "exp")):
        (bleu,) = score(predictions, references, variant)
        corpus, single = (
            BLEU(tokenize="zh", smooth_method=smooth, force=True, effective_order=e) for e in (False, True)
        )
        assert bleu.value == corpus.corpus_score(predictions, [references]).score
        assert bleu.per_sample == [single.sentence_score(p, [r]).score for p, r in zip(predictions, references)]
        assert bleu.signature == str(corpus.get_signature())
