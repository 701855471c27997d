"""Answers one question at a time, by an adapter or by its base; what chat and server share.

Several adapters stand on one base: each is a tree of modules of its own, and the weights of the base are the same
tensors in all of them. So methods of any kinds stand side by side, and the base answers as if there were no adapter.
"""

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import StoppingCriteria, StoppingCriteriaList

from qft.adapters.generation import generating
from qft.data import template as templates
from qft.data.template import Template
from qft.errors import QftError
from qft.evaluation.decoding import Decoding, generation_config, stop_tokens
from qft.models import inject, load
from qft.serving.streamer import Pieces
from qft.serving.subjects import Speaker

Turn = Mapping[str, str]  # role (system, user, assistant) and content


class TooLong(QftError):
    """The conversation leaves no room for an answer."""


@dataclass(frozen=True)
class Answer:
    """An answer and how it ended.

    Attributes:
        text: As ``qft eval`` would write it down.
        prompt_tokens: Tokens of the conversation before it.
        tokens: Tokens written, the one that ended it included.
        end: stop: the model ended it, or a text did that it was told to stop at; length: it was cut off; interrupted:
            by the caller.
        seconds: From the question to the end.
    """

    text: str
    prompt_tokens: int
    tokens: int
    end: str
    seconds: float


@dataclass(frozen=True)
class ChatModel:
    """A model that answers: ``max_len`` tokens of prompt and answer at most, in the words of ``template``."""

    name: str
    model: Any
    template: Template
    max_len: int


class Engine:
    """The models by name, the base last; one of them answers at a time.

    Args:
        named: What ``subjects.speakers`` returned.

    Raises:
        QftError: The base or an adapter cannot be loaded, a template does not fit, or adapters cannot stand together.
    """

    def __init__(self, named: Sequence[Speaker]) -> None:
        spec = named[0].model
        self.tokenizer = load.load_tokenizer(spec)
        load.check_vocabulary(spec, self.tokenizer)
        chosen = {s.name: templates.choose(self.tokenizer, s.template) for s in named}
        modules = _modules(named)
        self.models = {
            s.name: ChatModel(s.name, modules[s.name], chosen[s.name], min(s.max_seq_len, _longest(modules[s.name])))
            for s in named
            if s.name in modules
        }
        self._fast: tuple[str, AbstractContextManager[None]] | None = None  # who answered last, and what it keeps

    def prompt(self, name: str, turns: Sequence[Turn]) -> list[int]:
        """The token ids of a conversation that the model ``name`` is to continue.

        Raises:
            TooLong: They leave no room for a token of an answer.
            QftError: A turn holds half a character.
        """
        chosen = self.models[name]
        if any("\ud800" <= character <= "\udfff" for turn in turns for character in turn["content"]):
            raise QftError("The text holds half of a character (a lone surrogate), which is none; take it out.")
        chat = [
            {"role": t["role"], "content": t["content"].strip() if t["role"] == "assistant" else t["content"]}
            for t in turns
        ]
        ids = templates.as_prompt(self.tokenizer, chosen.template, chat)[1]
        if len(ids) >= chosen.max_len:
            raise TooLong(
                f"The conversation has {len(ids):,} tokens, and {name} takes {chosen.max_len:,} with the answer."
            )
        return ids

    def answer(
        self,
        name: str,
        prompt: Sequence[int],
        decoding: Decoding,
        receive: Callable[[str], None],
        interrupted: Callable[[], bool],
        stops: Sequence[str] = (),
    ) -> Answer:
        """Let the model ``name`` answer. To be called by one thread at a time.

        Args:
            name: A key of ``models``.
            prompt: As ``prompt`` returns it.
            decoding: How the answer is written; it is cut where prompt and answer fill the model's length.
            receive: Called with each piece of the text.
            interrupted: Asked after each token; true ends the answer.
            stops: Texts that end the answer before them.

        Raises:
            QftError: The GPU's memory is too small.
        """
        chosen, begun = self.models[name], time.perf_counter()
        self._enter(chosen)
        ends = stop_tokens(chosen.model, self.tokenizer)
        pieces: list[str] = []

        def hand_on(piece: str) -> None:
            pieces.append(piece)
            receive(piece)

        streamer = Pieces(self.tokenizer, _no_text(self.tokenizer, ends), hand_on, stops)
        config = generation_config(decoding, ends, self.tokenizer.pad_token_id)
        config.max_new_tokens = min(decoding.max_new_tokens, chosen.max_len - len(prompt))
        ids = torch.tensor([list(prompt)], device=chosen.model.device)
        until = _Until(lambda: interrupted() or streamer.stopped)
        try:
            with torch.inference_mode(), torch.random.fork_rng(enabled=decoding.do_sample):
                if decoding.do_sample:
                    torch.manual_seed(decoding.seed)
                out = chosen.model.generate(
                    input_ids=ids,
                    attention_mask=torch.ones_like(ids),
                    generation_config=config,
                    stopping_criteria=StoppingCriteriaList([until]),
                    streamer=streamer,
                )
        except torch.OutOfMemoryError as error:
            raise QftError("The GPU's memory is too small for this conversation; begin a shorter one.") from error
        written = out[0, len(prompt) :].tolist()
        end = "interrupted" if interrupted() else "length"
        if streamer.stopped or (written and written[-1] in ends):
            end = "stop"
        return Answer("".join(pieces), len(prompt), len(written), end, time.perf_counter() - begun)

    def close(self) -> None:
        """Put the weights of the base back where they were."""
        if self._fast is not None:
            _, context = self._fast
            self._fast = None
            context.__exit__(None, None, None)

    def _enter(self, chosen: ChatModel) -> None:
        """Keep what makes one model's generation fast until another one is asked."""
        if self._fast is not None and self._fast[0] != chosen.name:
            self.close()
        if self._fast is None:
            context = generating(chosen.model)
            context.__enter__()
            self._fast = (chosen.name, context)


class _Until(StoppingCriteria):  # type: ignore[misc]
    """Ends the answer once ``reached``."""

    def __init__(self, reached: Callable[[], bool]) -> None:
        self.reached = reached

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        return torch.full((len(input_ids),), self.reached(), dtype=torch.bool, device=input_ids.device)


def _modules(named: Sequence[Speaker]) -> dict[str, nn.Module]:
    """Name -> model in evaluation mode. Where the only adapter changes the base's own weights, it stands alone."""
    base = load.load_base(named[0].model, load.precision())
    if named[0].whole:
        return {named[0].name: inject.load_adapter(base, named[0].adapter or "").eval()}
    found: dict[str, nn.Module] = {}
    before = _state(base)
    for s in named:
        found[s.name] = (base if s.adapter is None else inject.load_adapter(_shared(base), s.adapter)).eval()
        if _state(base) == before:
            continue
        if sum(other.adapter is not None for other in named) > 1:
            raise QftError(f"{s.adapter} changes the weights of its base, beside which no other can stand.")
        return {s.name: found[s.name]}
    return found


def _shared(base: nn.Module) -> nn.Module:
    """The modules again, with the very same parameters and buffers."""
    tensors = [*base.parameters(), *base.buffers()]
    return copy.deepcopy(base, {id(tensor): tensor for tensor in tensors})


def _state(base: nn.Module) -> list[tuple[int, int]]:
    """Where each weight lies and how often it was written to."""
    return [(p.data_ptr(), p._version) for p in base.parameters()]


def _longest(model: Any) -> int:
    """Tokens that the architecture has positions for; where its config states none, no limit."""
    shape = model.config.get_text_config().to_dict()  # only some families have it
    return int(shape.get("max_position_embeddings") or 2**31)


def _no_text(tokenizer: Any, ends: Sequence[int]) -> set[int]:
    """Ids of tokens that are no text of an answer."""
    return {i for i in (*ends, tokenizer.pad_token_id, tokenizer.bos_token_id) if i is not None}
