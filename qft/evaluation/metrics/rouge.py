"""ROUGE-1, ROUGE-2 and ROUGE-L, by rouge-score: F1 of each pair, averaged, times 100::

    F1 = 2 P R / (P + R),   P = matches / n-grams of the prediction,   R = matches / n-grams of the reference

Matches are shared n-grams (clipped); for ROUGE-L the longest common subsequence of words, P and R over words.
"""

from qft.errors import QftError, nearest
from qft.evaluation.metrics.base import Score
from qft.evaluation.words import has_cjk, words

TOKENIZERS = ("auto", "jieba", "default")
TYPES = {"rouge1": "rouge1", "rouge2": "rouge2", "rougel": "rougeL"}


class _Jieba:
    def tokenize(self, text: str) -> list[str]:
        return words(text)


def score(predictions: list[str], references: list[str], tokenize: str = "auto") -> list[Score]:
    """Three Scores: ``rouge1``, ``rouge2``, ``rougel``.

    ``tokenize=auto``: jieba where any reference holds a Chinese character, else rouge-score's default (runs of
    a-z and 0-9, lower case), which sees nothing in Chinese text. A pair with an empty side gives 0.
    """
    from importlib.metadata import version

    from rouge_score.rouge_scorer import RougeScorer

    if tokenize not in TOKENIZERS:
        raise QftError(f"metric.tokenize={tokenize} is unknown.{nearest(tokenize, TOKENIZERS)}")
    if tokenize == "auto":
        tokenize = "jieba" if has_cjk(references) else "default"
    scorer = RougeScorer(list(TYPES.values()), use_stemmer=False, tokenizer=_Jieba() if tokenize == "jieba" else None)
    pairs = [scorer.score(r, p) for p, r in zip(predictions, references, strict=True)]
    cutter = f"jieba-{version('jieba')}" if tokenize == "jieba" else "default"
    signature = f"rouge-score-{version('rouge-score')}|f1|avg:sample|tok:{cutter}|stem:no"
    scores = []
    for name, kind in TYPES.items():
        each = [100.0 * pair[kind].fmeasure for pair in pairs]
        scores.append(Score(name, sum(each) / len(each), signature, True, each))
    return scores
