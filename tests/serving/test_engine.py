"""One engine, several models: each answers as it does alone, from the same weights of the base."""

from pathlib import Path

import pytest
import torch
from talkers import ASKED, DEMO, RUN, a_lora

from qft.data import template
from qft.errors import QftError
from qft.evaluation.decoding import Decoding, decode, generation_config, stop_tokens
from qft.models import inject, load
from qft.serving import subjects
from qft.serving.engine import Engine, TooLong
from qft.serving.streamer import Pieces

GREEDY = Decoding(60, 1)


def asked(engine: Engine, name: str, text: str = ASKED, decoding: Decoding = GREEDY, **more):
    pieces: list[str] = []
    interrupted = more.pop("interrupted", lambda _: False)
    prompt = engine.prompt(name, [{"role": "user", "content": text}])
    answer = engine.answer(name, prompt, decoding, pieces.append, lambda: interrupted(pieces), **more)
    assert "".join(pieces) == answer.text and all(pieces)
    return answer


def alone(adapter: Path | None, text: str = ASKED) -> str:
    """The slow and obvious way: one base, one adapter, one call of generate, its tokens decoded at once."""
    tokenizer, model = load.load_tokenizer(DEMO), load.load_base(DEMO, torch.float32)
    model = model if adapter is None else inject.load_adapter(model, adapter).eval()
    ids = template.as_prompt(tokenizer, template.choose(tokenizer), [{"role": "user", "content": text}])[1]
    stops = stop_tokens(model, tokenizer)
    config = generation_config(GREEDY, stops, tokenizer.pad_token_id)
    out = model.generate(
        input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), generation_config=config
    )
    return decode(tokenizer, out[0, len(ids) :].tolist(), stops)


def test_each_answers_as_it_does_alone(engine: Engine, qwthn: Path, lora: Path) -> None:
    expected = {"qwthn": alone(qwthn), "lora": alone(lora), "demo": alone(None)}
    assert len(set(expected.values())) == 3
    for name in ("qwthn", "demo", "lora", "qwthn", "lora", "demo"):
        assert asked(engine, name).text == expected[name]


def test_the_base_is_in_memory_once(engine: Engine) -> None:
    def places(name: str) -> set[int]:
        return {p.data_ptr() for p in engine.models[name].model.parameters()}

    engine.close()
    assert places("demo") < places("qwthn") and places("demo") < places("lora")


def test_the_base_is_what_it_was_bit_for_bit(engine: Engine) -> None:
    for name in engine.models:
        asked(engine, name)
    engine.close()
    for now, before in zip(engine.models["demo"].model.parameters(), load.load_base(DEMO, torch.float32).parameters()):
        assert torch.equal(now, before)


def test_an_answer_ends_where_it_is_told_to(engine: Engine) -> None:
    whole = asked(engine, "demo").text
    word = whole.split()[3]
    answer = asked(engine, "demo", stops=["never written", f" {word}"])
    assert answer.end == "stop" and answer.text == whole[: whole.index(f" {word}")].rstrip()
    cut = asked(engine, "demo", decoding=Decoding(3, 1))
    assert (cut.end, cut.tokens) == ("length", 3) and whole.startswith(cut.text)
    ended = asked(engine, "demo", interrupted=lambda pieces: len(pieces) >= 2)
    assert ended.end == "interrupted" and whole.startswith(ended.text) and ended.text != whole


def test_drawn_answers_follow_from_the_seed_and_leave_torchs_own_numbers_alone(engine: Engine) -> None:
    def drawn(seed: int) -> str:
        return asked(engine, "demo", decoding=Decoding(20, 1, True, 2.0, 1.0, seed)).text

    torch.manual_seed(5)
    before = torch.get_rng_state()
    assert drawn(1) == drawn(1) != drawn(2)
    assert torch.equal(before, torch.get_rng_state())


def test_a_conversation_that_is_too_long_is_refused_and_a_long_one_leaves_room(engine: Engine) -> None:
    longest = engine.models["demo"].max_len
    assert longest == 512  # positions of the demo model, fewer than the 1024 of max_seq_len
    with pytest.raises(TooLong, match="512 with the answer"):
        asked(engine, "demo", "a cup " * 600)
    answer = asked(engine, "demo", "x " * 250)
    assert answer.prompt_tokens + answer.tokens <= longest < answer.prompt_tokens + 10


def test_an_adapter_that_changes_its_base_stands_alone(tmp_path: Path, lora: Path) -> None:
    pissa = a_lora(tmp_path / "pissa", init_lora_weights="pissa")
    engine = Engine(subjects.speakers([], [str(pissa)], DEMO, None, "outputs"))
    assert list(engine.models) == ["pissa"]
    with pytest.raises(QftError, match="changes the weights of its base"):
        Engine(subjects.speakers([], [str(lora), str(pissa)], DEMO, None, "outputs"))


def test_names_and_settings_are_those_of_the_runs(qwthn: Path) -> None:
    named = subjects.speakers([str(RUN)], [str(RUN / "adapter"), str(qwthn)], {}, None, "outputs")
    assert [s.name for s in named] == ["run", "run-2", "qwthn", "demo"]
    assert {s.max_seq_len for s in named} == {1024}
    subjects.check([str(RUN)], named, "outputs")
    assert subjects.speakers([str(RUN)], [], {}, 100, "outputs")[1].max_seq_len == 100


def test_bases_that_differ_are_refused(tmp_path: Path) -> None:
    named = subjects.speakers([str(RUN)], [], {"path": str(tmp_path)}, None, "outputs")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(QftError, match="The base model is not what"):
        subjects.check([str(RUN)], named, "outputs")


def streamed(tokens: list[int], tokenizer: object, stops: list[str] | None = None) -> list[str]:
    pieces: list[str] = []
    streamer = Pieces(tokenizer, {tokenizer.eos_token_id}, pieces.append, stops or [])
    streamer.put(torch.tensor([[1, 2, 3]]))
    for token in tokens:
        streamer.put(torch.tensor([token]))
    streamer.end()
    return pieces


TEXTS = ["", " \n ", "One, two.\n\n three \n", "你好，世界。Ωμέγα 🙂 e\u0301", "<think>\n2+2\n</think>\n\n4"]


@pytest.mark.parametrize("text", TEXTS)
def test_pieces_joined_are_the_text_stripped(engine: Engine, text: str) -> None:
    tokens = engine.tokenizer(text, add_special_tokens=False)["input_ids"] + [engine.tokenizer.eos_token_id]
    pieces = streamed(tokens, engine.tokenizer)
    assert "".join(pieces) == engine.tokenizer.decode(tokens[:-1]).strip() and all(pieces)


def test_what_may_become_a_stop_text_is_held_back(engine: Engine) -> None:
    tokens = engine.tokenizer("one two END three", add_special_tokens=False)["input_ids"]
    assert "".join(streamed(tokens, engine.tokenizer, [" two END", "nothing"])) == "one"
    assert "".join(streamed(tokens, engine.tokenizer, ["two ENDE"])) == "one two END three"
