"""Whether two written answers are the same quantity: ``equal("\\\\frac{1}{2}", "50\\\\%") -> True``.

Judged by math-verify, which is neither thread-safe nor always quick: so this file is also a program that answers
one question a line in a process of its own, and dies at its time limit (``qft.evaluation.judge`` starts it).
It therefore imports nothing of qft. What math-verify does not read is put right first: full-width characters,
separators of thousands, Chinese and English units, currency signs, the percent sign.
"""

import re

FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: " "}
_THOUSANDS = re.compile(r"(?<=\d)(?:,|\{,\}|\\,|\\!|[ \u00a0\u2009\u202f])+(?=\d{3}(?!\d))")
_MONEY = re.compile(r"\\?\$|[¥￥€£]")
_NUMBER = r"[-+]?(?:\d+(?:\.\d+)?(?:/\d+)?|\.\d+|\d*\\[dt]?frac\{[^{}]*\}\{[^{}]*\})"
_WORD = r"\\(?:text|textrm|mathrm|mbox|operatorname)\{([^{}]*)\}"
_UNIT = re.compile(
    rf"(?P<number>{_NUMBER})\s*(?P<unit>"
    # a Latin letter that follows at once is a variable: 3x, but 3 m and 3cm
    rf"(?:{_WORD}|\\?%|°|\^?\{{?\\circ\}}?|[\u3400-\u9fff/]+|(?:(?<=\s)[A-Za-z]|[A-Za-z]{{2}})[A-Za-z/\s]*)"
    r"(?:\^?\{?[23²³]\}?)?)"
)
_DECORATION = re.compile(r"\\(?:left|right|displaystyle|,|;|!|:|quad)(?![A-Za-z])|~")


def tidy(text: str) -> str:
    """One way of writing: ASCII digits and signs, no thousands separators, currency signs or closing full stop."""
    text = text.translate(FULL_WIDTH).strip()
    text = _MONEY.sub("", re.sub(r"^\\[(\[]|\\[)\]]$", "", text))
    if not text.startswith(("(", "[", "{", "\\{")):  # (1,234) is a pair
        text = _THOUSANDS.sub("", text)
    text = _DECORATION.sub("", text).replace("\u2212", "-")
    return text.strip().rstrip("。.,;!").strip()


def split_unit(text: str) -> tuple[str, str]:
    """A tidy text as number and unit: ``("12", "cm")``; the unit is "" where there is none, the whole the number."""
    match = _UNIT.fullmatch(text)
    if match is None:
        return text, ""
    return match["number"], re.sub(r"[\s\\{}^]", "", re.sub(_WORD, r"\1", match["unit"]))


def equal(target: str, candidate: str) -> bool:
    """Whether both state the same. A unit may be left out of one side, but two units must be the same.

    x % equals x / 100; as with any unit, the sign alone may be left out of one side.
    """
    target, candidate = tidy(target), tidy(candidate)
    if not target or not candidate:
        return False
    if target == candidate:
        return True
    (a, unit_a), (b, unit_b) = split_unit(target), split_unit(candidate)
    if unit_a and unit_b and sorted(unit_a) != sorted(unit_b):  # sorted: 2ab is no unit, and the same as 2ba
        return False
    if _same(target, candidate) or ((unit_a or unit_b) and _same(a, b)):
        return True
    if unit_a == "%" and not unit_b:
        return _same(f"({a})/100", b)
    return unit_b == "%" and not unit_a and _same(a, f"({b})/100")


def _same(target: str, candidate: str) -> bool:
    from math_verify import parse, verify

    # no time limit of its own: it would need this process's signal handler
    sides = [parse(f"\\boxed{{{text}}}", parsing_timeout=None) for text in (target, candidate)]
    return bool(verify(*sides, timeout_seconds=None))


def serve() -> None:
    """Answer lines ``{"target", "candidate", "seconds"}`` with ``true`` or ``false``; die where time runs out."""
    import contextlib
    import json
    import logging
    import resource
    import signal
    import sys

    logging.disable()
    with contextlib.suppress(ValueError, OSError):  # a tower of powers must not take the machine's memory
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's end of the pipe closes, that is enough
    _same("1", "1")  # what is imported on first use does not count against the limit
    print("ready", flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, question["seconds"])  # SIGALRM ends the process, whatever it does
        try:
            same = equal(question["target"], question["candidate"])
        except (Exception, RecursionError, MemoryError):
            same = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(json.dumps(same), flush=True)


if __name__ == "__main__":
    serve()
