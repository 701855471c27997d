"""BLEU-4 of the whole set, by sacrebleu::

    BLEU = 100 * BP * (p1 * p2 * p3 * p4) ** (1/4),   BP = 1 if c > r else exp(1 - r/c)

p_n: the share of n-grams of all predictions found in their references (clipped); c, r: lengths of all
predictions and references in tokens. A p_n of 0 is smoothed (``smooth:exp``: 1/2, 1/4, ... matches).
"""

from qft.errors import QftError, nearest
from qft.evaluation.metrics.base import Score
from qft.evaluation.words import has_cjk

TOKENIZERS = ("auto", "zh", "13a", "char", "intl", "none")


def score(predictions: list[str], references: list[str], tokenize: str = "auto") -> list[Score]:
    """One Score, ``bleu4``. ``tokenize=auto``: zh where any reference holds a Chinese character, else 13a.

    ``per_sample`` is sacrebleu's sentence BLEU with ``effective_order`` (only the n-gram lengths a short text
    has), else short answers would all be 0: so its mean is not ``value``, whose signature says ``eff:no``.
    """
    from sacrebleu.metrics import BLEU

    if tokenize not in TOKENIZERS:
        raise QftError(f"metric.tokenize={tokenize} is unknown.{nearest(tokenize, TOKENIZERS)}")
    if tokenize == "auto":
        tokenize = "zh" if has_cjk(references) else "13a"
    corpus = BLEU(tokenize=tokenize, force=True)  # force: no warning about texts that look tokenized already
    sentence = BLEU(tokenize=tokenize, force=True, effective_order=True)
    value = corpus.corpus_score(predictions, [references]).score
    each = [sentence.sentence_score(p, [r]).score for p, r in zip(predictions, references, strict=True)]
    # exp(log) lands at 100.00000000000004 for equal texts.
    return [Score("bleu4", min(value, 100.0), str(corpus.get_signature()), True, [min(s, 100.0) for s in each])]
