"""Answers of a model, batch by batch, each on the disk as soon as it is finished.

Endless answers cannot stall a run: none is longer than ``max_new_tokens``, and a batch may have a time limit
(``evaluation.max_seconds``), at which its unfinished answers end as they are.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList

from qft.data.template import Prompt
from qft.errors import QftError
from qft.evaluation import predictions
from qft.evaluation.decoding import Decoding, decode, generation_config, stop_tokens
from qft.evaluation.loss import batches
from qft.process import files
from qft.process.memory import peak_bytes
from qft.records import Prediction, line, write_lines


def generate(
    model: Any, tokenizer: Any, prompts: Sequence[Prompt], decoding: Decoding, path: Path
) -> Iterator[Prediction]:
    """Answer all prompts and write the answers to ``path``, resuming after the batches that are already written.

    Batches are always the same, prompts of about one length together, so an interrupted file becomes equal to an
    uninterrupted one: a batch of which only a part was written is answered again. Within a batch answers are written
    as they finish; at the end the file is put into the order of the prompts.

    Args:
        model: Any causal language model of transformers, with or without an adapter.
        tokenizer: Its tokenizer.
        prompts: As ``qft.data.template.prompts`` makes them.
        decoding: How answers are written.
        path: predictions.jsonl.

    Yields:
        Every answer once, earlier ones first, the others in the order in which they finish within their batch.

    Raises:
        QftError: The file holds something else than answers to these prompts, or a batch does not fit into the GPU's
            memory.
    """
    done = predictions.of_prompts(path, prompts)
    parts = list(enumerate(batches([len(p.ids) for p in prompts], decoding.batch_size)))
    missing = [(number, places) for number, places in parts if any(k not in done for k in places)]
    again = {k for _, places in missing for k in places}
    done = {k: row for k, row in sorted(done.items()) if k not in again}
    write_lines(path, done.values())
    yield from done.values()
    if not missing:
        return
    model.eval()
    stops = stop_tokens(model, tokenizer)
    with files.open_append(path) as file:
        for number, places in missing:
            answers = _Batch(tokenizer, [prompts[k] for k in places], stops, file)
            _answer(model, answers, decoding, number)
            for k, row in answers.rows:
                done[places[k]] = row
                yield row
    write_lines(path, (row for _, row in sorted(done.items())))


class _Batch:
    """The answers of one batch as they finish, each written to ``file``."""

    def __init__(self, tokenizer: Any, prompts: Sequence[Prompt], stops: list[int], file: IO[str]) -> None:
        self.tokenizer, self.prompts, self.stops, self.file = tokenizer, prompts, stops, file
        self.width = max(len(p.ids) for p in prompts)
        self.rows: list[tuple[int, Prediction]] = []  # position in the batch, answer
        self._last = time.perf_counter()

    def inputs(self) -> tuple[list[list[int]], list[list[int]]]:
        """Token ids and attention mask, padded on the left: (rows, width)."""
        pad = self.tokenizer.pad_token_id
        padding = [self.width - len(p.ids) for p in self.prompts]
        ids = [[pad] * k + list(p.ids) for k, p in zip(padding, self.prompts, strict=True)]
        return ids, [[0] * k + [1] * len(p.ids) for k, p in zip(padding, self.prompts, strict=True)]

    def finish(self, k: int, answer: list[int]) -> None:
        """The answer to prompt ``k`` of the batch is complete: put it on the disk."""
        now = time.perf_counter()
        end = next((j for j, token in enumerate(answer) if token in self.stops), None)
        prompt = self.prompts[k]
        row = Prediction(
            id=prompt.id,
            turn=prompt.turn,
            prompt=prompt.text,
            reference=prompt.reference,
            answer=prompt.answer,
            prediction=decode(self.tokenizer, answer[:end], self.stops),
            tokens=len(answer) if end is None else end + 1,
            prompt_tokens=len(prompt.ids),
            finished=end is not None,
            prompt_truncated=prompt.truncated,
            seconds=round(now - self._last, 4),
            peak_memory_bytes=peak_bytes(),
        )
        self._last = now
        files.write_through(self.file, line(row))
        self.rows.append((k, row))


class _AsTheyFinish(StoppingCriteria):  # type: ignore[misc]
    """Calls ``finish(row, tokens)`` for each row of a batch at the step at which it writes an end token."""

    def __init__(self, width: int, stops: list[int], finish: Callable[[int, list[int]], None]) -> None:
        self.width, self.stops, self.finish = width, torch.tensor(stops), finish
        self.unfinished: set[int] | None = None

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        self.unfinished = set(range(len(input_ids))) if self.unfinished is None else self.unfinished
        ended = torch.isin(input_ids[:, -1], self.stops.to(input_ids.device)).tolist()
        for k in sorted(k for k in self.unfinished if ended[k]):
            self.unfinished.remove(k)
            self.finish(k, input_ids[k, self.width :].tolist())
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)  # it stops nothing itself


def _answer(model: Any, batch: _Batch, decoding: Decoding, number: int) -> None:
    """Answer one batch, the one of this number."""
    ids, mask = (torch.tensor(rows, device=model.device) for rows in batch.inputs())
    stopping = _AsTheyFinish(batch.width, batch.stops, batch.finish)
    try:
        with torch.inference_mode(), torch.random.fork_rng(enabled=decoding.do_sample):
            if decoding.do_sample:  # by batch, so that a resumed run draws what an uninterrupted one does
                torch.manual_seed(decoding.seed * 1_000_003 + number)
            out = model.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=generation_config(decoding, batch.stops, batch.tokenizer.pad_token_id),
                stopping_criteria=StoppingCriteriaList([stopping]),
            )
    except torch.OutOfMemoryError as error:
        raise QftError(
            f"The GPU's memory is too small for {len(ids)} answers side by side; "
            f"set evaluation.batch_size={max(1, decoding.batch_size // 2)} (with overwrite=true) or less."
        ) from error
    remaining = range(len(ids)) if stopping.unfinished is None else sorted(stopping.unfinished)
    for k in remaining:
        batch.finish(k, out[k, batch.width :].tolist())
