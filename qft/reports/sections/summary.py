"""In short: what a reader should know first, a sentence each."""

from qft.reports.analysis import claims, contribution, facts, noise, same_size
from qft.reports.analysis.analysis import Analysis
from qft.reports.analysis.divergence import diverged, without_loss
from qft.reports.document import Section

FAMILIES = (
    "The demo's samples come from a few families of sentences and sums: verdicts are for these families, and others "
    "may differ."
)
TRAINING_SAMPLES = (
    "A verdict is for these training samples, which no run varies, and for other seeds and other items of this kind. "
    "Rows of fewer than 5 seeds get none (docs/statistics.md)."
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
    if analysis.lora or analysis.controls:
        lines.append(TRAINING_SAMPLES)
    if sweep.final() and not any(c.heldout for c in sweep.final()):
        lines.append("No run has held-out samples: losses are shown without a verdict.")
    if any(c.data.startswith("demo") for c in trained):
        lines.append(FAMILIES)
    lines += facts.near_duplicates(sweep)
    if worse := diverged(sweep):
        lines.append(f"Validation loss above the untuned base's: {'; '.join(worse)}. The means include these runs.")
    if gone := without_loss(sweep):
        lines.append(f"Diverged without a result, and left out of the means: {', '.join(gone)}.")
    if absent := [f"{count} {state}" for state, count in facts.counts(sweep).items() if state != "done" and count]:
        lines.append(f"Not all planned runs are finished: {', '.join(absent)}. They are shown as such.")
    return lines
