"""Talk to a run, to an adapter or to a base: answers as they are written, and /base for the untuned model's.

``qft chat RUN``, ``adapter.path=DIR model.path=BASE``, or a base alone. Words of the conversation begin with / (/help).
``echo "a question" | qft chat RUN`` and ``prompt="a question"`` answer once; ``format=json`` gives it with its figures.
"""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from qft.cli._command import Command
from qft.cli._output import log, show
from qft.compose.words import quoted, words_as
from qft.config import ChatConfig
from qft.errors import QftError
from qft.names import visible
from qft.progress import quiet_libraries, start_logging

if TYPE_CHECKING:
    from qft.evaluation.decoding import Decoding
    from qft.serving.engine import Engine

USAGE = "[RUN]"
LONGEST = 1_000_000  # characters of a question from a pipe


def arguments(args: list[str]) -> list[str]:
    """``qft chat DIR`` is ``qft chat run=DIR``; ``prompt`` and ``system`` are text, commas and brackets too."""
    return words_as("run", [_as_text(a) for a in args])


def _as_text(word: str) -> str:
    key, _, value = word.partition("=")
    said = key in ("prompt", "system") and value != "null" and value[:1] not in ("'", '"')
    return f"{key}={quoted(value)}" if said else word


def run(config: ChatConfig) -> None:
    """Read questions from the terminal, or one from ``prompt`` or a pipe."""
    start_logging()
    question = config.prompt
    if question is None and not sys.stdin.isatty():
        question = _piped()
    if question is None and config.format == "json":
        raise QftError("format=json answers one question: add prompt='...', or send a text through a pipe.")
    if question is not None and not question.strip():
        raise QftError("The question is empty.")
    engine, decoding = _open(config)
    try:
        if question is None:
            _converse(config, engine, decoding)
        else:
            _once(config, engine, decoding, question)
    finally:
        engine.close()


def _piped() -> str:
    try:
        text = sys.stdin.read(LONGEST + 1)
    except UnicodeDecodeError:
        raise QftError("The text from the pipe is not UTF-8.") from None
    if len(text) > LONGEST:
        raise QftError(f"The text from the pipe is longer than {LONGEST:,} characters.")
    return text


def _open(config: ChatConfig) -> "tuple[Engine, Decoding]":
    """Check what can be checked, and load it."""
    from qft.data import template
    from qft.serving import subjects

    if config.temperature == 0 and config.top_p != 1:
        raise QftError("top_p does nothing to greedy answers; add temperature=1 or another above 0.")
    name, path = (config.adapter or {}).get("name", "saved"), (config.adapter or {}).get("path")
    if name != "saved":
        raise QftError("A trained adapter is needed: run=DIR or adapter.path=DIR (neither: the base model).")
    if config.run is not None and path is not None:
        raise QftError("run= and adapter.path= each name an adapter; give one of them.")
    runs, adapters = [r for r in [config.run] if r], [str(p) for p in [path] if p]
    named = subjects.speakers(runs, adapters, config.model, config.max_seq_len, config.output_dir)
    template.check_name(named[0].template)
    quiet_libraries()
    from qft.evaluation.decoding import Decoding
    from qft.serving.engine import Engine

    subjects.check(runs, named, config.output_dir)
    engine, drawn = Engine(named), config.temperature > 0
    if named[0].adapter is None and engine.models[named[0].name].template.name == "plain":
        log.warning("%s has no chat template that is known; it is asked as 'User: ... Assistant:'.", named[0].name)
    temperature = config.temperature if drawn else 1.0
    return engine, Decoding(config.max_new_tokens, 1, drawn, temperature, config.top_p, config.seed)


def _converse(config: ChatConfig, engine: "Engine", decoding: "Decoding") -> None:
    from qft.serving.chat import Chat

    try:
        import readline  # noqa: F401 (gives input() its editing and its history)
    except ImportError:
        log.debug("no readline")
    chat = Chat(engine, decoding, config.system, _write)
    _write(f"{visible(chat.name)}, {'greedy' if not decoding.do_sample else 'drawn'}; /help lists what there is.\n")
    chat.talk(lambda: input("> "))


def _once(config: ChatConfig, engine: "Engine", decoding: "Decoding", question: str) -> None:
    from qft.serving import chat

    silent = config.format == "json"
    answer = chat.once(
        engine,
        question,
        decoding,
        config.system,
        (lambda _: None) if silent else (lambda piece: _write(visible(piece, keep="\n\t"))),
    )
    if silent:
        document = {"model": next(iter(engine.models)), "system": config.system, "question": question.strip()}
        show("json", document | asdict(answer), "", [], [])
        return
    _write("\n")
    if answer.end == "length":
        log.warning("cut off after %d tokens; max_new_tokens= and max_seq_len= allow more", answer.tokens)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


COMMAND = Command(ChatConfig, run, arguments)
