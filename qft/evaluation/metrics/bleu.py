"""BLEU-4, computed in three ways that must never stand in one column::

    BLEU = 100 * BP * (p1 * p2 * p3 * p4) ** (1/4),   BP = 1 if c > r else exp(1 - r/c)

p_n: the share of n-grams of the predictions found in their references (clipped); c, r: lengths of predictions
and references in tokens.

- ``bleu4_formula``: the paper's printed equation. p_n, c and r are those of the whole set, nothing is smoothed:
  where no n-gram of a length is shared, the score is 0. The paper names no tokens; they are those of ``standard``.
- ``bleu4_llamafactory``: nltk's sentence BLEU on single characters with smoothing method 3 (a p_n of 0 becomes
  1/2, 1/4, ... matches), averaged over samples. Probably how the published tables were made.
- ``bleu4_standard``: sacrebleu, of the whole set; the tokenizer is ``zh`` or ``13a``, a p_n of 0 is smoothed
  (``smooth:exp``: 1/2, 1/4, ... matches).

Time and memory grow with the length of the texts, of which the first 100,000 characters count; a signature says
``|cut:100000-characters-in-N-pairs`` where there were longer ones.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qft.errors import QftError, nearest
from qft.evaluation.metrics.base import Measure, Pair, Score, mean, within_limit
from qft.evaluation.words import has_cjk
from qft.progress import bar

FORMULA = Measure("bleu4_formula", "BLEU-4 (formula)", packages=("sacrebleu",))
LLAMAFACTORY = Measure("bleu4_llamafactory", "BLEU-4", packages=("nltk",), published="bleu4")
STANDARD = Measure("bleu4_standard", "BLEU-4 (standard)", packages=("sacrebleu",))
MEASURES = (FORMULA, LLAMAFACTORY, STANDARD)
TOKENIZERS = ("auto", "zh", "13a", "char", "intl", "none")


def check(tokenize: str = "auto") -> None:
    """Raise QftError for options that nothing can be scored with."""
    if tokenize not in TOKENIZERS:
        raise QftError(f"metric.bleu.tokenize={tokenize} is unknown.{nearest(str(tokenize), TOKENIZERS)}")


def score(pairs: Sequence[Pair], tokenize: str = "auto") -> list[Score]:
    """The three variants. ``tokenize=auto``: zh where any reference holds a Chinese character, else 13a.

    ``per_sample`` of formula and standard is sacrebleu's sentence BLEU with ``effective_order`` (only the n-gram
    lengths a short text has), else short answers would all be 0: so its mean is not ``value``.
    """
    check(tokenize)
    if tokenize == "auto":
        tokenize = "zh" if has_cjk(p.reference for p in pairs) else "13a"
    pairs, cut = within_limit(pairs)
    table = _counts(pairs, tokenize)
    return [
        _corpus(table, FORMULA, tokenize, "none", cut),
        _characters(pairs, cut),
        _corpus(table, STANDARD, tokenize, "exp", cut),
    ]


def _counts(pairs: Sequence[Pair], tokenize: str) -> np.ndarray:
    """(pairs, 10): matches and n-grams of orders 1 to 4, lengths of prediction and reference."""
    from sacrebleu.metrics.bleu import BLEU

    # force: no warning about texts that look tokenized already
    sentence = BLEU(tokenize=tokenize, force=True, effective_order=True)
    each = (sentence.sentence_score(p.prediction, [p.reference]) for p in bar(pairs, "BLEU"))
    return np.array([[*b.counts, *b.totals, b.sys_len, b.ref_len] for b in each])


def _corpus(table: np.ndarray, measure: Measure, tokenize: str, smooth: str, cut: str) -> Score:
    from sacrebleu.metrics.bleu import BLEU

    def bleu(n: list[int], effective_order: bool) -> float:
        result = BLEU.compute_bleu(n[:4], n[4:8], n[8], n[9], smooth, effective_order=effective_order)
        return min(result.score, 100.0)  # exp(log) lands at 100.00000000000004 for equal texts

    def of(chosen: Sequence[int] | NDArray[np.int64]) -> float:
        times = np.bincount(chosen, minlength=len(table))  # each row counts as often as it was chosen
        return bleu((times @ table).tolist(), effective_order=False)

    corpus: Any = BLEU(tokenize=tokenize, smooth_method=smooth, force=True)
    corpus.corpus_score(["a"], [["a"]])  # the signature wants one
    per_sample = [bleu(n, effective_order=True) for n in table.tolist()]
    return Score(measure, of(range(len(table))), f"{corpus.get_signature()}{cut}", per_sample, of=of)


def _characters(pairs: Sequence[Pair], cut: str) -> Score:
    from importlib.metadata import version

    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    smooth = SmoothingFunction().method3
    each = [
        100.0 * sentence_bleu([list(p.reference)], list(p.prediction), smoothing_function=smooth)
        if p.prediction and p.reference
        else 0.0
        for p in bar(pairs, "BLEU of characters")
    ]
    signature = f"nltk-{version('nltk')}|sentence|avg:sample|tok:char|smooth:method3{cut}"
    return Score(LLAMAFACTORY, mean(each), signature, [min(v, 100.0) for v in each])
