"""Calls from Python: the config is composed from overrides and values, and the caller's process is left as it was."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qft import trust
from qft.compose.typed import compose
from qft.errors import QftError
from qft.names import shortened
from qft.progress import borrow_logging
from qft.records import RunDirectory
from qft.runs.run import Run


def call(
    command: str,
    schema: Callable[[], Any],
    recipe: Callable[[Any], RunDirectory],
    overrides: Sequence[str],
    options: Mapping[str, Any],
    shown: str,
) -> Run:
    """Compose the config of a command and hand it to its recipe.

    Args:
        command: ``configs/COMMAND.yaml`` is composed.
        schema: The dataclass of its config.
        recipe: The function of ``qft.runs``.
        overrides: As on the command line.
        options: Values by key.
        shown: The call as the record shows it.

    Returns:
        The run that the recipe leaves.

    Raises:
        QftError: For what cannot be meant, and for what the recipe refuses.
    """
    _check_words(overrides)
    with trust.command(trust.Given(command=shown)):
        config = compose(command, schema, overrides, options)
        with borrow_logging(config.verbose):
            return Run(recipe(config).path)


def _check_words(overrides: Sequence[Any]) -> None:
    for word in overrides:
        if not isinstance(word, str):
            raise QftError(f"{shortened(repr(word))} is no option; give texts such as 'adapter=lora', or n=300.")
        if word.startswith("-"):
            raise QftError(f"{shortened(word)} is for the command line; from Python give options only.")


def show_call(name: str, *positional: Any, **options: Any) -> str:
    """``train("adapter=lora", n=300)`` as text."""
    words = [repr(value) for value in positional]
    return f"qft.{name}({', '.join([*words, *(f'{key}={value!r}' for key, value in options.items())])})"
