"""In short: what a reader should know first, a sentence each."""

from qft.reports.analysis import claims, contribution, facts, noise, same_size
from qft.reports.analysis.analysis import Analysis
from qft.reports.analysis.divergence import diverged, without_loss
from qft.reports.document import Section

FAMILIES = (
    "The demo's test answers come from a few families of sentences and sums: an interval over samples holds for other "
    "answers of these families, and is narrower than one for other families would be."
)


def sections(analysis: Analysis) -> list[Section]:
    """What is said, and what cannot be said from these cells."""
    return [Section("In short", notes=_sentences(analysis))]


def _sentences(analysis: Analysis) -> list[str]:
    sweep = analysis.sweep
    trained = facts.trained(sweep)
    caution = facts.caution(sweep)
    lines = [caution] if caution else []
    lines += claims.summary(analysis.claims) or ["No published claim about LoRA can be checked against these runs."]
    lines += same_size.summary(sweep, analysis.same_size, analysis.main)
    lines += noise.summary(sweep)
    if analysis.answers:
        lines.append(f"What the circuit contributes: {contribution.headline(analysis.answers)}")
    if sweep.left_out:
        rows = "; ".join(f"{row.label} on {row.data}" for row in sweep.left_out)
        lines.append(f"Left out, because no setting is within the budget: {rows}.")
    if len({c.seed for c in trained}) == 1:
        lines.append("One seed: the intervals cover other test samples, not other initial weights or orders.")
    if any(c.data.startswith("demo") for c in trained):
        lines.append(FAMILIES)
    if worse := diverged(sweep):
        lines.append(f"Validation loss above the untuned base's: {'; '.join(worse)}. The means include these runs.")
    if gone := without_loss(sweep):
        lines.append(f"Diverged without a result, and left out of the means: {', '.join(gone)}.")
    if absent := [f"{count} {state}" for state, count in facts.counts(sweep).items() if state != "done" and count]:
        lines.append(f"Not all planned runs are finished: {', '.join(absent)}. They are shown as such.")
    return lines
