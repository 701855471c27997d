"""A backend that costs money, and the address its key is sent to, are taken from the user's words, never from files."""

from collections.abc import Collection, Iterable
from typing import Any

from qft.config import EvalConfig, TrainConfig
from qft.errors import QftError

# options of backends that only the user may set -> their values when nobody sets them
_USERS_OPTIONS = {"url": None, "plain_http": False, "moved": False}
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
    for key, default in _USERS_OPTIONS.items():
        value = options.get(key, default)
        if value != default and f"backend.{key}" not in given:
            raise QftError(
                f"backend.{key}={value} comes from a file of ./configs, and your key is sent only where you say: "
                f"repeat backend.{key}=VALUE on the command line if it is right."
            )
