"""ROUGE-1, ROUGE-2 and ROUGE-L, computed in three ways that must never stand in one column::

    P = matches / n-grams of the prediction,   R = matches / n-grams of the reference,   F1 = 2 P R / (P + R)

Matches are shared n-grams; for ROUGE-L the longest common subsequence of words, P and R over words. All are
averaged over samples, times 100.

- ``_formula``: the paper's printed equations: ROUGE-N is the recall R of clipped counts, ROUGE-L the F1
  (beta = 1). The paper names no tokens; they are those of ``standard``, whose ROUGE-L it therefore equals.
- ``_llamafactory``: F1 by rouge-chinese on jieba's words, punctuation among them; an n-gram counts once however
  often it stands there. Probably how the published tables were made (where it rounds each sample to 4 digits).
- ``_standard``: F1 by rouge-score, clipped counts, jieba words without punctuation for Chinese.
"""

from collections.abc import Sequence
from importlib.metadata import version

from qft.errors import QftError, nearest
from qft.evaluation.metrics.base import Pair, Score, mean
from qft.evaluation.words import cut, has_cjk, words

TOKENIZERS = ("auto", "jieba", "default")
TYPES = {"rouge1": "rouge1", "rouge2": "rouge2", "rougel": "rougeL"}


class _Jieba:
    def tokenize(self, text: str) -> list[str]:
        return words(text)


def score(pairs: Sequence[Pair], tokenize: str = "auto") -> list[Score]:
    """Nine Scores: ``rouge1``, ``rouge2``, ``rougel`` in three variants.

    ``tokenize=auto`` (formula and standard): jieba where any reference holds a Chinese character, else
    rouge-score's default (runs of a-z and 0-9, lower case), which sees nothing in Chinese text. A pair with an
    empty side gives 0.
    """
    if tokenize not in TOKENIZERS:
        raise QftError(f"metric.rouge.tokenize={tokenize} is unknown.{nearest(tokenize, TOKENIZERS)}")
    if tokenize == "auto":
        tokenize = "jieba" if has_cjk(p.reference for p in pairs) else "default"
    formula, standard = _both(pairs, tokenize)
    return [*formula, *_llamafactory(pairs), *standard]


def _both(pairs: Sequence[Pair], tokenize: str) -> tuple[list[Score], list[Score]]:
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(list(TYPES.values()), use_stemmer=False, tokenizer=_Jieba() if tokenize == "jieba" else None)
    found = [scorer.score(p.reference, p.prediction) for p in pairs]
    cutter = f"jieba-{version('jieba')}" if tokenize == "jieba" else "default"
    formula: list[Score] = []
    standard: list[Score] = []
    for name, kind in TYPES.items():
        for scores, variant in ((formula, "formula"), (standard, "standard")):
            stat = "recall" if variant == "formula" and name != "rougel" else "fmeasure"
            each = [100.0 * getattr(f[kind], stat) for f in found]
            what = f"rouge-score-{version('rouge-score')}|{'recall' if stat == 'recall' else 'f1'}"
            signature = f"{what}|avg:sample|tok:{cutter}|stem:no"
            scores.append(Score(f"{name}_{variant}", mean(each), signature, True, each))
    return formula, standard


def _llamafactory(pairs: Sequence[Pair]) -> list[Score]:
    from rouge_chinese import Rouge

    rouge = Rouge()
    found = []
    for pair in pairs:
        ours, theirs = (" ".join(cut(text)) for text in (pair.prediction, pair.reference))
        found.append(rouge.get_scores(ours, theirs)[0] if ours.split() and theirs.split() else None)
    signature = f"rouge-chinese-{version('rouge-chinese')}|f1|avg:sample|tok:jieba-{version('jieba')}"
    scores = []
    for name in TYPES:
        kind = name.replace("rouge", "rouge-")
        each = [100.0 * f[kind]["f"] if f else 0.0 for f in found]
        scores.append(Score(f"{name}_llamafactory", mean(each), signature, True, each))
    return scores
