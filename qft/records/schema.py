"""Dataclasses to JSON and back, strictly: an unknown key, a missing one or a wrong type is one sentence.

    @dataclass
    class Choice:
        label: str
        lr: float
        edge: bool = False

    from_json(Choice, {"label": "LoRA", "lr": "fast"})   # Misfit: 'lr' is "fast", not a number

Types understood: str, int, float, bool, None, Any, Literal, unions of them, list[X], dict[str, X], tuple[X, Y] and
dataclasses. An int stands where a float is wanted, as JSON has it; a bool is no number.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from qft.errors import nearest
from qft.names import shortened, visible

T = TypeVar("T")
Plain = dict[str, Any]  # a JSON object whose keys only its writer knows: a config, what a plug-in says of itself
WORDS: Mapping[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    NoneType: "null",
    list: "a list",
    tuple: "a list",
    dict: "a mapping",
}


class Misfit(ValueError):
    """Content that is not of its dataclass; the message names key and reason, and whoever knows the file adds it.

    ``hint`` is a sentence for who wrote the key by hand: "Did you mean 'label'?".
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Newer(Misfit):
    """Content of a schema that this version does not know."""


class Document:
    """A file of ours: its content states a schema number. A subclass is a dataclass."""

    SCHEMA: ClassVar[int] = 1
    FILE: ClassVar[str] = ""  # the name it has in its directory
    ADVICE: ClassVar[str] = "run again with overwrite=true"  # for a damaged one

    @classmethod
    def migrated(cls, content: Plain, schema: int) -> Plain:
        """Content of an earlier schema as this one has it."""
        return content


def absent(default: Any = None) -> Any:
    """A field that the file leaves out where nothing is known of it."""
    return field(default=default, metadata={"absent": True})


def rest() -> Any:
    """A field of a dataclass for the keys that none of its others has: what plug-ins say of themselves."""
    return field(default_factory=dict, metadata={"rest": True})


def to_json(value: Any) -> Any:
    """A dataclass, or containers of them, as JSON content: keys in the order of the fields, the schema first."""
    if isinstance(value, Mapping):
        return {key: to_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(inner) for inner in value]
    if not is_dataclass(value):
        return value
    out: Plain = {"schema": value.SCHEMA} if isinstance(value, Document) else {}
    for each in fields(value):
        inner = getattr(value, each.name)
        if each.metadata.get("rest"):
            out |= to_json(inner)
        elif not (each.metadata.get("absent") and inner is None):
            out[each.name] = to_json(inner)
    return out


def from_json(kind: type[T], content: Any, key: str = "") -> T:
    """JSON content as ``kind``. Raises Misfit; ``key`` names where in its file the content stands."""
    out: T = _value(kind, content, key)
    return out


@cache
def _as_they_are(kind: Any) -> frozenset[type]:
    """The types whose values are of this kind without a further look; empty where there are none.

    A file of scores has millions of numbers: what is not found here takes the slow way, which says what is wrong.
    """
    if get_origin(kind) in (Union, UnionType):
        return frozenset[type]().union(*map(_as_they_are, get_args(kind)))
    if kind is float:
        return frozenset((float, int))
    return frozenset((kind,)) if kind in (str, int, bool, NoneType) else frozenset()


def _value(kind: Any, content: Any, key: str) -> Any:
    if type(content) in _as_they_are(kind):
        return content
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return content
    if origin in (Union, UnionType):
        return _one_of(inner, content, key)
    if origin is Literal:
        if content not in inner:
            raise Misfit(f"{_at(key)} is {_shown(content)}", nearest(str(content), inner))
        return content
    if is_dataclass(kind):
        return _dataclass(kind, content, key)
    keys = content if origin is dict and isinstance(content, Mapping) else ()
    if other := next((_shown(name) for name in keys if not isinstance(name, str)), None):
        raise Misfit(f"{_at(key)} has the key {other}, which is no text", f' Write it in quotes: "{other}".')
    if not _is(origin or kind, content):
        raise Misfit(f"{_at(key)} is {_shown(content)}, not {_word(kind)}")
    if origin is list:
        known = _as_they_are(inner[0])
        return [e if type(e) in known else _value(inner[0], e, f"{key}[{k}]") for k, e in enumerate(content)]
    if origin is dict:
        known = _as_they_are(inner[1])
        return {n: e if type(e) in known else _value(inner[1], e, _join(key, n)) for n, e in content.items()}
    if origin is tuple:
        if len(content) != len(inner):
            raise Misfit(f"{_at(key)} holds {len(content)} values, not {len(inner)}")
        return tuple(_value(each, value, f"{key}[{k}]") for k, (each, value) in enumerate(zip(inner, content)))
    return content


def _is(kind: Any, content: Any) -> bool:
    if kind is float:
        return isinstance(content, (int, float)) and not isinstance(content, bool)
    if kind is int:
        return isinstance(content, int) and not isinstance(content, bool)
    if kind in (list, tuple):
        return isinstance(content, (list, tuple))
    if kind is dict:
        return isinstance(content, Mapping) and all(isinstance(name, str) for name in content)
    return isinstance(content, kind)


def _one_of(kinds: tuple[Any, ...], content: Any, key: str) -> Any:
    if content is None and NoneType in kinds:
        return None
    others = [kind for kind in kinds if kind is not NoneType]
    if len(others) == 1:  # its own complaint says more than "none of them"
        return _value(others[0], content, key)
    for kind in others:
        try:
            return _value(kind, content, key)
        except Misfit:
            continue
    raise Misfit(f"{_at(key)} is {_shown(content)}, not {' or '.join(map(_word, kinds))}")


def _dataclass(kind: Any, content: Any, key: str) -> Any:
    if not isinstance(content, Mapping):
        raise Misfit(f"{_at(key)} is {_shown(content)}, not a mapping")
    content = dict(content)
    if issubclass(kind, Document):
        content = _of_schema(kind, content, key)
    shape = _shape(kind)
    unknown = {name: value for name, value in content.items() if name not in shape.hints}
    if unknown and shape.rest is None:
        name = next(iter(unknown))
        raise Misfit(f"there is no key '{visible(shortened(_join(key, name)))}'", nearest(str(name), shape.hints))
    if missing := next((name for name in shape.required if name not in content), None):
        raise Misfit(f"'{_join(key, missing)}' is missing (there is: {', '.join(map(str, content)) or 'nothing'})")
    given = {n: _value(hint, content[n], _join(key, n)) for n, hint in shape.hints.items() if n in content}
    return kind(**given, **({shape.rest: unknown} if shape.rest else {}))


def _of_schema(kind: type[Document], content: Plain, key: str) -> Plain:
    schema = content.pop("schema", 1)  # files of early versions do not say it
    if not _is(int, schema):
        raise Misfit(f"'{_join(key, 'schema')}' is {_shown(schema)}, not a whole number")
    if schema > kind.SCHEMA:
        raise Newer(f"it was written by a newer qft (schema {schema}); update qft to read it")
    return kind.migrated(content, schema)


@dataclass(frozen=True)
class _Shape:
    """What a dataclass holds.

    Attributes:
        hints: Field -> its type, in their order.
        required: The fields without a default.
        rest: The field for all other keys; None where it has none.
    """

    hints: Plain
    required: tuple[str, ...]
    rest: str | None


@cache
def _shape(kind: type) -> _Shape:
    hints, known = get_type_hints(kind), fields(kind)
    rest = next((each.name for each in known if each.metadata.get("rest")), None)
    named = [each for each in known if each.name != rest]
    required = tuple(e.name for e in named if e.default is MISSING and e.default_factory is MISSING)
    return _Shape({each.name: hints[each.name] for each in named}, required, rest)


def _join(key: str, name: Any) -> str:
    return f"{key}.{name}" if key else str(name)


def _at(key: str) -> str:
    return f"'{visible(shortened(key))}'" if key else "it"


def _shown(content: Any) -> str:
    return visible(shortened(json.dumps(content, ensure_ascii=False, default=str)))


def _word(kind: Any) -> str:
    return WORDS.get(get_origin(kind) or kind) or "a mapping"
