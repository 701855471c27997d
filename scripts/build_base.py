"""Pre-train a base of four million parameters, with its own tokenizer, on text files of your own.

    python scripts/build_base.py TEXTS... --without SAMPLES... --out DIR

TEXTS and SAMPLES are files or directories: each .txt file is a text (with --paragraphs its paragraphs are), and every
column of text of a row is one (.jsonl, .json, .csv, .parquet). A text that shares 13 consecutive words, or Chinese
characters, with any of SAMPLES is left out, so that the base has not seen what it will be tested on. Plain text is
learned as it stands; write chats in ChatML if the base should know them. The weights are the same for the same texts,
options, number of threads and library versions.
"""

import argparse
import hashlib
import math
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
import transformers
from build_demo_model import pack, say, train_tokenizer
from transformers import Qwen2Config, Qwen2ForCausalLM

from qft.data.duplicates import normalised, runs
from qft.data.files import SUFFIXES, locate, open_data
from qft.data.rows import decode, read_rows
from qft.errors import QftError

BETAS, DECAYED, WARMUP, CLIP = (0.9, 0.95), 0.1, 0.02, 1.0  # of AdamW; a share of the steps; largest norm
DTYPE = torch.float16  # of the stored weights


@dataclass(frozen=True)
class Size:
    """The architecture, Qwen2 with tied embeddings; the defaults are 3,888,960 parameters."""

    vocabulary: int = 6144  # tokens
    hidden: int = 224
    layers: int = 5
    heads: int = 7
    kv_heads: int = 1
    mlp: int = 576
    context: int = 1024  # tokens

    def build(self, vocabulary: int, seed: int) -> Qwen2ForCausalLM:
        """A model of this size with random weights; ``vocabulary``: tokens that the tokenizer really has."""
        torch.manual_seed(seed)
        config = Qwen2Config(
            vocab_size=vocabulary,
            hidden_size=self.hidden,
            intermediate_size=self.mlp,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.kv_heads,
            max_position_embeddings=self.context,
            tie_word_embeddings=True,
            pad_token_id=0,
            bos_token_id=0,
            eos_token_id=2,
            dtype="float32",
        )
        return Qwen2ForCausalLM(config)


@dataclass(frozen=True)
class Corpus:
    """What is learned, and what was left out of it."""

    texts: list[str]
    held: list[str]  # one in a hundred, on which the loss is measured
    left_out: int  # texts near one of SAMPLES
    repeated: int  # texts that repeat an earlier one

    @property
    def sha256(self) -> str:
        """Over all texts, in order."""
        return hashlib.sha256("\0".join([*self.texts, *self.held]).encode()).hexdigest()


def read(paths: Sequence[str], paragraphs: bool) -> Iterator[str]:
    """The texts of files and directories, in the order of their names. Raises QftError for what holds none."""
    for path in paths:
        place = locate(path, "a file or directory of texts", "TEXTS")
        files = sorted(f for f in place.rglob("*") if f.suffix in (".txt", *SUFFIXES)) if place.is_dir() else [place]
        if not files:
            raise QftError(f"{path} holds no .txt, {', '.join(SUFFIXES)} file.")
        for file in files:
            if file.suffix == ".txt":
                with open_data(file) as opened:
                    text = decode(opened.read(), file).replace("\r\n", "\n").strip()
                yield from (part for part in (text.split("\n\n") if paragraphs else [text]) if part.strip())
            else:
                yield from (value for row in read_rows(file) for value in row.data.values()
                            if isinstance(value, str) and value.strip())  # fmt: skip


def corpus(texts: Iterator[str], samples: Iterator[str], seed: int) -> Corpus:
    """The texts that are learned, shuffled by ``seed``, without repeats and without those near a sample."""
    unseen = {run for sample in samples for run in runs(normalised(sample))}
    kept: dict[str, None] = {}
    left_out = repeated = 0
    for text in texts:
        if not unseen.isdisjoint(runs(normalised(text))):
            left_out += 1
        elif text in kept:
            repeated += 1
        else:
            kept[text] = None
    shuffled = list(kept)
    random.Random(f"texts-{seed}").shuffle(shuffled)
    cut = max(1, len(shuffled) // 100)
    if len(shuffled) < 2:
        raise QftError(f"{len(shuffled)} texts are left to learn, {left_out} were left out; give more.")
    return Corpus(shuffled[cut:], shuffled[:cut], left_out, repeated)


@torch.no_grad()
def loss_on(model: Qwen2ForCausalLM, blocks: torch.Tensor, batch: int) -> float:
    """Mean loss over ``blocks`` (count, block), in nats a token."""
    model.eval()
    losses = [float(model(input_ids=b, labels=b).loss) * len(b) for b in blocks.split(batch)]
    model.train()
    return sum(losses) / len(blocks)


def pretrain(model: Qwen2ForCausalLM, blocks: torch.Tensor, steps: int, batch: int, rate: float, seed: int) -> float:
    """AdamW with warm-up and a cosine down to zero; returns the mean loss of the last fiftieth of the steps."""
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": DECAYED},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=rate, betas=BETAS)
    rng, warmup, began = random.Random(f"order-{seed}"), max(1, int(WARMUP * steps)), time.monotonic()
    order: list[int] = []
    losses = []
    for step in range(steps):
        while len(order) < batch:
            order = [*rng.sample(range(len(blocks)), len(blocks)), *order]
        chosen = blocks[[order.pop() for _ in range(batch)]]
        done = (step - warmup) / max(1, steps - warmup)
        for group in optimizer.param_groups:
            group["lr"] = rate * min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * max(0.0, done))))
        loss = model(input_ids=chosen, labels=chosen).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        if step % 100 == 99:
            say(f"step {step + 1}/{steps}  loss {sum(losses[-100:]) / 100:.4f}  {time.monotonic() - began:.0f} s")
    last = losses[-max(1, steps // 50) :]
    return sum(last) / len(last)


def card(args: argparse.Namespace, learned: Corpus, facts: dict[str, Any]) -> str:
    """The README of the model. Files are named, but not where they lie."""
    size = ", ".join(f"{field.name.replace('_', ' ')} {getattr(args, field.name)}" for field in fields(Size))
    options = " ".join(f"--{key.replace('_', '-')} {getattr(args, key)}" for key in ("seed", "passes", "threads"))
    texts, samples = ([Path(p).name for p in paths] for paths in (args.texts, args.without))
    rows = {
        "Architecture": f"Qwen2 with tied embeddings: {size}",
        "Parameters": f"{facts['parameters']:,}, stored as {str(DTYPE).removeprefix('torch.')}",
        "Tokenizer": f"byte-level BPE, {facts['vocabulary']:,} tokens, trained on the same texts; ChatML",
        "Texts": f"{len(learned.texts):,} of {', '.join(texts)}; {facts['tokens']:,} tokens",
        "Held out": f"{len(learned.held):,} texts",
        "Left out": f"{learned.left_out:,} that share 13 words in a row with {', '.join(samples) or 'nothing'}; "
        f"{learned.repeated:,} repeats",
        "SHA-256 of the texts": learned.sha256,
        "Training": f"{facts['steps']:,} steps of {args.batch} x {args.block} tokens, AdamW, peak rate {args.rate:g}",
        "Final loss": f"training {facts['train']:.4f}, held-out {facts['held']:.4f} nats a token",
        "SHA-256 of the weights": facts["weights"],
        "Made with": f"scripts/build_base.py {options}; torch {torch.__version__}, transformers "
        f"{transformers.__version__}",
    }
    table = "\n".join(f"| {key} | {value} |" for key, value in rows.items())
    return f"# {args.out.name}\n\nA small base model, pre-trained from scratch.\n\n| | |\n|---|---|\n{table}\n"


def build(args: argparse.Namespace) -> None:
    """Corpus, tokenizer, model, training, files."""
    learned = corpus(read(args.texts, args.paragraphs), read(args.without, False), args.seed)
    say(f"{len(learned.texts)} texts to learn, {len(learned.held)} held out, {learned.left_out} left out")
    tokenizer = train_tokenizer(learned.texts, args.vocabulary, sys.maxsize)
    blocks, held = pack(tokenizer, learned.texts, args.block), pack(tokenizer, learned.held, args.block)
    tokenizer.model_max_length = args.context  # a text may be longer: it is cut into blocks
    if not len(blocks) or not len(held):
        raise QftError(f"The texts have fewer than {args.block} tokens in one of the two parts; give more.")
    model = Size(*(getattr(args, field.name) for field in fields(Size))).build(len(tokenizer), args.seed)
    steps = max(1, math.ceil(args.passes * len(blocks) / args.batch))
    train = pretrain(model, blocks, steps, args.batch, args.rate, args.seed)
    facts: dict[str, Any] = {"train": train, "held": loss_on(model, held, args.batch), "steps": steps}
    facts |= {"parameters": model.num_parameters(), "tokens": blocks.numel(), "vocabulary": len(tokenizer)}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".base-", dir=args.out.parent))
    try:
        model.to(DTYPE).save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
        facts["weights"] = hashlib.sha256((fresh / "model.safetensors").read_bytes()).hexdigest()
        (fresh / "README.md").write_text(card(args, learned, facts), encoding="utf-8")
        fresh.chmod(0o755)  # mkdtemp gives 0700, safetensors 0600
        (fresh / "model.safetensors").chmod(0o644)
        fresh.rename(args.out)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    say(f"wrote {args.out}: held-out loss {facts['held']:.4f} nats a token")


def main(given: Sequence[str] | None = None) -> int:
    """Exit code 2, with one sentence, for what the user can put right."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("texts", nargs="+", metavar="TEXTS", help="files or directories to learn")
    parser.add_argument("--without", nargs="+", default=[], metavar="SAMPLES", help="what the base must not see")
    parser.add_argument("--paragraphs", action="store_true", help="each paragraph of a .txt file is a text of its own")
    parser.add_argument("--out", type=Path, required=True, help="directory of the model; must not exist")
    parser.add_argument("--seed", type=int, default=0, help="of weights and order")
    parser.add_argument("--passes", type=float, default=3.5, help="over the texts")
    parser.add_argument("--batch", type=int, default=8, help="blocks a step")
    parser.add_argument("--block", type=int, default=256, help="tokens a block")
    parser.add_argument("--rate", type=float, default=2e-3, help="peak learning rate")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    for field in fields(Size):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=int, default=field.default, help=field.name)
    args = parser.parse_args(given)
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(True)
    try:
        if args.out.exists():
            raise QftError(f"{args.out} exists; name another directory with --out.")
        if min(args.passes, args.batch, args.rate, args.block - 1) <= 0 or args.block > args.context:
            raise QftError("passes, batch and rate must be above 0, and block between 2 and context.")
        if args.hidden % args.heads or args.heads % args.kv_heads:
            raise QftError("heads must divide hidden, and kv-heads must divide heads.")
        build(args)
    except QftError as error:
        say(str(error))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
