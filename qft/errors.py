"""One exception for everything a user can put right; the command line prints it and exits with 2."""

import difflib
from collections.abc import Iterable


class QftError(Exception):
    """A problem the user can act on. The message is one sentence or two: what is wrong, what to do."""


class Diverged(QftError):
    """A loss that is no number: the run has ended without a result, and the same again would end so too."""


def nearest(word: str, choices: Iterable[str]) -> str:
    """Return `` did you mean 'x'? `` plus the list of choices, ready to end an error message."""
    choices = sorted(str(c) for c in choices)
    close = difflib.get_close_matches(str(word), choices, n=1, cutoff=0.6)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    listed = ", ".join(choices) if choices else "none"
    return f"{hint} Choices: {listed}."
