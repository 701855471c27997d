"""Where a key goes and what costs money count only where the user says so now: not from files, perhaps a stranger's."""

from collections.abc import Collection, Iterable
from typing import Any

from qft.config import EvalConfig, TrainConfig
from qft.errors import QftError

_SAID_NOW = {"url": None, "plain_http": False, "moved": False}  # options of backends, and what they are unsaid


PAID = ("qcloud",)  # backends whose circuits cost money


def check(config: Any, args: Iterable[str], given: Collection[str]) -> None:
    """Refuse a backend that costs money, or its address, where ./configs chooses it and not the user.

    Args:
        config: A command's typed config.
        args: The words that the user gave.
        given: The keys that the user gave.

    Raises:
        QftError: With what to write if it is meant.
    """
    options = vars(config).get("backend")
    if not isinstance(options, dict):
        return
    chosen = {v.strip("'\" ") for a in args if a.startswith("backend=") for v in a.partition("=")[2].split(",")}
    name = options.get("name")
    if isinstance(config, (TrainConfig, EvalConfig)) and name in PAID and name not in chosen:
        raise QftError(
            f"backend={name} comes from a file of ./configs, and its jobs may cost money: write backend={name} on the "
            "command line if you mean it."
        )
    for key, unsaid in _SAID_NOW.items():
        value = options.get(key, unsaid)
        if value != unsaid and f"backend.{key}" not in given:
            raise QftError(
                f"backend.{key}={value} comes from a file of ./configs, and a key is sent only where you say now: "
                f"repeat backend.{key}=VALUE on the command line if it is right."
            )
