"""One exception for everything a user can fix. The command line prints it and exits with 2."""

import difflib
from collections.abc import Iterable


class QftError(Exception):
    """A problem the user can fix. The message is one or two sentences: what is wrong, what to do."""


class Diverged(QftError):
    """The loss is not a finite number: the run has ended without a result, and repeating it would end the same way."""


def first_line(error: BaseException) -> str:
    """The first line of an error's text that is not blank; the name of its type where there is none."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__).strip()


def nearest(word: str, choices: Iterable[str]) -> str:
    """`` Did you mean 'x'? Choices: x, y.``, to end an error message with."""
    choices = sorted(str(c) for c in choices)
    close = difflib.get_close_matches(str(word), choices, n=1, cutoff=0.6)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    listed = ", ".join(choices) if choices else "none"
    return f"{hint} Choices: {listed}."
