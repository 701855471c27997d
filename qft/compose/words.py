"""What the user gives, before Hydra sees it: words of a command line, and values of a call from Python.

A word that is wrong is refused at once, in one sentence. Values are put into a composed config as they are, without
Hydra's grammar.
"""

import os
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from numbers import Integral, Real
from typing import Any

from omegaconf import DictConfig, OmegaConf

from qft.errors import QftError, first_line, nearest
from qft.names import shortened, visible
from qft.records import Plain

LONGEST_WORD = 20_000  # characters of one word; a list of a wide circuit's angles is some thousand
ADDABLE = ("adapter", "backend", "data", "metric", "names", "paths", "slurm")  # plug-ins judge their own keys
CFG = ("job", "hydra", "all")
INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
ALONE = ("-m", "--multirun", "--resolve")
# flag -> its values; None: any
VALUED = {
    **dict.fromkeys(("--cfg", "-c"), CFG),
    **dict.fromkeys(("--info", "-i"), INFO),
    **dict.fromkeys(("--package", "-p", "--shell-completion", "-sc"), None),
}
OPEN = ("metric", "names", "paths", "slurm")  # keys under which any other may be given
DEEPEST = 20  # mappings and lists within each other
LONGEST_KEY = 200  # characters of a key in messages


def keys(args: Iterable[str]) -> set[str]:
    """The keys of overrides, as they are written."""
    return {a.partition("=")[0].lstrip("+~").replace("/", ".") for a in args if not a.startswith("-")}


def check(args: Iterable[str]) -> None:
    """Raise QftError for the first word that is neither ``key=value`` nor a flag of ours."""
    words = iter(args)
    for word in words:
        if not word.startswith("-"):
            _check_override(word)
            continue
        flag, equals, value = word.partition("=")
        if flag in VALUED:
            value = value if equals else next(words, "")
            choices = VALUED[flag]
            if choices and value not in choices:
                raise QftError(f"{flag} {_shown(value)} does not exist.{nearest(value, choices)}")
        elif word not in ALONE:
            following = next(words, "VALUE")
            key = flag.lstrip("-") or "key"
            raise QftError(
                f"There is no flag '{_shown(flag)}'. Options are written without dashes: "
                f"{_shown(key)}={_shown(value or following)}."
            )


def _check_override(word: str) -> None:
    if bad := next((c for c in word if unicodedata.category(c) in ("Cc", "Cs")), None):
        raise QftError(f"'{_shown(word)}' holds the character U+{ord(bad):04X}, which no option can.")
    if len(word) > LONGEST_WORD:
        raise QftError(f"'{_shown(word)}' has {len(word):,} characters; an option has {LONGEST_WORD:,} at most.")
    if word.startswith("~"):
        raise QftError(f"'{_shown(word)}': options cannot be taken away; give another value, such as KEY=null.")
    key, equals, _ = word.partition("=")
    if not equals:
        raise QftError(f"'{_shown(word)}' is not an option. Options are written key=value.")
    name = key.lstrip("+")
    if not name or "@" in name or name != name.strip():
        raise QftError(f"There is no key '{_shown(name)}'. Options are written key=value.")
    if key != name and name.partition(".")[0] not in ADDABLE:
        raise QftError(f"There is no key '{_shown(name)}' to add; + adds keys of {', '.join(ADDABLE)} only.")
    if "hydra" in re.split(r"[./:]", name):  # its launchers, callbacks and logging factories are not used
        raise QftError(f"There is no key '{_shown(name)}': options of Hydra itself are not options of qft.")
    _parse(word)


def _parse(word: str) -> None:
    """Let Hydra's own grammar read the word."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        override = OverridesParser.create().parse_overrides([word])[0]
        override.value()
    except RecursionError:
        raise QftError(f"'{_shown(word)}' is nested too deeply to be read.") from None
    except (HydraException, ValueError) as error:
        raise QftError(
            f"'{_shown(word)}' cannot be read ({_shown(first_line(error))}). Overrides are written key=value; "
            "quote special characters."
        ) from None


def _shown(word: str) -> str:
    return visible(shortened(word))


def words_as(key: str, args: list[str], several: bool = False) -> list[str]:
    """The words without ``=`` as ``key='WORD'``, or with ``several`` as ``key=['A','B']``; the others stay.

    ``qft eval DIR`` is ``qft eval run=DIR``. The word after a flag that takes one stays with it.
    """
    words = [a for before, a in zip(["", *args], args) if "=" not in a and a[:1] not in "-~" and before not in VALUED]
    if not words:
        return args
    if len(words) > 1 and not several:
        raise QftError(f"One {key} at a time: {_shown(words[0])} or {_shown(words[1])}?")
    if given := next((a for a in args if a.startswith(f"{key}=")), None):
        raise QftError(f"{_shown(words[0])} and {_shown(given)}: give one of them.")
    value = f"[{','.join(map(quoted, words))}]" if several else quoted(words[0])
    return [*(a for a in args if a not in words), f"{key}={value}"]


def quoted(text: str) -> str:
    """A text as a value of an override: no character in it has a meaning."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def split_values(options: Mapping[str, Any], groups: Collection[str]) -> tuple[list[str], Plain]:
    """The choices among the options as words, and the other values, their keys as they were given.

    ``{"adapter": "lora", "trainer": {"lr": 0.1}}`` -> ``(["adapter=lora"], {"trainer": {"lr": 0.1}})``

    Args:
        options: Values by key; nested mappings are nested keys.
        groups: The names of the groups of configs.

    Raises:
        QftError: For a value that no yaml could hold, and for a group that is given neither a name nor options.
    """
    choices: list[str] = []
    assigned: Plain = {}
    for key, value in options.items():
        group = key.replace(".", "/")
        if group not in groups or isinstance(value, Mapping):
            assigned[key] = _plain(key, value)
        elif isinstance(value, str) and re.fullmatch(r"[\w-]+", value):
            choices.append(f"{group}={value}")
        else:
            raise QftError(f"{key}={shortened(str(value))!r} is not a name of one of its choices, nor a mapping.")
    return choices, assigned


def keys_of_values(assigned: Mapping[str, Any]) -> set[str]:
    """The full keys of values, mappings and what is in them: ``trainer.lr``."""
    full = set(assigned)
    for key, value in assigned.items():
        if isinstance(value, Mapping):
            full |= {f"{key}.{name}" for name in keys_of_values(value)}
    return full


def assign(composed: DictConfig, assigned: Mapping[str, Any]) -> None:
    """Put values into a composed config; a key that is not there is an error of OmegaConf's.

    A mapping goes into the mapping that is there, key by key, and takes the place of anything else.
    """
    library = "adapter.type" in keys_of_values(assigned)
    if library or OmegaConf.select(composed, "adapter.type", throw_on_missing=False) is not None:
        _put(composed, assigned, (*OPEN, "adapter"))
    else:
        _put(composed, assigned, OPEN)


def _put(composed: DictConfig, assigned: Mapping[str, Any], open_keys: tuple[str, ...]) -> None:
    for key, value in assigned.items():
        _check_key(key)
        present = OmegaConf.select(composed, key, throw_on_missing=False)
        if isinstance(value, Mapping) and isinstance(present, DictConfig):
            _put(composed, {f"{key}.{name}": inner for name, inner in value.items()}, open_keys)
        else:
            OmegaConf.update(composed, key, value, merge=False, force_add=key.partition(".")[0] in open_keys)


def _check_key(key: str) -> None:
    if not re.fullmatch(r"[^.\[\]]+(\.[^.\[\]]+)*", key):
        raise QftError(f"There is no key '{visible(shortened(key))}'. Nested keys are written group.key.")


def _plain(key: str, value: Any, depth: int = 0) -> Any:
    """The value as yaml has it: paths as texts, sequences as lists, and no text an interpolation."""
    if depth > DEEPEST:
        raise QftError(f"{key} is nested too deeply, or holds itself.")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Integral):  # numpy's, too
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, str | os.PathLike):
        # OmegaConf reads ${...} in a text; a backslash before it says that it is meant as it stands
        return re.sub(r"(\\*)\$\{", lambda m: 2 * m[1] + r"\${", str(os.fspath(value)))
    if isinstance(value, list | tuple | range):
        return [_plain(key, item, depth + 1) for item in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(f"{key}.{name}"[:LONGEST_KEY], item, depth + 1) for name, item in value.items()}
    raise QftError(f"{key}: a {type(value).__name__} cannot be an option; give numbers, texts, lists or mappings.")
