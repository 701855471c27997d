"""Answers of a tiny model: resumed, in any batch size, one by one on disk, greedy or drawn."""

import json
from pathlib import Path

import pytest
import tiny
import torch

from qft.data.template import Prompt
from qft.evaluation.decoding import Decoding
from qft.evaluation.generate import generate
from qft.records import Sampling

LENGTHS = (3, 9, 5, 7, 4, 6, 8)


class Letters:
    """A tokenizer of numbers: token 11 is the text "11"; 2 ends an answer."""

    pad_token_id, eos_token_id, bos_token_id = 0, 2, 1

    def get_vocab(self) -> dict:
        return {str(k): k for k in range(tiny.VOCAB)}

    def decode(self, ids: list[int], **kwargs: object) -> str:
        return " ".join(map(str, ids))


@pytest.fixture(scope="module")
def model():
    return tiny.build("qwen2")


@pytest.fixture(scope="module")
def prompts() -> list[Prompt]:
    ids = [tuple(tiny.tokens(1, n, seed=n)[0].tolist()) for n in LENGTHS]
    return [Prompt(f"s{k}", 1, i, "q", "r", False) for k, i in enumerate(ids)]


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def same(ours: list[dict], theirs: list[dict]) -> bool:
    """Equal but for the clock and the memory."""
    cost = ("seconds", "peak_memory_bytes")
    return [{k: v for k, v in r.items() if k not in cost} for r in ours] == [
        {k: v for k, v in r.items() if k not in cost} for r in theirs
    ]


def stopping(model: object, prompts: list[Prompt], path: Path) -> int:
    """A token that ends some answers early and others never, chosen from what the model writes unstopped."""
    list(generate(model, Letters(), prompts, Decoding(12, 8), path))
    texts = [set(r["prediction"].split()) for r in rows(path)]
    counts = {t: sum(t in text for text in texts) for t in set().union(*texts)}
    return int(next(t for t, n in sorted(counts.items()) if 1 <= n < len(prompts)))


@pytest.fixture(scope="module")
def tokenizer(model, prompts, tmp_path_factory) -> Letters:
    found = Letters()
    found.eos_token_id = stopping(model, prompts, tmp_path_factory.mktemp("free") / "p.jsonl")
    return found


def greedy(model: object, ids: tuple[int, ...], stop: int, limit: int) -> list[int]:
    """The slow obvious way: one prompt, no padding, no cache."""
    out: list[int] = []
    with torch.no_grad():
        while len(out) < limit and stop not in out:
            logits = model(input_ids=torch.tensor([[*ids, *out]]), use_cache=False).logits
            out.append(int(logits[0, -1].argmax()))
    return out


def test_answers_are_the_greedy_ones_whatever_the_batch(model, tokenizer, prompts, tmp_path: Path) -> None:
    expected = [greedy(model, p.ids, tokenizer.eos_token_id, 12) for p in prompts]
    assert len({e[-1] == tokenizer.eos_token_id for e in expected}) == 2, "some end, some do not"
    for size in (1, 3, 8):
        path = tmp_path / f"{size}.jsonl"
        list(generate(model, tokenizer, prompts, Decoding(12, size), path))
        for row, prompt, answer in zip(rows(path), prompts, expected, strict=True):
            ended = answer[-1] == tokenizer.eos_token_id
            assert row["id"] == prompt.id and row["finished"] == ended and row["tokens"] == len(answer)
            assert row["prediction"] == " ".join(map(str, answer[:-1] if ended else answer))
            assert row["prompt_tokens"] == len(prompt.ids) and row["peak_memory_bytes"] > 0


def test_a_file_cut_anywhere_ends_as_if_it_had_not_been(model, tokenizer, prompts, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    decoding = Decoding(6, 3)
    list(generate(model, tokenizer, prompts, decoding, path))
    whole, content = rows(path), path.read_bytes()
    lines = content.splitlines(keepends=True)
    without_one = b"".join(lines[:1] + lines[2:])  # a bad row that a user took out
    for left in [*(content[:cut] for cut in range(0, len(content), len(content) // 20)), without_one]:
        path.write_bytes(left)
        yielded = list(generate(model, tokenizer, prompts, decoding, path))
        assert same(rows(path), whole) and len(yielded) == len(prompts)


def test_each_answer_is_on_disk_while_its_batch_goes_on(model, tokenizer, prompts, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    seen: list[int] = []
    forward = model.forward

    def watched(*args: object, **kwargs: object) -> object:
        seen.append(len(path.read_text().splitlines()))
        return forward(*args, **kwargs)

    model.forward = watched
    try:
        list(generate(model, tokenizer, prompts, Decoding(12, 8), path))
    finally:
        del model.forward
    assert len(seen) == 12 and seen[0] == 0 and 0 < seen[-1] < len(prompts)
    assert [r["id"] for r in rows(path)] == [p.id for p in prompts], "in order once all are there"


def test_drawn_answers_are_seeded_by_batch(model, tokenizer, prompts, tmp_path: Path) -> None:
    path, other, fresh = (tmp_path / name for name in "abc")
    drawn = Decoding(8, 3, do_sample=True, temperature=2.0, top_p=0.9, seed=1)
    state = torch.get_rng_state()
    list(generate(model, tokenizer, prompts, drawn, path))
    assert torch.equal(torch.get_rng_state(), state), "nobody else's draws change"
    whole, lines = rows(path), path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:4]))
    list(generate(model, tokenizer, prompts, drawn, path))
    assert same(rows(path), whole)
    list(generate(model, tokenizer, prompts, Decoding(8, 3, True, 2.0, 0.9, seed=2), other))
    list(generate(model, tokenizer, prompts, Decoding(8, 3), fresh))
    assert not same(rows(other), whole) and not same(rows(fresh), whole)
    assert drawn.recorded() == Sampling(temperature=2.0, top_p=0.9, seed=1)
    assert Decoding(8, 3).recorded() == "greedy"


def test_a_time_limit_ends_a_batch(model, tokenizer, prompts, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    list(generate(model, tokenizer, prompts, Decoding(12, 8, max_seconds=1e-6), path))
    assert [r["tokens"] for r in rows(path)] == [1] * len(prompts)


def test_what_a_models_own_file_asks_for_does_not_apply(model, tokenizer, prompts, tmp_path: Path) -> None:
    plain, other = tmp_path / "a", tmp_path / "b"
    list(generate(model, tokenizer, prompts, Decoding(12, 8), plain))
    model.generation_config.repetition_penalty = 5.0  # Qwen2's file has 1.05
    try:
        list(generate(model, tokenizer, prompts, Decoding(12, 8), other))
    finally:
        model.generation_config.repetition_penalty = None
    assert same(rows(other), rows(plain))
