"""What decides where a key goes counts only where the user says it now: not from files, which may be a stranger's."""

from typing import Any

from qft.errors import QftError

_SAID_NOW = {"url": None, "plain_http": False, "moved": False}  # options of backends, and what they are unsaid


def given(args: list[str]) -> set[str]:
    """The keys of overrides, as written on the command line."""
    return {a.partition("=")[0].lstrip("+~") for a in args}


def check(config: Any, args: list[str]) -> None:
    """Raise QftError where ./configs, and not the command line, says where the key goes."""
    backend = getattr(config, "backend", None)
    options: dict[str, Any] = backend if isinstance(backend, dict) else {}
    for key, unsaid in _SAID_NOW.items():
        value = options.get(key, unsaid)
        if value != unsaid and f"backend.{key}" not in given(args):
            raise QftError(
                f"backend.{key}={value} comes from a file of ./configs, and a key is sent only where you say now: "
                f"repeat backend.{key}=VALUE on the command line if it is right."
            )
