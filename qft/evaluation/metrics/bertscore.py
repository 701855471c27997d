"""BERTScore F1 (Zhang et al. 2020), by bert-score: each token is matched with the most similar one of the other text::

    P = mean over prediction tokens of max cos(x, y),   R = the same over reference tokens,   F1 = 2 P R / (P + R)

x, y: contextual embeddings of a BERT's hidden layer. No idf weights, no rescaling with a baseline, so values of
different models cannot be compared; the signature names the model. Averaged over samples, times 100.
"""

import importlib.util
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from qft.errors import QftError, first_line
from qft.evaluation.metrics.base import Measure, Pair, Score, mean
from qft.ranges import Range, check_one

F1 = Measure("bertscore_f1", "BERTScore F1", packages=("bert-score",), published="bertscore_f1")
MEASURES = (F1,)


def check(model: str | None = None, layer: int | None = None, batch_size: int = 32) -> None:
    """Raise QftError for options that nothing can be scored with, and where the package bert-score is missing."""
    for name, value in (("layer", 1 if layer is None else layer), ("batch_size", batch_size)):
        check_one(f"metric.bertscore.{name}", value, Range(at_least=1), whole=True)
    if model is None:
        return
    if not isinstance(model, str) or not model:
        raise QftError(f"metric.bertscore.model={model} must be a model directory or the id of one.")
    if not Path(model).is_dir() and (model.startswith((".", "/", "~")) or model.count("/") > 1):
        raise QftError(f"metric.bertscore.model={model} is not an existing model directory.")
    if importlib.util.find_spec("bert_score") is None:
        raise QftError("evaluation.metrics=[bertscore] needs the extra: pip install 'qft[bertscore]'.")


def score(
    pairs: Sequence[Pair], model: str | None = None, layer: int | None = None, batch_size: int = 32
) -> list[Score]:
    """One Score, ``bertscore_f1``; without a model at hand its value is None and the signature says why.

    A pair with an empty side gives 0; a negative F1 (only a random model has one) counts as 0. Raises QftError
    where the package bert-score is missing or ``model`` is a path that does not exist.
    """
    check(model, layer, batch_size)
    if model is None:
        return [_skipped("no model: name one with metric.bertscore.model=DIR", len(pairs))]
    from bert_score import BERTScorer

    try:
        scorer: Any = BERTScorer(model_type=model, num_layers=_layer(model, layer), batch_size=batch_size)
    except (OSError, ValueError) as error:
        if Path(model).is_dir():
            raise QftError(f"metric.bertscore.model={model} cannot be loaded: {first_line(error)}") from error
        return [_skipped(f"model {model} is not at hand and cannot be fetched", len(pairs))]
    except AssertionError as error:
        raise QftError(f"metric.bertscore.layer={layer} does not fit: {error}.") from error
    longest = scorer._model.config.max_position_embeddings
    scorer._tokenizer.model_max_length = min(scorer._tokenizer.model_max_length, longest)
    both = [k for k, p in enumerate(pairs) if p.prediction.strip() and p.reference.strip()]
    each = [0.0] * len(pairs)
    if both:
        texts = [pairs[k].prediction for k in both], [pairs[k].reference for k in both]
        _, _, f1_scores = scorer.score(*texts, batch_size=batch_size)
        for k, f1 in zip(both, f1_scores.tolist(), strict=True):
            each[k] = min(max(100.0 * f1, 0.0), 100.0)
    signature = f"bert-score-{version('bert-score')}|model:{model}|layer:{scorer.num_layers}|idf:no|rescaled:no"
    return [Score(F1, mean(each), signature, each)]


def _layer(model: str, layer: int | None) -> int:
    from bert_score.utils import model2layers
    from transformers import AutoConfig

    return layer or model2layers.get(model) or AutoConfig.from_pretrained(model).num_hidden_layers


def _skipped(why: str, pairs: int) -> Score:
    return Score(F1, None, f"left out: {why}", [None] * pairs)
