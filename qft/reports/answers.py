"""A few answers of several runs to the same questions, beside the reference."""

import re
from collections.abc import Mapping, Sequence

from qft.names import visible
from qft.records import Prediction, ScoreRow
from qft.reports.document import Answered
from qft.reports.sweep import Sample

LONGEST = 1500  # characters of a text; the rest is left out, with its length
_TOKEN = re.compile(r"<\|[^|<>\n]{1,40}\|>|</?s>|\[/?INST\]")


def side_by_side(
    predictions: Mapping[str, Sequence[Prediction]],
    scores: Mapping[str, Mapping[Sample, float]],
    measure: str,
    count: int,
    where: str = "",
) -> list[Answered]:
    """Questions that every run answered, with what each said.

    They are spread over how well the first run did: its best, its worst, and what lies evenly between; the first ones
    of the set where nothing was scored.

    Args:
        predictions: name of a run -> its answers.
        scores: name of a run -> sample -> the score named ``measure``.
        measure: words for the score; empty where there is none.
        count: how many questions.
        where: what stands before each question's number.
    """
    if not predictions:
        return []
    by_row = {row: {(p.id, str(p.turn)): p for p in rows} for row, rows in predictions.items()}
    first = next(iter(by_row))
    common = [s for s in by_row[first] if all(s in rows for rows in by_row.values())]
    ranked = sorted(common, key=lambda s: -scores.get(first, {}).get(s, 0.0)) if scores.get(first) else common
    out = []
    for sample in _spread(ranked, count):
        asked = by_row[first][sample]
        judged = {row: of[sample] for row, of in scores.items() if sample in of}
        words = {row: f"{measure} {value:.0f}" for row, value in judged.items()} if measure else {}
        answers = {row: shortened(rows[sample].prediction) for row, rows in by_row.items()}
        title = f"{where}sample {visible(asked.id)}" + (f", turn {asked.turn}" if asked.turn else "")
        out.append(
            Answered(title, shortened(plain(asked.prompt), tail=True), shortened(asked.reference), answers, words)
        )
    return out


def score_of(rows: Sequence[ScoreRow], name: str) -> dict[Sample, float]:
    """One score of each answer."""
    return {(r.id, str(r.turn)): float(v) for r in rows if (v := r.scores.get(name)) is not None}


def plain(prompt: str) -> str:
    """A prompt as people read it: without the marks of its chat template."""
    lines = (line.strip() for line in _TOKEN.sub("\n", prompt).splitlines())
    return "\n".join(line for line in lines if line)


def shortened(text: str, tail: bool = False) -> str:
    """The text, or its beginning; ``tail``: its end, where the question stands."""
    text = visible(text.strip(), keep="\n\t")
    if len(text) <= LONGEST:
        return text
    more = f"[{len(text) - LONGEST:,} characters more]"
    return f"{more} {text[-LONGEST:]}" if tail else f"{text[:LONGEST]} {more}"


def _spread(ranked: Sequence[Sample], count: int) -> list[Sample]:
    """``count`` of them at even distances, the first and the last among them."""
    if len(ranked) <= count:
        return list(ranked)
    return [ranked[round(k * (len(ranked) - 1) / max(count - 1, 1))] for k in range(count)]
