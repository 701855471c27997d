"""A conversation on the terminal: what is typed, what the model answers, and the words that steer it.

    > How do I calm down before an exam?
    Breathe out slowly, longer than you breathe in. ...
    > /base

The model's answers are streamed. Ctrl-C ends an answer, or takes back what is being typed; Ctrl-D ends the program.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from qft.errors import QftError, nearest
from qft.evaluation.decoding import Decoding
from qft.names import visible
from qft.process.signals import DeferredStop
from qft.serving.engine import Answer, Engine, TooLong, Turn

Words = dict[str, tuple[str, Callable[[str], bool]]]


class Chat:
    """A conversation with one model of an engine.

    Args:
        engine: Holds the model first, and its base last if there is one beside it.
        decoding: How answers are written; the seed grows by one with each.
        system: A line before the first message; None: none.
        write: Called with text for the terminal, in pieces.
    """

    def __init__(self, engine: Engine, decoding: Decoding, system: str | None, write: Callable[[str], None]) -> None:
        self.engine, self.decoding, self.write = engine, decoding, write
        self.name, *others = engine.models
        self.base = others[-1] if others else None
        self.system = system
        self.turns: list[Turn] = []
        self._asked: list[Turn] = []  # what the last answer was given to
        self._answers = 0
        self.words: Words = {
            "/base": ("the untuned model's answer to the last message, outside the conversation", self._untuned),
            "/reset": ("forget the conversation", self._reset),
            "/system": ("a line before the first message: /system You are a poet. Without one: none", self._system),
            "/help": ("this list", self._help),
            "/quit": ("end; Ctrl-D does too", lambda _: False),
        }

    def talk(self, read: Callable[[], str]) -> None:
        """Answer what ``read`` returns, line by line, until it raises EOFError or a word ends it."""
        with _interruptible():
            going = True
            while going:
                try:
                    going = self.hear(read())
                except KeyboardInterrupt as stop:
                    if type(stop) is not KeyboardInterrupt:  # another signal than Ctrl-C
                        raise
                    self.write("\n(Ctrl-D or /quit ends)\n")
                except UnicodeDecodeError:
                    self.write("That was not UTF-8.\n")
                except EOFError:
                    self.write("\n")
                    return

    def hear(self, line: str) -> bool:
        """Answer one line, a message or a word of ours; whether the conversation goes on."""
        word, _, rest = line.partition(" ")
        if not line.strip():
            return True
        if not word.startswith("/"):
            self._message(line.strip())
            return True
        if word in self.words:
            return self.words[word][1](rest.strip())
        unknown = visible(f"There is no {word}.{nearest(word, self.words)}")
        self.write(f"{unknown} A space before it makes it a message.\n")
        return True

    def _message(self, text: str) -> None:
        asked = [*self.turns, {"role": "user", "content": text}]
        try:
            asked, prompt = self._fitting(asked)
        except QftError as error:
            self.write(f"{error} Your message was not added.\n")
            return
        self._asked = asked
        answer = self._answer(self.name, prompt)
        if answer.text:  # without an answer the message is as if it had not been said
            self.turns = [*asked, {"role": "assistant", "content": answer.text}]

    def _fitting(self, asked: list[Turn]) -> tuple[list[Turn], list[int]]:
        """The conversation without its oldest exchanges where it is too long, and its token ids.

        Half of the model's length, or ``max_new_tokens`` if that is less, is kept for the answer.
        """
        longest = self.engine.models[self.name].max_len
        room = longest - min(self.decoding.max_new_tokens, longest // 2)
        left_out = 0
        while True:
            try:
                prompt = self.engine.prompt(self.name, self._whole(asked))
                if len(prompt) <= room or len(asked) == 1:
                    break
            except TooLong:
                if len(asked) == 1:
                    raise
            asked, left_out = asked[2:], left_out + 2
        if left_out:
            self.write(f"(the first {left_out} messages no longer fit into {longest:,} tokens and are left out)\n")
        return asked, prompt

    def _whole(self, turns: list[Turn]) -> list[Turn]:
        return turns if self.system is None else [{"role": "system", "content": self.system}, *turns]

    def _answer(self, name: str, prompt: list[int]) -> Answer:
        """Stream one answer; the first Ctrl-C ends it."""
        decoding = replace(self.decoding, seed=self.decoding.seed + self._answers)
        self._answers += 1
        with DeferredStop() as stop:
            answer = self.engine.answer(
                name,
                prompt,
                decoding,
                lambda piece: self.write(visible(piece, keep="\n\t")),
                lambda: stop.number is not None,
            )
        notes = {"length": f"(cut off after {answer.tokens} tokens)", "interrupted": "(stopped)"}
        note = notes.get(answer.end) or ("" if answer.text else "(no answer: the model ended at once)")
        self.write(f"{' ' if answer.text and note else ''}{note}\n")
        if stop.number not in (None, signal.SIGINT):
            stop.check()
        return answer

    def _untuned(self, _: str) -> bool:
        if self.base is None:
            self.write("There is no other model beside this one.\n")
        elif not self._asked:
            self.write("Nothing was asked yet.\n")
        else:
            self.write(f"({visible(self.base)}) ")
            self._answer(self.base, self.engine.prompt(self.base, self._whole(self._asked)))
        return True

    def _reset(self, _: str) -> bool:
        self.turns, self._asked = [], []
        self.write("(forgotten)\n")
        return True

    def _system(self, text: str) -> bool:
        self.system = text or None
        self.write("(set)\n" if text else "(none)\n")
        return True

    def _help(self, _: str) -> bool:
        for word, (meaning, _action) in self.words.items():
            self.write(f"  {word:<8} {meaning}\n")
        self.write("  Ctrl-C ends an answer. Anything else is a message.\n")
        return True


@contextmanager
def _interruptible() -> Iterator[None]:
    """Within it Ctrl-C raises a plain KeyboardInterrupt, each time; other signals are as before."""
    try:
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def once(engine: Engine, question: str, decoding: Decoding, system: str | None, write: Callable[[str], None]) -> Answer:
    """Answer one question by the engine's first model; the text goes to ``write``, in pieces.

    Raises:
        QftError: The question is empty, or too long.
    """
    if not question.strip():
        raise QftError("The question is empty; write prompt='...', or send a text through the pipe.")
    turns: list[Turn] = [] if system is None else [{"role": "system", "content": system}]
    name = next(iter(engine.models))
    prompt = engine.prompt(name, [*turns, {"role": "user", "content": question.strip()}])
    return engine.answer(name, prompt, decoding, write, lambda: False)
