"""The value that an answer without a box states: ``stated("6 * 7 = 42. So 40 are left, not 42.") -> ["40"]``.

It is the last value of the final answer clause. Going back from the end, the first clause that states a value decides:
what follows its last ``=``, else its last value that is not a circumstance ("after 5 days", "because ..."). Values that
are denied ("not 42", "42 is wrong") or questioned ("is it 42?", "if it were ...") are not stated, nor are bounds ("more
than 42"). A value that is denied or questioned after it was stated is withdrawn. "The answer is 42" and "#### 42" stay
valid when an explanation follows. Several values together ("3 or 4", "3 apples and 4 pears") are no answer.
docs/metrics.md has examples.
"""

import re

from qft.evaluation.answers.equality import at_once, tidy
from qft.evaluation.answers.values import ATOM, TERMS, VALUE, readable, restored

TAIL = 4_000  # characters at the end that are searched for the answer
AROUND = 100  # characters on both sides of a value that tell whether it is stated
MANY = 30  # values of one clause that are considered

_SENTENCE = re.compile(r"(?<=\?)|(?<=\.)(?=\s|$)|(?<![\d!])!+(?=\s|$)|[。\n;]+")
_CLAUSE = re.compile(
    r",(?!\d{3}(?!\d))|:(?!\d)|(?<!anything )\bbut\b|\b(?:so|therefore|thus|hence|then|which)\b|"
    r"而是|所以|因此|因而|(?<!不)应该是"
)
_CUE = re.compile(r"\banswer\s*(?:is\b|would be|will be|[:=])|答案|^\s*答|最终结果", re.I)
_MARK = re.compile(rf"####\s*({ATOM})[^\S\n]*\S{{0,12}}[^\S\n]*$", re.M)
_ANEW = re.compile(
    r"\b(?:wait|actually|no,|correction|sorry|mistake|rather|instead|so|therefore|thus|hence)\b|"
    r"更正|不对|等等|其实|所以|因此|应该",
    re.I,
)
_TAKEN_BACK = re.compile(
    r"\b(?:that|this|it)(?:['’]s| is| was) "
    r"(?:wrong|incorrect|false|a mistake|not (?:right|correct|true|it|the answer))|^\W*不对|错了",
    re.I,
)
_QUESTIONED = re.compile(
    r"\b(?:whether|wonder|unclear)\b|\bif (?:it|he|she|they|there) were\b|是否|是不是|会不会|难道|不知道", re.I
)
_REASON = re.compile(
    r"\b(?:because|since|if|as long as|given that|assuming|compared)\b|"
    r"^\s*(?:as (?:he|she|it|they|there)|who)\b|因为|如果",
    re.I,
)
# what denies a value, and what may come between the two: no other verb that states it
_BETWEEN = r"(?:(?!\b(?:is|are|was|were|equals|makes?|gives?|leaves?|total)\b|[=是为等]).){0,40}$"
_DENIED = re.compile(
    r"(?:\b(?:not|never|cannot|neither|nor|no longer|hardly|rather than|instead of|anything but|nobody|wrong to|"
    rf"other than|opposed to|unlike)\b|n['’]t\b){_BETWEEN}|"
    r"(?:(?:n['’]t|\bnot)\s(?:think|believe|say|mean|true|right|correct|the case)|"
    r"\b(?:some|many|people|others)\s(?:\w+\s)?(?:say|think|guess))\b.{0,40}$|"
    r"(?:不是|并非|不等于|不应该?是|而非|没有|不会是?|不可能是?|≠)(?:(?![=是为]).){0,8}$",
    re.I,
)
_DENIED_AFTER = re.compile(
    r"\W{0,3}(?:(?:is|was|would be)\s"
    r"(?:wrong|incorrect|false|impossible|too \w+|not (?:the|right|correct|true|it|possible))|"
    r"(?:isn|wasn)['’]t (?:the|right|correct|true|it)|[个元岁]?(?:不是|不对|是错|错了|并非))",
    re.I,
)
_BOUND = re.compile(
    r"(?<!\bno )(?<!\bnot )(?:\b(?:more|less|fewer|greater|higher|lower|larger|smaller|older|longer) than|"
    r"\b(?:over|above|below|under|exceeds?)|[<>≤≥]|超过|不到|大于|小于|多于|少于|不足)\s*$",
    re.I,
)
_CIRCUMSTANCE = re.compile(
    r"\b(?:after|in|for|within|per|during|every|each of|out of|of the|end of|discount of|including|excluding|on|with|"
    r"by|from|until|between|among|than|step|day|part|case|year)\s+"
    r"(?:(?:the|his|her|their|its|all|these|those|next|first|last|only|another|other|a|an|each|buying|using)\s+){0,2}$|"
    r"第$",
    re.I,
)
_PURPOSE = re.compile(
    r"(?<!need)(?<!needs)(?<!needed)(?<!has)(?<!have)(?<!had)(?<!able)(?<!going)(?<!got)(?<!want)(?<!wants)"
    r" to [a-z]+ (?:(?:the|his|her|their|its|all|these|those|another) )?$"
)
_MORE_THAN = re.compile(
    rf"\s*(?:is|are|was|were)\s+{VALUE}\s+(?:\w+\s+)?(?:more|less|fewer|times|older|younger|longer|shorter|higher|lower)\b",
    re.I,
)
_AT = re.compile(rf"({ATOM})\s+(?:at|when|for)\s+(?:[A-Za-z]\s?)?=\s?{ATOM}")  # 5 at x = 2
_UNIT = re.compile(
    r"\s?(?:[万亿]|thousand|(?:m|b|tr)illion|"
    r"mm|cm|dm|km|m|kg|mg|g|ml|l|毫米|厘米|千米|公里|米|毫克|千克|公斤|克|毫升|升)(?![A-Za-z'])"
)
_OPPOSITE = {"yes": "no", "no": "yes", "true": "false", "false": "true", "是": "否", "否": "是", "对": "错", "错": "对"}
_CHOICE = (
    r"(?:(?i:\b(?:answer|option|choice))|选项?|答案)(?:\s*(?:是|为|is|选|:))*\s*\(?([A-Z])(?![A-Za-z])|"
    r"\(([A-Z])\)|^\W*([A-Z])\W*$"
)


def stated(text: str) -> list[str]:
    """The value that the text states as its answer, in a list; empty where it states none.

    Several values are one text with all of them.
    """
    formulas: list[str] = []
    text = readable(text[-TAIL:], formulas)
    if marked := _MARK.findall(text):
        return [restored(marked[-1], formulas)]
    sentences = [s for s in _SENTENCE.split(text) if s.strip()]
    given_back: list[str] = []
    for sentence in _order(sentences):
        if _TAKEN_BACK.search(sentence) and not re.search(ATOM, sentence):
            return []
        value, refused = _read(sentence)
        given_back += refused
        if value is not None:
            return [] if any(at_once(value, other) for other in given_back) else [restored(value, formulas)]
    return []


def says(text: str, word: str) -> bool:
    """Whether the text states ``word`` as its answer: a choice (B), yes or no, a name (Monday)."""
    word = tidy(word)
    other = _OPPOSITE.get(word.casefold(), word)
    if re.fullmatch(r"[A-Z]", word):  # a choice; the letter alone may be an article or a variable
        pattern = _CHOICE
    elif re.fullmatch("[是否对错]", word):
        pattern = rf"^\W*(?:答案)?[是为:]*\s*({word}|{other})的?\W*$"
    else:
        pattern = rf"(?<![A-Za-z])({re.escape(word)}|{re.escape(other)})(?![A-Za-z])"
    for sentence in reversed(_SENTENCE.split(readable(text[-TAIL:], []))):
        stated_words: list[str] = []
        denied = False
        for clause in _CLAUSE.split(sentence):
            for match in re.finditer(pattern, clause, 0 if len(word) == 1 else re.I):
                if _DENIED.search(clause[: match.start()]) or _DENIED_AFTER.match(clause, match.end()):
                    denied = True
                else:
                    stated_words.append(next(g for g in match.groups() if g))
        if stated_words or denied:
            return bool(stated_words) and not _question(sentence) and stated_words[0].casefold() == word.casefold()
    return False


def _order(sentences: list[str]) -> list[str]:
    """Sentences in the order in which they decide: from the last, but one that names the answer before explanations."""
    order = sentences[::-1]
    for k, sentence in enumerate(order):
        if _CUE.search(sentence) and _read(sentence)[0] is not None:
            after = order[:k]
            if any(_ANEW.search(s) or _TAKEN_BACK.search(s) for s in after):
                break
            explained = [value for s in after for value in _read(s)[1]]
            return [" ".join(f"not {value}," for value in explained), *order[k:]]
    return order


def _read(sentence: str) -> tuple[str | None, list[str]]:
    """What a sentence states, None where nothing, and the values it denies or questions."""
    outside = re.sub(r"\([^()]{0,300}\)", " ", sentence)
    if re.search(ATOM, outside):
        sentence = outside
    sentence = _AT.sub(r"\1", sentence)
    if _question(sentence):
        return None, re.findall(ATOM, sentence)
    head, _, tail = sentence.rpartition(":")
    if not re.search(r"=|^\d", tail) and len(re.findall(ATOM, tail)) > 1 and _clause(head)[1]:
        sentence = head  # 40 pens: 5 boxes with 8 pens each
    refused: list[str] = []
    spare: str | None = None
    for clause in reversed(_CLAUSE.split(sentence)):
        value, certain, denied = _clause(clause)
        refused += denied
        if value is not None and certain:
            return value, refused
        spare = spare or value
    return spare, refused


def _question(sentence: str) -> bool:
    return sentence.rstrip(" \"'”").endswith(("?", "吗", "呢"))


def _clause(clause: str) -> tuple[str | None, bool, list[str]]:
    """The value of one clause, whether it is more than a circumstance, and the values denied or questioned in it."""
    if _QUESTIONED.search(clause):
        return None, False, re.findall(ATOM, clause)
    leading = False
    if reason := _REASON.search(clause):
        if re.search(ATOM, clause[: reason.start()]):
            clause = clause[: reason.start()]
        elif not clause[: reason.start()].strip(" \n,(") and (reason.group().lower() != "if" or "=" in clause):
            leading = True
        elif not clause[: reason.start()].strip(" \n,("):
            return None, False, []
    if _MORE_THAN.match(clause):
        return None, False, []
    start = clause.rfind("=") + 1
    terms = list(TERMS.finditer(clause, start)) or list(TERMS.finditer(clause))
    terms = terms[:MANY] if start else terms[-MANY:]
    denied: list[str] = []
    plain: list[str] = []
    spare: list[str] = []
    purpose: list[str] = []
    for match in terms:
        before = clause[max(match.start() - AROUND, 0) : match.start()]
        after = clause[match.end() : match.end() + AROUND]
        if re.search(r"[\^A-WYZa-wyz]$", before):
            continue  # cm^2, A4
        if (
            _DENIED.search(before)
            or (_DENIED_AFTER.match(after) and match is terms[-1])
            or _BOUND.search(before)
            or re.match(r"\s*[<>≤≥]", after)
        ):
            denied.append(match.group())
        elif start == 0 and (_CIRCUMSTANCE.search(before) or re.match(r"-[A-Za-z]|\s?折", after)):
            spare.append(match.group())
        elif start == 0 and _PURPOSE.search(before):
            purpose.append(match.group())
        else:
            unit = _UNIT.match(after)
            plain.append(match.group() + (unit.group() if unit else ""))
    if start and plain and terms[0].start() >= start:
        return plain[0], not leading, denied
    last = (plain or purpose or spare)[-1:]
    return (last[0] if last else None), bool(plain or purpose) and not leading, denied
