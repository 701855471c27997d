"""Training templates: what is supervised, what is cut, prompts that agree with training."""

from collections import Counter

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

import qft
from qft.data import template
from qft.data.messages import Message, Sample
from qft.data.template import spans
from qft.errors import QftError
from qft.evaluation.decoding import decode

TALK = Sample(
    "talk",
    (
        Message("user", "Hello"),
        Message("assistant", "Hi."),
        Message("user", "1+1?"),
        Message("assistant", "It is \\boxed{2}.", reasoning="1+1=2"),
    ),
)


@pytest.fixture(scope="module")
def tokenizer():
    from pathlib import Path

    return AutoTokenizer.from_pretrained(Path(qft.__file__).parent / "models/demo")


def bare(*tokens: str) -> PreTrainedTokenizerFast:
    """A word tokenizer whose vocabulary holds the tokens of a model family."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["<unk>", "<eos>", "<bos>", "Hello", "Hi", ".", *tokens]
    inner = Tokenizer(models.WordLevel({w: k for k, w in enumerate(words)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>", eos_token="<eos>", bos_token="<bos>")


def byte_level(split: str | None = None) -> PreTrainedTokenizerFast:
    """A byte-level BPE as GPT-2's (a space belongs to the word after it), or split by another expression."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=split is None)
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = (
        pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(split), "isolated"), level]) if split else level
    )
    inner.decoder = decoders.ByteLevel()
    texts = ["User: Hello there\nAssistant: Hi. It is 2, (a) I think.", "<think>\n1+1=2\n</think>\n\n我很好。\n\n"] * 20
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=["<eos>"], initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<eos>", bos_token="<eos>")


QWEN2 = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
ANSWERS = ("Hi.", "(a)", "2", "我很好。", '"q"', "...", "'s", "\\boxed{2}", "- one\n- two", " Hi", "\nHi\n")


def supervised(tokenizer, encoded) -> str:
    row = encoded.rows[0]
    return tokenizer.decode([i for i, label in zip(row["input_ids"], row["labels"]) if label != template.IGNORE])


def test_the_family_decides_the_template(tokenizer) -> None:
    assert template.choose(tokenizer).name == "chatml"
    assert template.choose(bare("<|start_header_id|>")).name == "llama3"
    assert template.choose(bare("<｜User｜>")).name == "deepseek_r1"
    assert template.choose(bare()).name == "plain"
    with pytest.raises(QftError, match="chatml"):
        template.choose(tokenizer, "chatlm")


@pytest.mark.parametrize("name", template.names())
def test_every_template_supervises_answers_with_their_reasoning_and_nothing_else(tokenizer, name: str) -> None:
    chosen = template.choose(tokenizer, name)
    text = supervised(tokenizer, template.encode([TALK], tokenizer, chosen, 512))
    assert "<think>\n1+1=2\n</think>\n\nIt is \\boxed{2}." in text, "the reasoning is learned"
    assert "Hi." in text, "earlier answers are learned too"
    assert "Hello" not in text and "1+1?" not in text, "the user's words are not"


@pytest.mark.parametrize("name", template.names())
def test_a_prompt_is_the_beginning_of_what_was_trained(tokenizer, name: str) -> None:
    chosen = template.choose(tokenizer, name)
    trained = template.encode([TALK], tokenizer, chosen, 512).rows[0]["input_ids"]
    (last,) = template.prompts([TALK], tokenizer, chosen, 512, 16)
    assert tuple(trained[: len(last.ids)]) == last.ids
    assert last.reference == TALK.messages[-1].text
    every = template.prompts([TALK], tokenizer, chosen, 512, 16, turns="all")
    assert [p.turn for p in every] == [1, 3]


@pytest.mark.parametrize("split", [None, QWEN2])
@pytest.mark.parametrize("name", template.names())
def test_the_tokens_asked_are_those_trained_on_whatever_the_answer_begins_with(split: str | None, name: str) -> None:
    tokenizer = byte_level(split)
    if (name, split) == ("llama3", None):  # two line ends are one token at the end of a text, two before a word
        with pytest.raises(QftError, match=r"llama3 does not fit this tokenizer.*plain"):
            template.choose(tokenizer, name)
        return
    chosen = template.choose(tokenizer, name)
    for text in ANSWERS:
        turns = Message("user", "Hello"), Message("assistant", text), Message("user", "And?\n")
        sample = Sample("s", (*turns, Message("assistant", text, "1+1=2")))
        row = template.encode([sample], tokenizer, chosen, 512).rows[0]
        for prompt in template.prompts([sample], tokenizer, chosen, 512, 16, turns="all"):
            k = len(prompt.ids)
            assert tuple(row["input_ids"][:k]) == prompt.ids, text
            assert row["labels"][k - 1] == template.IGNORE != row["labels"][k], text


def test_the_space_behind_the_name_of_the_speaker_belongs_to_the_answer() -> None:
    tokenizer = byte_level()
    chosen = template.choose(tokenizer)
    row = template.encode([TALK], tokenizer, chosen, 512).rows[0]
    assert next(s.text for s in spans(row, tokenizer) if s.learned) == " Hi.<eos>"
    prompt = template.prompts([TALK], tokenizer, chosen, 512, 16)[0]
    assert prompt.text.endswith("\nAssistant:")
    answer = [t for t in row["input_ids"][len(prompt.ids) :] if t != tokenizer.eos_token_id]
    assert decode(tokenizer, answer, []) == prompt.reference, "the space is no part of what is scored"


def test_the_end_of_a_turn_is_learned(tokenizer) -> None:
    text = supervised(tokenizer, template.encode([TALK], tokenizer, template.choose(tokenizer), 512))
    assert text.count("<|im_end|>") == 2


def test_long_samples_are_cut_and_counted(tokenizer) -> None:
    chosen = template.choose(tokenizer)
    whole = template.encode([TALK], tokenizer, chosen, 512)
    length = len(whole.rows[0]["input_ids"])
    assert whole.counts["truncated"] == 0 and whole.counts["supervised_tokens"] > 0
    cut = template.encode([TALK], tokenizer, chosen, length - 3)
    assert cut.counts["truncated"] == 1 and len(cut.rows[0]["input_ids"]) == length - 3
    first = len(template.prompts([TALK], tokenizer, chosen, 512, 16, turns="all")[0].ids)
    with pytest.raises(QftError, match="max_seq_len"):
        template.encode([TALK], tokenizer, chosen, first)  # only the first question fits


def test_no_supervised_token_is_an_error(tokenizer) -> None:
    unmarked = template.Template("bad", "{% for m in messages %}{{ m['content'] }}{% endfor %}")
    with pytest.raises(QftError, match="marks no assistant token"):
        template.encode([TALK], tokenizer, unmarked, 512)


def test_a_long_prompt_loses_its_beginning_and_says_so(tokenizer) -> None:
    chosen = template.choose(tokenizer)
    (whole,) = template.prompts([TALK], tokenizer, chosen, 512, 16)
    (cut,) = template.prompts([TALK], tokenizer, chosen, len(whole.ids) + 5, 16)
    assert cut.truncated and not whole.truncated
    assert cut.ids == whole.ids[-(len(whole.ids) - 11) :]
    with pytest.raises(QftError, match="no room"):
        template.prompts([TALK], tokenizer, chosen, 16, 16)


THOUGHTS = Sample(
    "thoughts",
    (
        Message("user", "2+2?"),
        Message("assistant", "It is 4.", reasoning="2 and 2 are 4"),
        Message("user", "And 3+3?"),
        Message("assistant", "It is 6.", reasoning="3 and 3 are 6"),
    ),
    answer="6",
)


@pytest.mark.parametrize("name", template.names())
def test_every_template_learns_the_reasoning_of_every_turn(tokenizer, name: str) -> None:
    """The families' own templates drop it from past turns, or put its opening into the prompt."""
    chosen = template.choose(tokenizer, name)
    encoded = template.encode([THOUGHTS], tokenizer, chosen, 512)
    learned = [s.text for s in spans(encoded.rows[0], tokenizer) if s.learned]
    assert len(learned) == 2
    for text, message in zip(learned, THOUGHTS.messages[1::2], strict=True):
        assert text.lstrip().startswith(message.text), "from the opening <think> to the answer's end"
    for prompt in template.prompts([THOUGHTS], tokenizer, chosen, 512, 16, turns="all"):
        whole = encoded.rows[0]
        assert tuple(whole["input_ids"][: len(prompt.ids)]) == prompt.ids
        assert whole["labels"][len(prompt.ids)] != template.IGNORE, "the first token after the prompt is learned"
        assert whole["labels"][len(prompt.ids) - 1] == template.IGNORE


def test_a_family_template_that_drops_reasoning_would_be_caught(tokenizer) -> None:
    """What DeepSeek-R1-Distill's own template does, with markers added: the test above can fail."""
    dropping = template.choose(tokenizer, "chatml").text.replace(
        "m['content'] + '<|im_end|>' }}{% end", "m['content'].split('</think>')[-1] + '<|im_end|>' }}{% end"
    )
    encoded = template.encode([THOUGHTS], tokenizer, template.Template("dropping", dropping), 512)
    learned = [s.text for s in spans(encoded.rows[0], tokenizer) if s.learned]
    assert not any("<think>" in text for text in learned)


def test_spans_are_the_whole_row(tokenizer) -> None:
    row = template.encode([TALK], tokenizer, template.choose(tokenizer), 512).rows[0]
    found = spans(row, tokenizer)
    assert [s.learned for s in found] == [False, True, False, True, False]
    assert sum(s.tokens for s in found) == len(row["input_ids"])
    assert "".join(s.text for s in found) == tokenizer.decode(row["input_ids"])


def test_overlong_samples_are_dropped_or_refused_as_asked(tokenizer) -> None:
    chosen = template.choose(tokenizer)
    length = len(template.encode([TALK], tokenizer, chosen, 512).rows[0]["input_ids"])
    short = Sample("short", TALK.messages[:2])
    dropped = template.encode([TALK, short], tokenizer, chosen, length - 1, "drop")
    assert dropped.ids == ["short"]
    assert (dropped.counts["dropped"], dropped.counts["truncated"], dropped.counts["samples"]) == (1, 0, 1)
    assert template.report(dropped.counts, "training samples", 9) == ["1 training samples longer than 9 tokens dropped"]
    with pytest.raises(QftError, match=rf"talk has {length} tokens, more than max_seq_len={length - 1}"):
        template.encode([short, TALK], tokenizer, chosen, length - 1, "error")
    for way in ("drop", "error"):
        assert template.encode([TALK], tokenizer, chosen, length, way).counts["dropped"] == 0


def test_overlong_prompts_are_counted_dropped_or_refused_as_asked(tokenizer) -> None:
    chosen = template.choose(tokenizer)
    (whole,) = template.prompts([TALK], tokenizer, chosen, 512, 16)
    room = len(whole.ids) - 1
    short = Sample("short", TALK.messages[:2])
    for way, ids, kind in (("truncate", ["talk", "short"], "truncated"), ("drop", ["short"], "dropped")):
        counts: Counter[str] = Counter()
        asked = template.prompts([TALK, short], tokenizer, chosen, room + 16, 16, overlong=way, counts=counts)
        assert [p.id for p in asked] == ids
        assert counts == {"prompts": len(ids), kind: 1}
        assert len(template.report(counts, "prompts", room)) == 1
    with pytest.raises(QftError, match=rf"the prompt of talk has {room + 1} tokens, more than the {room} that"):
        template.prompts([TALK], tokenizer, chosen, room + 16, 16, overlong="error")
    with pytest.raises(QftError, match="No prompt fits"):
        template.prompts([TALK], tokenizer, chosen, room + 16, 16, overlong="drop")


def test_the_stated_answer_goes_with_the_last_turn_only(tokenizer) -> None:
    asked = template.prompts([THOUGHTS, TALK], tokenizer, template.choose(tokenizer), 512, 16, turns="all")
    assert [p.answer for p in asked] == [None, "6", None, None]
