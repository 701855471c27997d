"""Values in running text: ``values("6 of 1,200") -> ["1,200", "6"]``."""

import re

from qft.evaluation.answers.equality import FULL_WIDTH

_NUMBER = r"(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d{1,3}(?: \d{3})+(?![\d/]|-[A-Za-z])|\d+)(?:\.\d+)?|\.\d+)"
# a sign (no minus between two terms), a currency; a time, mixed number, fraction, power of ten or factorial; percent
VALUE = (
    r"(?>(?:(?<![\w)}!%])[-+−])?(?:\\?[$¥￥€£]\s?-?)?(?<!\d)"
    rf"(?:\d+:\d+(?!\d)|\d+ \d+/\d+|\d*\\[dt]?frac\s?\{{[^{{}}]*\}}\{{[^{{}}]*\}}"
    rf"|{_NUMBER}(?:[eE][-+]?\d{{1,3}}(?!\w)|/{_NUMBER}|!+)?)(?:\s?\\?%)?)"
)
_FORMULA = re.compile(
    r"\$\$(.{1,300}?)\$\$|\\\((.{1,300}?)\\\)|\\\[(.{1,300}?)\\\]|(?<!\\)\$(?!\s)([^$\n]{1,300}?)(?<![\s\\])\$(?!\d)",
    re.S,
)
_EXCLAIMED = re.compile(rf"(?<![\w.,])(\\?[$¥￥€£]?{_NUMBER})!+(?=\s*$|\s+\w)", re.M)
PLACEHOLDER = r"\ue000\d+\ue001"  # stands for a formula or for several values
ATOM = rf"(?:{PLACEHOLDER}|{VALUE})"
TERMS = re.compile(rf"{ATOM}(?:\s*(?:[-+*/×÷^−–]|x(?=[\s\d]))\s*{ATOM})*")
_UNITED = r"(?:\s?(?:hours?|hrs?|h|min(?:ute)?s?|feet|ft|pounds?|lbs?|小时|时|分钟?|元|角|米|公斤)\s?)"
_WORDS = r"(?:[ -]?[A-Za-z']+|[\u3400-\u9fff]){0,3}?"
_SEVERAL = re.compile(
    rf"{VALUE}(?:(?:,\s?{VALUE}){{1,9}},?\s?(?:and|or|&)\s{VALUE}"
    rf"|(?:[,、]\s?{VALUE}){{0,9}}{_WORDS}\s?(?:\b(?:and|or|to)\b\s|[和或与到至、~～])\s?{VALUE}"
    rf"|\s?[-–~～]\s?{VALUE}(?!\s?[-+*/×÷^=(])|{_UNITED}{VALUE})"
    rf"|\b[a-z]\s?=\s?{VALUE}(?:,| and|, and) [a-z]\s?=\s?{VALUE}"
)


def values(text: str) -> list[str]:
    """Every value in a text, the last first: numbers, and the results of formulas."""
    text = text.replace("！", "。").translate(FULL_WIDTH)
    numbers = [match.group().strip() for match in re.finditer(VALUE, text)]
    results = [_side(next(g for g in match.groups() if g)) for match in _FORMULA.finditer(text)]
    return [*numbers, *results][::-1]


def readable(text: str, formulas: list[str]) -> str:
    """The text without full-width signs, Markdown, tags and LaTeX.

    Formulas that are not plain values, and several values listed together, are moved to ``formulas`` and replaced by
    placeholders. What looks like the factorial of more than 20 at the end of a sentence is a number with an
    exclamation mark.
    """

    def hold(value: str) -> str:
        formulas.append(value)
        return f"\ue000{len(formulas) - 1}\ue001"

    def formula(match: re.Match[str]) -> str:
        whole = next(g for g in match.groups() if g)
        side = _side(whole)
        if re.search(r"[A-Za-z]{3,} [A-Za-z]{2,}", re.sub(r"\\[A-Za-z]+(?:\{[^{}]*\})?", "", whole)):
            return match.group()  # two currency signs with words between them
        if re.fullmatch(rf"{VALUE}(?:\s?\\?text\{{[^{{}}]*\}}|\s?[A-Za-z]+)?", side):
            return f" = {side} " if side != whole.strip() else f" {side} "
        return f" = {hold(side)} " if side != whole.strip() else f" {hold(side)} "

    text = re.sub("[\ue000\ue001]", "", text).replace("！", "。").translate(FULL_WIDTH)
    text = re.sub(r"\*\*+|__+|`", "", text)
    text = _EXCLAIMED.sub(lambda m: m.group() if re.fullmatch(r"\d|1\d|20", m[1]) else f"{m[1]}.", text)
    text = re.sub(r"(?m)^\s*(?:[-*•>]\s+|\d{1,2}[.)、](?=\s|\D))", "", text)
    text = re.sub(r"</?[A-Za-z]+>", " ", _FORMULA.sub(formula, text))
    text = re.sub(r"\\(?:text|textbf|mathrm|mathbf|mbox)\s?\{([^{}]*)\}", r" \1 ", text)
    for written, plain in (
        (r"\\times|\\cdot", "×"),
        (r"\\approx|≈", "="),
        (r"\\neq?(?![a-z])|≠", " not "),
        (r"\\[,;!]", ""),
    ):
        text = re.sub(written, plain, text)
    text = re.sub(r"(?<=\d)\s?(?:percent|per cent)\b", "%", text)
    text = re.sub(r"百分之(\d+(?:\.\d+)?)", r"\1%", text)
    return _SEVERAL.sub(lambda m: hold(", ".join(v.rstrip("%\\ ") for v in re.findall(VALUE, m.group()))), text)


def _side(formula: str) -> str:
    """The result of a formula: its last side, without decoration."""
    formula = re.sub(r"\\(?:text|textbf|mathrm|mathbf|mbox)\s?\{([^{}]*)\}", r" \1", formula)
    plain = re.sub(r"\\(?:left|right|displaystyle|[,;!])(?![A-Za-z])", "", formula)
    return re.split(r"=|\\approx|≈", plain)[-1].strip()


def restored(value: str, formulas: list[str]) -> str:
    """The value with its placeholders replaced by what ``readable`` moved to ``formulas``."""
    return re.sub(PLACEHOLDER, lambda m: formulas[int(m.group()[1:-1])], value).strip()
