"""Answers of a model, batch by batch, each on disk as soon as it is finished.

A few endless answers cannot stall a run: none is longer than ``max_new_tokens``, and a batch may be given a time
limit (``evaluation.max_seconds``), at which its unfinished answers end as they are.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList

from qft.data.template import Prompt
from qft.errors import QftError
from qft.evaluation import predictions
from qft.evaluation.decoding import Decoding, decode, generation_config, stop_tokens
from qft.process import files
from qft.process.memory import peak_bytes
from qft.records import Prediction, line, write_lines

log = logging.getLogger(__name__)


def generate(
    model: Any, tokenizer: Any, prompts: Sequence[Prompt], decoding: Decoding, path: Path
) -> Iterator[Prediction]:
    """Answers to all prompts, written to ``path``; goes on after the batches that are there already.

    Batches are always the same ones, so an interrupted file ends up equal to an uninterrupted one: a batch of which
    only a part was written is answered again. Within a batch rows are written as they finish; once all are there,
    the file is put in the prompts' order. Yields every row once, old ones too, in the order they come.
    """
    done = predictions.of_prompts(path, prompts)
    size = decoding.batch_size
    starts = range(0, len(prompts), size)
    missing = [s for s in starts if any(k not in done for k in range(s, min(s + size, len(prompts))))]
    done = {k: row for k, row in sorted(done.items()) if k - k % size not in missing}
    write_lines(path, done.values())
    yield from done.values()
    if not missing:
        return
    model.eval()
    stops = stop_tokens(model, tokenizer)
    with files.open_append(path) as file:
        for start in missing:
            batch = prompts[start : start + size]
            for k, row in _answer(model, tokenizer, batch, stops, decoding, start, file):
                done[start + k] = row
                yield row
    write_lines(path, (row for _, row in sorted(done.items())))


class _AsTheyFinish(StoppingCriteria):
    """Calls ``finished(row, tokens)`` for each row of a batch at the step at which it writes an end token."""

    def __init__(self, width: int, stops: list[int], finished: Any) -> None:
        self.width, self.stops, self.finished = width, torch.tensor(stops), finished
        self.open: set[int] | None = None

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        self.open = set(range(len(input_ids))) if self.open is None else self.open
        ended = torch.isin(input_ids[:, -1], self.stops.to(input_ids.device)).tolist()
        for k in sorted(k for k in self.open if ended[k]):
            self.open.remove(k)
            self.finished(k, input_ids[k, self.width :].tolist())
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)  # stops nothing itself


def _answer(
    model: Any, tokenizer: Any, batch: Sequence[Prompt], stops: list[int], decoding: Decoding, start: int, file: Any
) -> Iterator[tuple[int, Prediction]]:
    """Answer one batch; each row is in ``file`` at the step at which it finishes."""
    pad = tokenizer.pad_token_id
    width = max(len(p.ids) for p in batch)
    ids = torch.tensor([[pad] * (width - len(p.ids)) + list(p.ids) for p in batch], device=model.device)
    mask = torch.tensor([[0] * (width - len(p.ids)) + [1] * len(p.ids) for p in batch], device=model.device)
    rows: list[tuple[int, Prediction]] = []
    last = time.perf_counter()

    def finished(k: int, answer: list[int]) -> None:
        nonlocal last
        now = time.perf_counter()
        end = next((j for j, token in enumerate(answer) if token in stops), None)
        row = Prediction(
            id=batch[k].id,
            turn=batch[k].turn,
            prompt=batch[k].text,
            reference=batch[k].reference,
            answer=batch[k].answer,
            prediction=decode(tokenizer, answer[:end], stops),
            tokens=len(answer) if end is None else end + 1,
            prompt_tokens=len(batch[k].ids),
            finished=end is not None,
            prompt_truncated=batch[k].truncated,
            seconds=round(now - last, 4),
            peak_memory_bytes=peak_bytes(),
        )
        last = now
        files.write_through(file, line(row))
        rows.append((k, row))

    watch = _AsTheyFinish(width, stops, finished)
    try:
        with torch.inference_mode(), torch.random.fork_rng(enabled=decoding.do_sample):
            if decoding.do_sample:  # by batch, so that a resumed run draws what an uninterrupted one does
                torch.manual_seed(decoding.seed * 1_000_003 + start)
            out = model.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=generation_config(decoding, stops, pad),
                stopping_criteria=StoppingCriteriaList([watch]),
            )
    except torch.OutOfMemoryError as error:
        raise QftError(
            f"The GPU's memory is too small for {len(batch)} answers side by side; "
            f"set evaluation.batch_size={max(1, decoding.batch_size // 2)} (with overwrite=true) or less."
        ) from error
    unfinished = range(len(batch)) if watch.open is None else sorted(watch.open)
    for k in unfinished:
        finished(k, out[k, width:].tolist())
    yield from rows
