"""What a config may build. A config that was stored or downloaded is data from a stranger, not instructions.

A ``_target_`` within the packages of its family is accepted from any config. Any other is accepted only if the user
named it in this very command (``extend``, called by whoever reads the command line); otherwise it is not even imported.
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
    """A kind of thing that configs name.

    Attributes:
        what: What it is, for messages: "a dataset: a function that ...".
        group: The group of configs it is named in.
        fits: Whether an imported object is of this kind.
    """

    what: str
    group: str
    fits: Callable[[Any], bool]


@dataclass(frozen=True)
class Given:
    """What the user trusts in this command.

    Attributes:
        targets: Targets outside the packages of their families.
        remote_code: Whether code that comes with a base model may run.
        command: The command itself, as a record shows it.
    """

    targets: frozenset[str] = frozenset()
    remote_code: bool = False
    command: str = ""


_NOTHING = Given()
_GIVEN: ContextVar[Given] = ContextVar("given", default=_NOTHING)


@contextmanager
def command(given: Given = _NOTHING) -> Iterator[None]:
    """The span of one command: nothing that was trusted before is trusted in it, and nothing of it afterwards.

    Args:
        given: What is known from the start: the command itself, and in another process what was trusted in the first.
    """
    token = _GIVEN.set(given)
    try:
        yield
    finally:
        _GIVEN.reset(token)


def given() -> Given:
    """What the user has trusted in this command so far."""
    return _GIVEN.get()


def extend(targets: Iterable[str] = (), remote_code: bool = False) -> None:
    """Trust what the user named on the command line, or covered there by ``trust_configs=true``."""
    before = _GIVEN.get()
    _GIVEN.set(replace(before, targets=before.targets | set(targets), remote_code=before.remote_code or remote_code))


def ours(group: str, target: Any) -> bool:
    """Whether a target lies within the packages of its group."""
    return isinstance(target, str) and any(target.startswith(f"{package}.") for package in PACKAGES[group])


def find(family: Family, target: Any) -> Any:
    """The class or function a ``_target_`` names.

    Raises:
        QftError: It is outside the packages of the family and the user has not named it (nothing is imported then);
            or it does not exist, or is not of this family.
    """
    if not isinstance(target, str) or not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", target, re.ASCII):
        raise QftError(f"{family.group}._target_={str(target)[:80]!r} is not a name such as package.module.Name.")
    if not ours(family.group, target) and target not in given().targets:
        raise QftError(
            f"{family.group}._target_={target} is outside {' and '.join(PACKAGES[family.group])}; "
            f"if you trust it, say so each time: {family.group}._target_={target}."
        )
    module, _, name = target.rpartition(".")
    try:
        thing = getattr(importlib.import_module(module), name)
    except Exception as error:  # a user's module may fail in any way
        raise QftError(f"{family.group}._target_={target} cannot be loaded: {error}.") from error
    if not family.fits(thing):
        raise QftError(f"{family.group}._target_={target} is not {family.what}.")
    return thing


def build(family: Family, spec: Mapping[str, Any], leave_out: tuple[str, ...] = (), **extra: Any) -> Any:
    """Call what ``spec["_target_"]`` names.

    Args:
        family: What it must be.
        spec: Its yaml. All keys but ``_target_`` and ``name`` are options of the call.
        leave_out: Keys of the yaml that are not options either.
        extra: Further options.

    Raises:
        QftError: The target may not be named or is not of the family, or an option is unknown or missing.
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
