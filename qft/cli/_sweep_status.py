"""``qft sweep status NAME``: a bar, what runs, what failed, and when it will be done."""

from pathlib import Path

from qft.cli._output import drawable, show
from qft.names import visible
from qft.records import to_json
from qft.sweeps.estimate import in_words
from qft.sweeps.status import Status, percent, status

WIDTH = 40  # of the bar
FAILURES = 10  # that are shown


def show_status(directory: Path, form: str) -> None:
    """Read and print. Raises QftError where it is no sweep."""
    found = status(directory)
    if form == "json":
        show(form, to_json(found) | {"percent": percent(found.counts)}, "", [], [])
        return
    done = found.counts.get("done", 0)
    print(f"  {bar(done / max(1, found.total), WIDTH)} {done} of {found.total} cells, {percent(found.counts):.0f} %")
    others = [f"{count} {visible(state)}" for state, count in found.counts.items() if state != "done"]
    print(f"  {visible(found.directory)}: {', '.join(others) or 'all done'}; {_when(found)}")
    if found.running:
        rows = [[r.name, f"{bar(r.share, 16)} {r.words}", in_words(r.seconds)] for r in found.running]
        show("table", None, "", ["running", "so far", "for"], rows)
    if found.problems:
        rows = [[name, error] for name, error in list(found.problems.items())[:FAILURES]]
        more = len(found.problems) - len(rows)
        show("table", None, "", ["without a result", "why"], [*rows, *([["", f"and {more} more"]] if more else [])])


def bar(share: float, width: int) -> str:
    """A bar of so many characters, filled to a share from 0 to 1."""
    full = round(min(max(share, 0.0), 1.0) * width)
    return drawable("█" * full + "░" * (width - full), "#" * full + "." * (width - full))


def _when(found: Status) -> str:
    if found.seconds == 0:
        return "nothing is left to run"
    left = "no time is known yet" if found.seconds is None else f"about {in_words(found.seconds)} left"
    guess = " (a guess, as long as nothing has answered)" if found.guessed and found.seconds is not None else ""
    at_a_time = f"{left} with {found.workers} at a time"
    return f"{at_a_time}{guess}" if found.alive else f"no process runs it; {at_a_time} once one does{guess}"
