"""Messages -> tokens, through training templates of our own, one file a model family in ``templates/``.

The templates that come with the models are not used: they do not mark the assistant's tokens, drop the reasoning of
past turns, or begin the answer with ``<think>``. Ours mark each assistant turn, with its end token, for the loss and
keep its reasoning. Prompts for generation come from the same template, so training and evaluation agree.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from itertools import groupby
from typing import Any, NamedTuple

from qft.data.messages import Sample
from qft.errors import QftError, nearest

IGNORE = -100  # label of a token that does not count in the loss

# token of a family -> its template; the first that is in the vocabulary decides
_FAMILIES = (
    ("<｜User｜>", "deepseek_r1"),
    ("<|start_header_id|>", "llama3"),
    ("<|im_start|>", "chatml"),
)
_BEGINNINGS = ("A", "1", "我", "<think>\n")  # of answers, to test a template with


@dataclass(frozen=True)
class Template:
    """A training template: its name and its Jinja text with generation markers."""

    name: str
    text: str


@dataclass
class Encoded:
    """Tokens to train on.

    Attributes:
        rows: ``input_ids`` and ``labels`` of each sample, of equal length; IGNORE where a token is not learned.
        ids: The samples' ids, in the same order.
        counts: Samples, tokens, supervised_tokens; samples truncated, left_out and dropped for their length.
    """

    rows: list[dict[str, list[int]]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def names() -> list[str]:
    """Names of the templates in the package."""
    folder = resources.files("qft.data") / "templates"
    return sorted(f.name.removesuffix(".jinja") for f in folder.iterdir() if f.name.endswith(".jinja"))


def check_name(name: str) -> None:
    """Raise QftError unless ``name`` is auto or one of ``names()``."""
    if name not in ("auto", *names()):
        raise QftError(f"model.template={name} does not exist.{nearest(str(name), ['auto', *names()])}")


def check_turns(turns: str) -> None:
    """Raise QftError unless ``evaluation.turns`` is last or all."""
    if turns not in ("last", "all"):
        raise QftError(f"evaluation.turns={turns} does not exist.{nearest(turns, ['last', 'all'])}")


def choose(tokenizer: Any, name: str = "auto") -> Template:
    """The template for a tokenizer.

    Args:
        tokenizer: Its vocabulary says which family the model is of.
        name: One of ``names()``, or auto: that of the family, plain where the family is unknown.

    Raises:
        QftError: There is no such template, or it does not fit: this tokenizer joins the end of a prompt with the
            beginning of the answer, so that the model would be prompted with other tokens than it was trained on.
    """
    if name == "auto":
        vocabulary = tokenizer.get_vocab()
        name = next((t for token, t in _FAMILIES if token in vocabulary), "plain")
        if name == "chatml" and "You are a helpful assistant" in str(tokenizer.chat_template):
            name = "qwen2"
    check_name(name)
    if name == "plain" and tokenizer.eos_token is None:
        raise QftError("The tokenizer has no end-of-sequence token; choose model.template by name.")
    file = resources.files("qft.data") / "templates" / f"{name}.jinja"
    chosen = Template(name, file.read_text(encoding="utf-8").rstrip("\n"))
    if not _fits(tokenizer, chosen):
        others = ", ".join(n for n in names() if n != name)
        raise QftError(
            f"Template {name} does not fit this tokenizer, which splits the end of a prompt differently when an answer "
            f"follows; choose another by model.template ({others})."
        )
    return chosen


def _fits(tokenizer: Any, template: Template) -> bool:
    question = [{"role": "user", "content": "A"}]
    prompt = as_prompt(tokenizer, template, question)[1]
    whole = (
        tokenizer.apply_chat_template(
            [*question, {"role": "assistant", "content": beginning}], chat_template=template.text, return_dict=True
        )["input_ids"]
        for beginning in _BEGINNINGS
    )
    return all(ids[: len(prompt)] == prompt for ids in whole)


def as_prompt(tokenizer: Any, template: Template, chat: list[dict[str, str]]) -> tuple[str, list[int]]:
    """The text and the token ids of a conversation that the assistant is to continue.

    Args:
        tokenizer: The model's.
        template: As ``choose`` returns it.
        chat: The turns so far, each with ``role`` (system, user, assistant) and ``content``.
    """
    text = tokenizer.apply_chat_template(chat, chat_template=template.text, add_generation_prompt=True, tokenize=False)
    return text, tokenizer(text, add_special_tokens=False)["input_ids"]


def _chat(sample: Sample, upto: int | None = None) -> list[dict[str, str]]:
    """Answers are stripped: space around them would merge with the template's, and generated ones are stripped, too."""
    turns = sample.messages[:upto]
    return [{"role": m.role, "content": m.text if m.role == "user" else m.text.strip()} for m in turns]


def encode(
    samples: Sequence[Sample],
    tokenizer: Any,
    template: Template,
    max_len: int,
    overlong: str = "truncate",
    needed: bool = True,
) -> Encoded:
    """Tokenise for training: labels are the assistant's tokens, everything else is IGNORE.

    Args:
        samples: What to encode.
        tokenizer: The model's.
        template: As ``choose`` returns it.
        max_len: Tokens that a sample may have.
        overlong: What happens to longer ones: truncate cuts them at the end (and leaves out those whose answers all
            lie beyond the cut), drop leaves them out, error refuses them. The first two are counted.
        needed: Whether at least one sample must be left.

    Raises:
        QftError: A template without generation markers, a sample that is refused, or no sample is left.
    """
    out = Encoded(
        counts={"samples": 0, "tokens": 0, "supervised_tokens": 0, "truncated": 0, "left_out": 0, "dropped": 0}
    )
    for sample in samples:
        encoded = tokenizer.apply_chat_template(
            _chat(sample), chat_template=template.text, return_dict=True, return_assistant_tokens_mask=True
        )
        ids, mask = encoded["input_ids"], encoded["assistant_masks"]
        if not any(mask):
            raise QftError(f"{sample.id}: template '{template.name}' marks no assistant token; nothing to learn from.")
        if len(ids) > max_len:
            _refuse(overlong, f"{sample.id} has {len(ids)} tokens, more than max_seq_len={max_len}")
            if overlong == "drop":
                out.counts["dropped"] += 1
                continue
            out.counts["truncated"] += 1
            ids, mask = ids[:max_len], mask[:max_len]
            if not any(mask):
                out.counts["left_out"] += 1
                continue
        labels = [token if keep else IGNORE for token, keep in zip(ids, mask, strict=True)]
        out.rows.append({"input_ids": list(ids), "labels": labels})
        out.ids.append(sample.id)
        out.counts["tokens"] += len(ids)
        out.counts["supervised_tokens"] += sum(mask)
    out.counts["samples"] = len(out.rows)
    if needed and not out.rows:
        raise QftError(f"No sample has an assistant token within max_seq_len={max_len}; raise it.")
    return out


def _refuse(overlong: str, problem: str) -> None:
    if overlong == "error":
        raise QftError(f"{problem}; raise max_seq_len, or choose data.overlong=truncate or drop.")


class Span(NamedTuple):
    """Consecutive tokens of a row: their text, how many, and whether they are learned."""

    text: str
    tokens: int
    learned: bool


def spans(row: dict[str, list[int]], tokenizer: Any) -> list[Span]:
    """An encoded row as text, special tokens included, cut where the loss starts and stops counting."""
    out: list[Span] = []
    for learned, group in groupby(
        zip(row["input_ids"], row["labels"], strict=True), key=lambda pair: pair[1] != IGNORE
    ):
        ids = [token for token, _ in group]
        out.append(Span(tokenizer.decode(ids, skip_special_tokens=False), len(ids), learned))
    return out


def report(counts: Mapping[str, int], what: str, max_len: int) -> list[str]:
    """What did not fit, a sentence each: ``12 training samples cut to 1024 tokens``.

    ``counts`` are those of ``Encoded`` or ``prompts``, ``what`` names what was counted.
    """
    sentences = {
        "truncated": f"{what} cut to {max_len} tokens",
        "left_out": f"{what} left out: no token of an answer within {max_len}",
        "dropped": f"{what} longer than {max_len} tokens dropped",
    }
    return [f"{counts[key]} {text}" for key, text in sentences.items() if counts.get(key)]


@dataclass(frozen=True)
class Prompt:
    """One question to the model.

    Attributes:
        id: That of the sample.
        turn: Position in the sample of the turn to be answered.
        ids: Token ids of the prompt.
        text: The prompt before tokenisation (and before any truncation).
        reference: The answer in the data, with its reasoning.
        truncated: Whether ``ids`` lack the beginning of the prompt.
        answer: What the sample's last answer must state, where its source says so.
    """

    id: str
    turn: int
    ids: tuple[int, ...]
    text: str
    reference: str
    truncated: bool
    answer: str | None = None


def prompts(
    samples: Sequence[Sample],
    tokenizer: Any,
    template: Template,
    max_len: int,
    max_new_tokens: int,
    turns: str = "last",
    overlong: str = "truncate",
    counts: Counter[str] | None = None,
) -> list[Prompt]:
    """The prompts of an evaluation: each dialogue up to an assistant's turn.

    Args:
        samples: The test set.
        tokenizer: The model's.
        template: As ``choose`` returns it.
        max_len: Tokens that prompt and answer may have together.
        max_new_tokens: Tokens that are reserved for the answer.
        turns: last for the last assistant turn of each sample, all for every one.
        overlong: What happens to prompts that are too long: truncate cuts their beginning and marks them, drop leaves
            them out, error refuses them.
        counts: Receives how many prompts there are, and how many were truncated and dropped.

    Raises:
        QftError: ``turns`` is unknown, a prompt is refused, or there is no room for any prompt.
    """
    check_turns(turns)
    room = max_len - max_new_tokens
    if room < 1:
        raise QftError(f"max_new_tokens={max_new_tokens} leaves no room for a prompt within max_seq_len={max_len}.")
    counts = Counter() if counts is None else counts
    out = []
    for sample in samples:
        answers = [k for k, m in enumerate(sample.messages) if m.role == "assistant"]
        for k in answers if turns == "all" else answers[-1:]:
            text, ids = as_prompt(tokenizer, template, _chat(sample, k))
            if too_long := len(ids) > room:
                problem = f"the prompt of {sample.id} has {len(ids)} tokens, more than the {room} that "
                _refuse(overlong, f"{problem}max_seq_len={max_len} leaves beside max_new_tokens={max_new_tokens}")
                counts["dropped" if overlong == "drop" else "truncated"] += 1
                if overlong == "drop":
                    continue
            stated = sample.answer if k == answers[-1] else None
            out.append(Prompt(sample.id, k, tuple(ids[-room:]), text, sample.messages[k].text, too_long, stated))
    counts["prompts"] += len(out)
    if not out:
        raise QftError(f"No prompt fits into max_seq_len={max_len} beside max_new_tokens={max_new_tokens}.")
    return out
