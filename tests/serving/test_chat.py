"""The conversation on the terminal, with a small model on the other side."""

import io
import json
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from program import qft_here
from talkers import ASKED, DEMO, RUN

from qft.data import template
from qft.evaluation.decoding import Decoding
from qft.models import load
from qft.process import signals
from qft.serving import subjects
from qft.serving.chat import Chat
from qft.serving.engine import Engine

GREEDY = Decoding(60, 1)
AGAIN = "I cannot sleep."


def answers(engine: Engine, name: str, *turns: str, system: str | None = None) -> str:
    """The answer to a conversation whose turns alternate."""
    roles = ["user", "assistant"] * len(turns)
    chat = [{"role": r, "content": t} for r, t in zip(roles, turns)]
    prompt = engine.prompt(name, ([{"role": "system", "content": system}] if system else []) + chat)
    return engine.answer(name, prompt, GREEDY, lambda _: None, lambda: False).text


def talked(engine: Engine, lines: Iterable[str], decoding: Decoding = GREEDY, **options) -> tuple[Chat, str]:
    """A conversation of these lines, and what was written."""
    written: list[str] = []
    left = iter(lines)

    def read() -> str:
        if (line := next(left, None)) is None:
            raise EOFError
        return line

    chat = Chat(engine, decoding, options.get("system"), options.get("write", written.append))
    chat.talk(read)
    return chat, "".join(written)


def test_an_answer_follows_from_the_whole_conversation(engine: Engine) -> None:
    first = answers(engine, "qwthn", ASKED)
    second = answers(engine, "qwthn", ASKED, first, AGAIN)
    chat, text = talked(engine, [ASKED, "", f" {AGAIN}  "])
    assert text == f"{first}\n{second}\n\n"
    assert [t["content"] for t in chat.turns] == [ASKED, first, AGAIN, second]


def test_the_untuned_model_is_heard_and_leaves_no_trace(engine: Engine) -> None:
    tuned, untuned = answers(engine, "qwthn", ASKED), answers(engine, "demo", ASKED)
    chat, text = talked(engine, ["/base", ASKED, "/base"])
    assert text == f"Nothing was asked yet.\n{tuned}\n(demo) {untuned}\n\n" and tuned != untuned
    assert [t["content"] for t in chat.turns] == [ASKED, tuned]


def test_reset_forgets_and_a_system_line_stays(engine: Engine) -> None:
    strict = "You are strict."
    expected = answers(engine, "qwthn", ASKED, system=strict)
    assert expected != answers(engine, "qwthn", ASKED)
    chat, text = talked(engine, [AGAIN, f"/system {strict}", "/reset", ASKED])
    assert text.endswith(f"(set)\n(forgotten)\n{expected}\n\n") and len(chat.turns) == 2
    assert talked(engine, [ASKED], system=strict)[1].startswith(expected)
    assert talked(engine, ["/system", ASKED], system=strict)[1].startswith(f"(none)\n{answers(engine, 'qwthn', ASKED)}")


def test_help_names_every_word_and_an_unknown_one_is_no_message(engine: Engine) -> None:
    chat, text = talked(engine, ["/help", "/resett", "/quit", ASKED])
    assert all(word in text for word in ("/base", "/reset", "/system", "/help", "/quit", "Ctrl-C"))
    assert "There is no /resett. Did you mean '/reset'?" in text and not chat.turns
    assert text.endswith("A space before it makes it a message.\n")  # nothing after /quit


def test_what_no_longer_fits_is_left_out_and_said_so(engine: Engine) -> None:
    chat, text = talked(engine, ["x " * 130, AGAIN, "y " * 130, "z " * 600], Decoding(60, 1))
    assert "(the first 2 messages no longer fit into 512 tokens and are left out)" in text
    assert chat.turns[0]["content"] == AGAIN
    assert "The conversation has" in text and text.rstrip().endswith("Your message was not added.")


def test_ctrl_c_ends_an_answer_and_not_the_conversation(engine: Engine) -> None:
    written: list[str] = []
    pressed = []

    def write(text: str) -> None:
        written.append(text)
        if not pressed and len(written) == 2:
            pressed.append(os.kill(os.getpid(), signal.SIGINT))

    whole = answers(engine, "qwthn", ASKED)
    talked(engine, [ASKED, "/reset", ASKED], write=write)
    text = "".join(written)
    cut, _, rest = text.partition(" (stopped)\n")
    assert whole.startswith(cut) and cut != whole and rest == f"(forgotten)\n{whole}\n\n"


def test_ctrl_c_while_typing_takes_the_line_back(engine: Engine) -> None:
    written: list[str] = []
    left: list[str | BaseException] = [KeyboardInterrupt(), "/reset", EOFError()]

    def read() -> str:
        line = left.pop(0)
        if isinstance(line, BaseException):
            raise line
        return line

    Chat(engine, GREEDY, None, written.append).talk(read)
    assert "".join(written) == "\n(Ctrl-D or /quit ends)\n(forgotten)\n\n"


def test_sigterm_ends_the_program_after_the_token(engine: Engine) -> None:
    before = signals.listen()
    try:
        with pytest.raises(signals.Stopped) as stopped:
            talked(engine, [ASKED], write=lambda _: os.kill(os.getpid(), signal.SIGTERM))
    finally:
        signals.restore(before)
    assert stopped.value.number == signal.SIGTERM


def test_what_a_model_writes_does_not_steer_the_terminal(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.tokenizer, "decode", lambda ids, **_: "\x1b]0;a title\x07 " * len(ids))
    _, text = talked(engine, [ASKED], Decoding(3, 1))
    assert "\\x1b" in text and "\x1b" not in text


def piped(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_a_pipe_is_one_question(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    piped("I feel sad today.\nWhat can I do?\n", monkeypatch)
    assert qft_here("chat", str(RUN)) == 0
    out, error = capfd.readouterr()
    assert qft_here("chat", "prompt=你好，(a, b) {x}: 'c'?", "system=[1, 2", "format=json", "max_new_tokens=2") == 0
    said = json.loads(capfd.readouterr().out)
    assert (said["question"], said["system"]) == ("你好，(a, b) {x}: 'c'?", "[1, 2")
    asked = ("chat", f"run={RUN}", "prompt='I feel sad today.\nWhat can I do?'".replace("\n", " "))
    assert qft_here(*asked, "format=json") == 0
    document = json.loads(capfd.readouterr().out)
    assert out.count("\n") == 1 and out.strip() and not error
    assert document["model"] == "run" and document["text"] and document["end"] == "stop"
    assert document["tokens"] > 0 and document["prompt_tokens"] > 0


@pytest.mark.parametrize(
    ("says", "text", "words"),
    [
        ("The question is empty", " \n", []),
        ("add prompt=", None, ["format=json"]),
        ("1,000,000 characters", "a" * 1_000_001, []),
        ("512 with the answer", "x " * 3000, []),
        ("top_p does nothing", "a", ["top_p=0.5"]),
    ],
)
def test_a_question_that_cannot_be_answered_is_one_sentence(
    says: str, text: str | None, words: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    piped(text or "", monkeypatch)
    if text is None:
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    assert qft_here("chat", *words) == 2
    out, error = capfd.readouterr()
    assert not out and error.startswith("qft: ") and says in error and error.count("\n") == 1, error


def test_a_model_that_was_tuned_as_a_whole_has_no_base_beside_it(tmp_path: Path, engine: Engine) -> None:
    engine.close()
    whole = tmp_path / "whole"
    engine.models["demo"].model.save_pretrained(str(whole))
    alone = Engine(subjects.speakers([], [str(whole)], DEMO, None, "outputs"))
    assert list(alone.models) == ["whole"]
    assert "There is no other model" in talked(alone, [ASKED, "/base"])[1]
    alone.close()


@pytest.mark.parametrize("ends", [True, False])
def test_a_base_of_no_known_family_is_asked_plainly_or_not_at_all(
    ends: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    tokenizer = load.load_tokenizer(DEMO)
    tokenizer.eos_token = tokenizer.eos_token if ends else None
    monkeypatch.setattr(load, "load_tokenizer", lambda _: tokenizer)
    monkeypatch.setattr(template, "_FAMILIES", ())
    piped(ASKED, monkeypatch)
    code = qft_here("chat", "max_new_tokens=3")
    error = capfd.readouterr().err
    if ends:
        assert code == 0 and "no chat template that is known; it is asked as 'User: ... Assistant:'" in error
    else:
        assert code == 2 and error.count("\n") == 1
        assert "has no end-of-sequence token; choose model.template by name" in error
