"""What a config may have built. A config that was stored or found is a stranger's: data, not instructions.

A ``_target_`` within the packages of its family is taken from any config. Any other counts only where the user has
named it in this very command (``extend``, called by whoever reads the command line), and is not even imported else.
"""

import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from qft.errors import QftError, nearest

PACKAGES = {"adapter": ("qft.adapters", "peft"), "data": ("qft.data.datasets",)}  # what any config may name


@dataclass(frozen=True)
class Family:
    """A kind of thing that configs name: ``what`` it is, and the group of configs it is named in.

    ``fits`` says of what was imported whether it is of this kind.
    """

    what: str
    group: str
    fits: Callable[[Any], bool]


@dataclass(frozen=True)
class Given:
    """What the user has given in this command: targets outside the families' packages, and a base's own code.

    ``command``: the command itself, as a record shows it.
    """

    targets: frozenset[str] = frozenset()
    remote_code: bool = False
    command: str = ""


_NOTHING = Given()
_GIVEN: ContextVar[Given] = ContextVar("given", default=_NOTHING)


@contextmanager
def command(given: Given = _NOTHING) -> Iterator[None]:
    """One command of the user: nothing of an earlier one is trusted in it, nothing of it is trusted later.

    Args:
        given: What is known of it from the start: its words, and in another process what was given in the first.
    """
    token = _GIVEN.set(given)
    try:
        yield
    finally:
        _GIVEN.reset(token)


def given() -> Given:
    """What the user has given in this command so far."""
    return _GIVEN.get()


def extend(targets: Iterable[str] = (), remote_code: bool = False) -> None:
    """Note what the user has given, on the command line or by ``trust_configs=true`` there."""
    before = _GIVEN.get()
    _GIVEN.set(replace(before, targets=before.targets | set(targets), remote_code=before.remote_code or remote_code))


def ours(group: str, target: Any) -> bool:
    """Whether a target lies within the packages of its group."""
    return isinstance(target, str) and any(target.startswith(f"{package}.") for package in PACKAGES[group])


def find(family: Family, target: Any) -> Any:
    """The class or function a ``_target_`` names.

    Raises QftError, before anything is imported, where it lies elsewhere and the user has not named it; and where it
    does not exist or is nothing of this family.
    """
    if not isinstance(target, str) or not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", target, re.ASCII):
        raise QftError(f"{family.group}._target_={str(target)[:80]!r} is not a name such as package.module.Name.")
    if not ours(family.group, target) and target not in given().targets:
        raise QftError(
            f"{family.group}._target_={target} lies outside {' and '.join(PACKAGES[family.group])}, no stored config "
            f"may not name it; if you trust it, say so each time: {family.group}._target_={target}."
        )
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:  # a module of a user's own may fail in any way
        raise QftError(f"{family.group}._target_={target} cannot be loaded: {error}.") from error
    if not family.fits(found):
        raise QftError(f"{family.group}._target_={target} is not {family.what}.")
    return found


def build(family: Family, spec: Mapping[str, Any], leave_out: tuple[str, ...] = (), **extra: Any) -> Any:
    """Call what ``spec["_target_"]`` names with the other keys of the spec, less those in ``leave_out``.

    Raises QftError for a target that may not be named or is nothing of the family, and for options it does not take.
    """
    target = find(family, spec["_target_"])
    options = {k: v for k, v in spec.items() if k not in ("_target_", "name", *leave_out)} | extra
    parameters = inspect.signature(target).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if not takes_all and (unknown := next((key for key in options if key not in parameters), None)):
        raise QftError(f"{target.__name__} has no option '{unknown}'.{nearest(unknown, parameters)}")
    required = (k for k, p in parameters.items() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD)
    if missing := next((key for key in required if key not in options), None):
        raise QftError(f"{family.group}.{missing} is required by {target.__name__}.")
    return target(**options)
