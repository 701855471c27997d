"""Answers of a model, batch by batch, each on disk as soon as it exists.

A line of predictions.jsonl: ``{"id": "case_3084", "turn": 7, "prompt": ..., "reference": ...,
"answer": null, "prediction": ..., "tokens": 31, "finished": true, "prompt_truncated": false, "seconds": 0.4}``
"""

import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from qft.data.template import Prompt

log = logging.getLogger(__name__)


def read_predictions(path: Path, prompts: Sequence[Prompt]) -> list[dict[str, Any]]:
    """The leading predictions that belong to these prompts; a cut or foreign line ends the reading."""
    out: list[dict[str, Any]] = []
    if not path.exists():
        return out
    for line, prompt in zip(path.read_bytes().split(b"\n")[:-1], prompts, strict=False):
        try:
            row = json.loads(line)
        except ValueError:
            break
        if not isinstance(row, dict) or (row.get("id"), row.get("turn")) != (prompt.id, prompt.turn):
            break
        if row.get("reference") != prompt.reference or not isinstance(row.get("prediction"), str):
            break
        out.append(row)
    return out


def stop_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Tokens that end an answer: the model's, the tokenizer's and the chat families' end-of-turn tokens."""
    known = model.generation_config.eos_token_id
    stops = set(known if isinstance(known, list) else [known]) | {tokenizer.eos_token_id}
    vocabulary = tokenizer.get_vocab()
    stops |= {vocabulary[t] for t in ("<|im_end|>", "<|eot_id|>", "<｜end▁of▁sentence｜>") if t in vocabulary}
    return sorted(s for s in stops if s is not None)


def generate(
    model: Any, tokenizer: Any, prompts: Sequence[Prompt], max_new_tokens: int, batch_size: int, path: Path
) -> Iterator[dict[str, Any]]:
    """Greedy answers to all prompts in their order, appended to ``path``; goes on after those already there.

    Batches are always the same ones, so an interrupted file ends up equal to an uninterrupted one: a batch
    of which only a part was written is generated again. Yields every row, old ones too.
    """
    done = read_predictions(path, prompts)
    done = done[: len(done) - len(done) % batch_size] if len(done) < len(prompts) else done
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in done), encoding="utf-8")
    temporary.replace(path)
    yield from done
    if len(done) == len(prompts):
        return
    model.eval()
    pad = tokenizer.pad_token_id
    stops = stop_tokens(model, tokenizer)
    with path.open("a", encoding="utf-8") as file:
        for start in range(len(done), len(prompts), batch_size):
            batch = prompts[start : start + batch_size]
            began = time.perf_counter()
            width = max(len(p.ids) for p in batch)
            ids = torch.tensor([[pad] * (width - len(p.ids)) + list(p.ids) for p in batch], device=model.device)
            mask = torch.tensor([[0] * (width - len(p.ids)) + [1] * len(p.ids) for p in batch], device=model.device)
            with torch.inference_mode():
                out = model.generate(
                    input_ids=ids,
                    attention_mask=mask,
                    max_new_tokens=max_new_tokens,
                    do_sample=False,
                    num_beams=1,
                    eos_token_id=stops,
                    pad_token_id=pad,
                )
            seconds = (time.perf_counter() - began) / len(batch)
            for prompt, answer in zip(batch, out[:, width:].tolist(), strict=True):
                end = next((k for k, token in enumerate(answer) if token in stops), None)
                row = {
                    "id": prompt.id,
                    "turn": prompt.turn,
                    "prompt": prompt.text,
                    "reference": prompt.reference,
                    "answer": prompt.answer,
                    "prediction": decode(tokenizer, answer[:end], stops),
                    "tokens": len(answer) if end is None else end + 1,
                    "finished": end is not None,
                    "prompt_truncated": prompt.truncated,
                    "seconds": round(seconds, 4),
                }
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                yield row
            file.flush()
            os.fsync(file.fileno())


def decode(tokenizer: Any, ids: list[int], stops: list[int]) -> str:
    """Text of an answer. <think> and </think> stay, even where a tokenizer calls them special."""
    drop = {*stops, tokenizer.pad_token_id, tokenizer.bos_token_id}
    kept = [i for i in ids if i not in drop]
    return tokenizer.decode(kept, skip_special_tokens=False).strip()
