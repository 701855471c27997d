"""The contract of a metric: a module of this folder with ``score``, plus one yaml in configs/metric.

``score(predictions, references, **own options) -> list[Score]`` compares two lists of texts pair by pair.
They are equally long and not empty (``qft.evaluation.score.score_all`` sees to it); any text may be "".
A real score::

    Score("bleu4", 21.3, "nrefs:1|case:mixed|eff:no|tok:zh|smooth:exp|version:2.6.0", True, [18.9, 30.2])
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """``value`` and ``per_sample`` (one per pair, in order) are 0-100; ``signature`` says how they were made."""

    name: str
    value: float
    signature: str
    higher_is_better: bool
    per_sample: list[float]
