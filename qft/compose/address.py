"""Where a key goes and what costs money count only where the user says so now: not from files, perhaps a stranger's."""

from typing import Any

from qft.config import EvalConfig, TrainConfig
from qft.errors import QftError

_SAID_NOW = {"url": None, "plain_http": False, "moved": False}  # options of backends, and what they are unsaid


PAID = ("qcloud",)  # backends whose circuits cost money


def given(args: list[str]) -> set[str]:
    """The keys of overrides, as written on the command line."""
    return {a.partition("=")[0].lstrip("+~") for a in args}


def check(config: Any, args: list[str]) -> None:
    """Raise QftError where ./configs, and not the command line, chooses a backend that costs money or its address."""
    backend = getattr(config, "backend", None)
    options: dict[str, Any] = backend if isinstance(backend, dict) else {}
    chosen = {v.strip("'\" ") for a in args if a.startswith("backend=") for v in a.partition("=")[2].split(",")}
    name = options.get("name")
    if isinstance(config, (TrainConfig, EvalConfig)) and name in PAID and name not in chosen:
        raise QftError(
            f"backend={name} comes from a file of ./configs, and its jobs may cost money: write backend={name} on the "
            "command line if you mean it."
        )
    for key, unsaid in _SAID_NOW.items():
        value = options.get(key, unsaid)
        if value != unsaid and f"backend.{key}" not in given(args):
            raise QftError(
                f"backend.{key}={value} comes from a file of ./configs, and a key is sent only where you say now: "
                f"repeat backend.{key}=VALUE on the command line if it is right."
            )
