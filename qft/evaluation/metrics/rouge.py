"""ROUGE-1, ROUGE-2 and ROUGE-L, computed in three ways that must never stand in one column::

    P = matches / n-grams of the prediction,   R = matches / n-grams of the reference,   F1 = 2 P R / (P + R)

Matches are shared n-grams; for ROUGE-L the longest common subsequence of words, P and R over words. All are
averaged over samples, times 100.

- ``_formula``: the paper's printed equations: ROUGE-N is the recall R of clipped counts, ROUGE-L the F1
  (beta = 1). The paper names no tokens; they are those of ``standard``, whose ROUGE-L it therefore equals.
- ``_llamafactory``: F1 by rouge-chinese on jieba's words, punctuation among them; an n-gram counts once however
  often it stands there. Probably how the published tables were made (where it rounds each sample to 4 digits).
- ``_standard``: F1 by rouge-score, clipped counts, jieba words without punctuation for Chinese.

ROUGE-L is our own (``words.common_length``), equal to the libraries', whose tables have a cell for each pair of words
(20,000 characters: gigabytes). Of longer texts the first 100,000 characters count, some ten seconds a pair; a signature
says ``|cut:100000-characters-in-N-pairs`` where there were any.
"""

import functools
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

from qft.errors import QftError, nearest
from qft.evaluation.metrics.base import Measure, Pair, Score, mean, within_limit
from qft.evaluation.words import common_length, cut, has_cjk, words
from qft.progress import bar

TOKENIZERS = ("auto", "jieba", "default")
TYPES = {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougel": "ROUGE-L"}
FORMULA = {k: Measure(f"{k}_formula", f"{t} (formula)", packages=("rouge-score", "jieba")) for k, t in TYPES.items()}
LLAMAFACTORY = {
    k: Measure(f"{k}_llamafactory", t, packages=("rouge-chinese", "jieba"), published=k) for k, t in TYPES.items()
}
STANDARD = {k: Measure(f"{k}_standard", f"{t} (standard)", packages=("rouge-score", "jieba")) for k, t in TYPES.items()}
MEASURES = (*FORMULA.values(), *LLAMAFACTORY.values(), *STANDARD.values())


def check(tokenize: str = "auto") -> None:
    """Raise QftError for options that nothing can be scored with."""
    if tokenize not in TOKENIZERS:
        raise QftError(f"metric.rouge.tokenize={tokenize} is unknown.{nearest(str(tokenize), TOKENIZERS)}")


def score(pairs: Sequence[Pair], tokenize: str = "auto") -> list[Score]:
    """Nine Scores: ``rouge1``, ``rouge2``, ``rougel`` in three variants.

    ``tokenize=auto`` (formula and standard): jieba where any reference holds a Chinese character, else
    rouge-score's default (runs of a-z and 0-9, lower case), which sees nothing in Chinese text. A pair with an
    empty side gives 0.
    """
    check(tokenize)
    if tokenize == "auto":
        tokenize = "jieba" if has_cjk(p.reference for p in pairs) else "default"
    pairs, cut_off = within_limit(pairs)
    formula, standard = _both(pairs, tokenize, cut_off)
    return [*formula, *_llamafactory(pairs, cut_off), *standard]


class _Words:
    """A tokenizer for rouge-score that keeps what it cut last, for ROUGE-L."""

    def __init__(self, cutter: Callable[[str], list[str]]) -> None:
        self.tokenize = functools.lru_cache(maxsize=2)(cutter)


def _both(pairs: Sequence[Pair], tokenize: str, cut_off: str) -> tuple[list[Score], list[Score]]:
    from rouge_score.rouge_scorer import RougeScorer
    from rouge_score.scoring import Score as Stats
    from rouge_score.scoring import fmeasure
    from rouge_score.tokenizers import DefaultTokenizer

    tokenizer = _Words(words if tokenize == "jieba" else DefaultTokenizer(use_stemmer=False).tokenize)
    scorer = RougeScorer(["rouge1", "rouge2"], tokenizer=tokenizer)
    scored = []
    for pair in bar(pairs, "ROUGE"):
        scores = scorer.score(pair.reference, pair.prediction)
        ours, theirs = tokenizer.tokenize(pair.prediction), tokenizer.tokenize(pair.reference)
        common = common_length(theirs, ours)  # the library's own table has a cell for each pair of words
        precision, recall = common / max(len(ours), 1), common / max(len(theirs), 1)
        scored.append(scores | {"rougel": Stats(precision, recall, fmeasure(precision, recall))})
    cutter = f"jieba-{version('jieba')}" if tokenize == "jieba" else "default"
    formula: list[Score] = []
    standard: list[Score] = []
    for name in TYPES:
        for scores, measure in ((formula, FORMULA[name]), (standard, STANDARD[name])):
            stat = "recall" if scores is formula and name != "rougel" else "fmeasure"
            each = [100.0 * (f[name].recall if stat == "recall" else f[name].fmeasure) for f in scored]
            what = f"rouge-score-{version('rouge-score')}|{'recall' if stat == 'recall' else 'f1'}"
            signature = f"{what}|avg:sample|tok:{cutter}|stem:no{cut_off}"
            scores.append(Score(measure, mean(each), signature, each))
    return formula, standard


def _llamafactory(pairs: Sequence[Pair], cut_off: str) -> list[Score]:
    from rouge_chinese import Rouge

    rouge = Rouge(["rouge-1", "rouge-2"], stats=["f"])
    scored: list[dict[str, float] | None] = []
    for pair in bar(pairs, "ROUGE as in LLaMA-Factory"):
        ours, theirs = (" ".join(cut(text)) for text in (pair.prediction, pair.reference))
        if not ours.split() or not theirs.split():
            scored.append(None)
            continue
        f1 = {kind.replace("-", ""): f["f"] for kind, f in rouge.get_scores(ours, theirs)[0].items()}
        scored.append(f1 | {"rougel": _longest(_split(rouge, ours), _split(rouge, theirs))})
    signature = f"rouge-chinese-{version('rouge-chinese')}|f1|avg:sample|tok:jieba-{version('jieba')}{cut_off}"
    scores = []
    for name in TYPES:
        each = [100.0 * f[name] if f else 0.0 for f in scored]
        scores.append(Score(LLAMAFACTORY[name], mean(each), signature, each))
    return scores


def _split(rouge: Any, text: str) -> list[str]:
    """The words as rouge-chinese has them, which cuts sentences first (within words too)."""
    sentences = (" ".join(s.split()) for s in rouge.cut_sent(text) if s)
    return [word for s in sentences for word in s.split(" ")]


def _longest(ours: list[str], theirs: list[str]) -> float:
    """F1 of the longest common subsequence, with the small number that rouge-chinese adds to the denominator."""
    common = common_length(theirs, ours)
    precision, recall = common / len(ours), common / len(theirs)
    return 2.0 * (precision * recall / (precision + recall + 1e-8))
