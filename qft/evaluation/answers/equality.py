"""Whether two written answers are the same quantity: ``equal("\\\\frac{1}{2}", "50\\\\%") -> True``.

Two plain numbers are compared exactly, except that a decimal of six places or more matches every number less than one
unit of its last place away: 0.33333333 is 1/3. Two words are compared as words. The rest is judged by
math-verify (numbers there to six places), which is neither thread-safe nor always quick: so this file is also a
program that answers one question a line in a process of its own, and dies at its time limit (``judge.py`` starts it).
It therefore imports nothing of qft. What math-verify does not read is put right first: full-width
characters, separators of thousands, Chinese and English units, currency signs, percent, powers of ten, "million".
"""

import re
from collections.abc import Callable
from fractions import Fraction

FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: " "}
MEMORY = 2 << 30  # bytes of address space for the program
_THOUSANDS = re.compile(r"(?<=\d)(?:,|\{,\}|\\,|\\!|[ \u00a0\u2009\u202f])+(?=\d{3}(?!\d))")
_MONEY = re.compile(r"\\?\$|[¥￥€£]")
_NUMBER = r"[-+]?(?:\d+(?:\.\d+)?(?:/\d+)?|\.\d+|\d*\\[dt]?frac\{[^{}]*\}\{[^{}]*\})"
_WORD = r"\\(?:text|textrm|textbf|mathrm|mathbf|mbox|operatorname)\{([^{}]*)\}"
_UNIT = re.compile(
    rf"(?P<number>{_NUMBER})\s*(?P<unit>"
    # a Latin letter that follows at once is a variable: 3x, but 3 m and 3cm
    rf"(?:{_WORD}|\\?%|°|\^?\{{?\\circ\}}?|[\u3400-\u9fff][\u3400-\u9fff/]*|(?:(?<=\s)[A-Za-z]|[A-Za-z]{{2}})[A-Za-z/\s]*)"
    r"(?:\^?\{?[23²³]\}?)?)"
)
_DECORATION = re.compile(r"\\(?:left|right|displaystyle|,|;|!|:|quad)(?![A-Za-z])|~")
_POWER = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)[eE]([-+]?\d{1,3})(?![\w.])")  # 1.2e3
_DECIMAL = r"(?:\d+(?:\.\d*)?|\.\d+)"
_PLAIN = re.compile(
    rf"(?P<sign>[-+]?)(?:(?P<whole>\d+)(?: (?=\d+/)|(?=\\)))?(?:"
    rf"\(?(?P<top>{_DECIMAL})\)?(?:\\times ?10\^\{{(?P<power>[-+]?\d{{1,3}})\}})?(?:/(?P<bottom>{_DECIMAL}))?"
    rf"|\\[dt]?frac ?(?:\{{(?P<above>{_DECIMAL})\}}|(?P<one>\d)) ?(?:\{{(?P<below>{_DECIMAL})\}}|(?P<two>\d)))"
)
_SCALES = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12, "万": 4, "亿": 8}
_SCALED = re.compile(
    rf"([-+]?\d{{1,15}}(?:\.\d{{1,15}})?)\s*(?:\\text\{{\s*)?({'|'.join(_SCALES)})(?![A-Za-z])([^{{}}]*)\}}?"
)
_LETTERS = re.compile(r"[^\W\d_]{3,}(?: [^\W\d_]+)*|[\u3400-\u9fff]+")


def tidy(text: str) -> str:
    """The text in one notation: ASCII, without thousands separators, currency signs or a full stop at the end."""
    text = text.replace("！", "。").translate(FULL_WIDTH).strip()
    text = _MONEY.sub("", re.sub(r"^\\[(\[]|\\[)\]]$", "", text))
    if re.fullmatch(rf"\s*{_WORD}\s*", text):  # \text{42 apples}
        text = re.sub(_WORD, r"\1", text)
    if not text.startswith(("(", "[", "{", "\\{")):  # (1,234) is a pair
        text = _THOUSANDS.sub("", text)
    text = _POWER.sub(r"\1\\times10^{\2}", _DECORATION.sub("", text).replace("\u2212", "-"))
    text = text.strip().rstrip("。.,;").strip()
    return re.sub(r"(?<=[^\W\d_]{2})!+$", "", text)  # Yes! is a word, 5! and n! are factorials


def split_unit(text: str) -> tuple[str, str]:
    """A tidy text as number and unit: ``("12", "cm")``; without a unit ``(text, "")``."""
    match = _UNIT.fullmatch(text)
    if match is None:
        return text, ""
    return match["number"], re.sub(r"[\s\\{}^]", "", re.sub(_WORD, r"\1", match["unit"]))


def equal(target: str, candidate: str) -> bool:
    """Whether both state the same quantity. One side may leave out the unit, but two units must be the same.

    x % equals x / 100 and x million equals 1000000 x; one side may leave out the sign or word, like any unit.
    """
    known = at_once(target, candidate)
    return _by_units(tidy(target), tidy(candidate), _same) is True if known is None else known


def at_once(target: str, candidate: str) -> bool | None:
    """``equal`` where that takes no mathematics (the same notation, plain numbers, words); None elsewhere."""
    target, candidate = tidy(target), tidy(candidate)
    if not target or not candidate:
        return False
    if target.casefold() == candidate.casefold():
        return True
    if _LETTERS.fullmatch(target) and _LETTERS.fullmatch(candidate):
        return False  # math-verify reads a word as the product of its letters
    return _by_units(target, candidate, _plainly)


def _by_units(target: str, candidate: str, same: Callable[[str, str], bool | None]) -> bool | None:
    """Compare with and without their units; ``same`` compares two texts. None where it gives no answer."""
    written_out = _written_out(target), _written_out(candidate)
    if written_out != (target, candidate) and _by_units(*written_out, same):
        return True
    (a, unit_a), (b, unit_b) = split_unit(target), split_unit(candidate)
    if unit_a and unit_b and sorted(unit_a) != sorted(unit_b):  # sorted: 2ab is no unit, and the same as 2ba
        return False
    verdicts = [same(target, candidate)]
    if unit_a or unit_b:
        verdicts.append(same(a, b))
    if unit_a == "%" and not unit_b:
        verdicts.append(same(f"({a})/100", b))
    if unit_b == "%" and not unit_a:
        verdicts.append(same(a, f"({b})/100"))
    return True if True in verdicts else None if None in verdicts else False


def _written_out(text: str) -> str:
    """``1.5 million dollars`` as ``1500000 dollars``; any other text as it is."""
    if (match := _SCALED.fullmatch(text)) is None:
        return text
    amount, scale, unit = match.groups()
    return f"{Fraction(amount) * 10 ** _SCALES[scale]} {unit.strip()}".strip()


def _plainly(target: str, candidate: str) -> bool | None:
    if (a := number(target)) is None or (b := number(candidate)) is None:
        return None
    places = [p for _, p in (a, b) if p >= 6]
    return a[0] == b[0] or bool(places and abs(a[0] - b[0]) < Fraction(1, 10 ** min(places)))


def number(text: str) -> tuple[Fraction, int] | None:
    """The value of a tidy text that is a plain number, and its decimal places (0 for a fraction); else None."""
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    top = match["top"] or match["above"] or match["one"]
    bottom = match["bottom"] or match["below"] or match["two"] or "1"
    if not Fraction(bottom) or (match["whole"] and match["power"]):
        return None
    value = Fraction(top) * Fraction(10) ** int(match["power"] or 0) / Fraction(bottom) + int(match["whole"] or 0)
    places = len(top.partition(".")[2]) if bottom == "1" and not match["power"] else 0
    return (-value if match["sign"] == "-" else value), places


def _same(target: str, candidate: str) -> bool | None:
    if (known := _plainly(target, candidate)) is not None:
        return known
    from math_verify import parse, verify

    # without math-verify's time limit, which needs this process's signal handler
    sides = [parse(f"\\boxed{{{text}}}", parsing_timeout=None) for text in (target, candidate)]
    return bool(verify(*sides, timeout_seconds=None))


def serve() -> None:
    """Answer lines ``{"target", "candidate", "seconds"}`` with ``{"same", "seconds"}``; die when the time runs out.

    Seconds are CPU seconds. ``same`` is null where memory ran out.
    """
    import contextlib
    import json
    import logging
    import os
    import resource
    import signal
    import sys
    import time

    logging.disable()
    with contextlib.suppress(ValueError, OSError):  # a tower of powers must not take the machine's memory
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's end of the pipe closes, that is enough
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    _same("\\sqrt{1}", "\\frac{x}{x}")  # what is imported on first use does not count against the limit
    print("ready", flush=True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # nobody reads it from here on
    for line in sys.stdin:
        question = json.loads(line)
        began, same = time.process_time(), None
        signal.setitimer(signal.ITIMER_PROF, question["seconds"])  # SIGPROF ends the process, whatever it does
        try:
            same = equal(question["target"], question["candidate"])
        except MemoryError:
            same = None
        except Exception:  # what math-verify cannot read is no answer
            same = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps({"same": same, "seconds": time.process_time() - began}), flush=True)


if __name__ == "__main__":
    serve()
