"""Checks the words of a command line before Hydra sees them, so that a wrong one is refused at once in one sentence."""

import unicodedata
from collections.abc import Iterable

from qft.errors import QftError, first_line, nearest
from qft.names import shortened, visible

LONGEST = 20_000  # characters of one word; a list of a wide circuit's angles is some thousand
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
    if len(word) > LONGEST:
        raise QftError(f"'{_shown(word)}' has {len(word):,} characters; an option has {LONGEST:,} at most.")
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
