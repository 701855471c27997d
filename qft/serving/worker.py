"""One thread that answers, and a bounded queue of questions before it."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from qft.evaluation.decoding import Decoding
from qft.serving.engine import Answer, Engine


class Full(Exception):
    """As many questions wait as may."""


class Stopping(Exception):
    """The server is being stopped."""


@dataclass(eq=False)
class Question:
    """What is asked, and where its answer goes; the three functions are called by the worker's thread.

    Attributes:
        model: A name of the engine's.
        prompt: Token ids.
        decoding: How it is answered.
        stops: Texts that end the answer.
        receive: Called with each piece.
        done: Called at the end.
        failed: Called with what went wrong, instead.
    """

    model: str
    prompt: list[int]
    decoding: Decoding
    stops: Sequence[str]
    receive: Callable[[str], None]
    done: Callable[[Answer], None]
    failed: Callable[[Exception], None]
    withdrawn: threading.Event = field(default_factory=threading.Event)


class Worker:
    """Answers questions in the order in which they come.

    Args:
        engine: Used by the worker's thread alone, until ``stop`` returns.
        waiting: How many questions may wait while one is answered.
    """

    def __init__(self, engine: Engine, waiting: int) -> None:
        self._engine, self._most = engine, waiting
        self._questions: deque[Question] = deque()
        self._changed = threading.Condition()
        self._busy = self._stopping = False
        self._thread = threading.Thread(target=self._work, name="qft-answers", daemon=True)
        self._thread.start()

    def ask(self, question: Question) -> None:
        """Put a question at the end of the queue.

        Raises:
            Full: There is no room for it.
            Stopping: Nothing is answered any more.
        """
        with self._changed:
            if self._stopping:
                raise Stopping
            if len(self._questions) >= self._most + (not self._busy):
                raise Full
            self._questions.append(question)
            self._changed.notify()

    def withdraw(self, question: Question) -> None:
        """Nobody waits for this answer any more: it is ended, or never begun."""
        question.withdrawn.set()
        with self._changed:
            if question in self._questions:
                self._questions.remove(question)

    def end(self) -> None:
        """Answer nothing more: what is being written ends after its next token, what waits fails. Does not wait."""
        with self._changed:
            self._stopping = True
            left = list(self._questions)
            self._questions.clear()
            self._changed.notify()
        for question in left:
            question.failed(Stopping())

    def stop(self, patience: float = 10.0) -> None:
        """``end``, and wait for the thread: ``patience`` seconds at most."""
        self.end()
        self._thread.join(patience)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                while not self._questions and not self._stopping:
                    self._changed.wait()
                if self._stopping:
                    break
                question = self._questions.popleft()
                self._busy = True
            self._answer(question)
        self._engine.close()

    def _answer(self, question: Question) -> None:
        try:
            answer = self._engine.answer(
                question.model,
                question.prompt,
                question.decoding,
                question.receive,
                lambda: self._stopping or question.withdrawn.is_set(),
                question.stops,
            )
        except Exception as error:  # whatever it is, the next question can be answered
            question.failed(error)
        else:
            question.done(answer)
