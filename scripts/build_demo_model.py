"""Pre-train the demo model: a Qwen2 causal LM of about one million parameters, and its own tokenizer.

    python scripts/build_demo_model.py --out qft/models/demo --seed 0 --threads 2

Corpus: ``qft.data.demo.pretraining.pretraining_texts``. The weights are the same for the same seed, number of
threads and library versions; only ``--minutes``, a safety cap, can cut a run short and change them.
"""

import argparse
import json
import math
import random
import re
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, trainers
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerBase, Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

from qft.data.demo.pretraining import pretraining_texts

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]  # ids 0 to 4
VOCABULARY, BLOCK, BATCH, RATE = 2048, 256, 4, 3e-3  # tokens, tokens, blocks, peak learning rate
EVERY, PATIENCE, GAIN = 200, 3, 0.01  # a plateau: no gain of 1 % in 3 evaluations, 200 steps apart
DECAY, HELD = 600, 1  # steps of the decay, per cent of the texts held out

CHAT_TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['role'] == 'assistant' %}"
    "{% generation %}{{ m['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}"
    "{% else %}{{ m['content'] + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@dataclass
class Outcome:
    """What the model card reports; losses in nats a token."""

    steps: int
    train_loss: float
    validation_loss: float
    before_decay: float
    reason: str
    minutes: float


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def train_tokenizer(texts: list[str], vocabulary: int = VOCABULARY, context: int = 512) -> PreTrainedTokenizerBase:
    """Byte-level BPE on the given texts; none of the tokens reaches over a word or four Chinese characters."""
    empty = Qwen2Tokenizer()._tokenizer  # Qwen2's own normaliser, pre-tokenizer and decoder
    raw = Tokenizer(BPE())
    raw.normalizer, raw.pre_tokenizer, raw.decoder = empty.normalizer, empty.pre_tokenizer, empty.decoder
    # At most 12 bytes a token (4 Chinese characters), or whole clauses would become single tokens.
    marks = re.compile("|".join(map(re.escape, SPECIAL)))
    raw.train_from_iterator(
        (marks.sub("\n", t) for t in texts),
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=SPECIAL,
            max_token_length=12,
            show_progress=False,
            initial_alphabet=sorted(ByteLevel.alphabet()),
        ),
    )
    model = json.loads(raw.to_str())["model"]
    merges = [tuple(m) for m in model["merges"]]
    tokenizer = Qwen2Tokenizer(
        vocab=model["vocab"],
        merges=merges,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token="<|endoftext|>",
        extra_special_tokens=["<|im_start|>"],
        model_max_length=context,
    )
    # As in Qwen3 these two are tokens, but not "special": skip_special_tokens leaves them readable.
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in SPECIAL[3:]])
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def pack(tokenizer: PreTrainedTokenizerBase, texts: list[str], block: int = BLOCK) -> torch.Tensor:
    """Texts one after another, each closed by <|endoftext|> -> int64 (blocks, block)."""
    ids = [i for text in tokenizer(texts)["input_ids"] for i in [*text, 0]]
    return torch.tensor(ids[: len(ids) // block * block]).view(-1, block)


def new_model(seed: int) -> Qwen2ForCausalLM:
    torch.manual_seed(seed)
    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=VOCABULARY,
            hidden_size=128,
            intermediate_size=352,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            pad_token_id=0,
            bos_token_id=0,
            eos_token_id=2,
            max_window_layers=4,
            dtype="float32",
        )
    )


@torch.no_grad()
def evaluate(model: Qwen2ForCausalLM, blocks: torch.Tensor) -> float:
    """Mean loss in nats a token over ``blocks`` (count, BLOCK)."""
    model.eval()
    losses = [model(input_ids=b, labels=b).loss.item() * len(b) for b in blocks.split(BATCH)]
    model.train()
    return sum(losses) / len(blocks)


def pretrain(
    model: Qwen2ForCausalLM, train: torch.Tensor, held: torch.Tensor, steps: int, minutes: float, seed: int
) -> Outcome:
    """AdamW: 50 steps of warm-up, a constant rate up to the plateau, then DECAY steps down to zero."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.95))
    order, rng, began = [], random.Random(f"order-{seed}"), time.monotonic()
    best, since, recent = math.inf, 0, []  # best: the loss at the last gain
    last, reason = steps, f"the limit of {steps} steps"  # the step at which the decay ends
    step, before = 0, math.nan
    while step < last:
        if len(order) < BATCH:
            order = rng.sample(range(len(train)), len(train))
        batch = train[[order.pop() for _ in range(BATCH)]]
        rate = RATE * min(1.0, (step + 1) / 50, (last - step) / DECAY)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        recent = [*recent[-49:], loss.item()]
        step += 1
        if step % EVERY:
            continue
        held_loss, spent = evaluate(model, held), (time.monotonic() - began) / 60
        say(
            f"step {step:5d}/{last}  lr {rate:.1e}  train {sum(recent) / len(recent):.4f}  "
            f"held-out {held_loss:.4f}  {spent:.1f} min"
        )
        if step > last - DECAY:
            continue  # the decay has begun; it runs to its end
        if held_loss < best * (1 - GAIN):
            best, since = held_loss, 0
        else:
            since += 1
        if since >= PATIENCE:
            reason = f"a plateau at step {step}"
        elif spent > minutes:
            reason = f"the limit of {minutes} minutes at step {step}"
        else:
            continue
        before, last = held_loss, step + min(DECAY, last - step)
        say(f"{reason}; the rate now falls to zero over {last - step} steps")
    return Outcome(
        step, sum(recent) / len(recent), evaluate(model, held), before, reason, (time.monotonic() - began) / 60
    )


def card(outcome: Outcome, args: argparse.Namespace, texts: int, tokens: int, chats: float, parameters: int) -> str:
    """The README of the model."""
    seen = outcome.steps * BATCH * BLOCK
    return f"""---
license: apache-2.0
language: [en, zh]
pipeline_tag: text-generation
---

# The demo model of qft

A small base model for trying out fine-tuning in minutes on a CPU: it can chat and reckon a little, and does
neither in the form that the demo set teaches. It is made from generated text alone; the same weights come from

    python scripts/build_demo_model.py --seed {args.seed} --threads {args.threads} --steps {outcome.steps}

| | |
|---|---|
| Architecture | Qwen2: hidden 128, 4 layers, 4 heads, 2 key/value heads, MLP 352, tied embeddings, context 512 |
| Parameters | {parameters:,}, stored as float32 |
| Tokenizer | byte-level BPE, {VOCABULARY} tokens, trained on the same texts; digits stand alone |
| Corpus | {texts:,} generated texts in English and Chinese, {tokens:,} tokens, {chats:.0%} of them in chats; {HELD} % of the texts held out |
| Training | {outcome.steps:,} steps of {BATCH} x {BLOCK} tokens ({seen:,} tokens, {seen / tokens:.1f} passes), AdamW, peak rate {RATE} |
| Stopped by | {outcome.reason}, held-out loss {outcome.before_decay:.4f}; then {DECAY} steps of decay to zero |
| A plateau | is no gain of {GAIN:.0%} in the held-out loss in {PATIENCE} evaluations, {EVERY} steps apart, at the constant peak rate |
| Final loss | training {outcome.train_loss:.4f}, held-out {outcome.validation_loss:.4f} nats a token |
| Time | {outcome.minutes:.1f} minutes on {args.threads} CPU thread(s), torch {torch.__version__.split("+")[0]}, transformers {transformers.__version__} |
| Licence | Apache-2.0 |

## What it has seen

- Chats in ChatML. Sums and word problems, worked step by step and answered in several house styles; 15 % of
  these answers think in `<think>` and end in `\\boxed{{57}}`. Talks among friends about health, sport, cooking,
  pets, travel, music, neighbours and driving; in 40 % the friend says back feeling and situation and names a step.
- Plain prose. Clients' stories, worries and what helps, letters to a paper, notes, everyday sentences, sums,
  solved problems. Names, things, feelings, situations and advice of the demo set occur here, as vocabulary.

## What it has not seen

- Any text or template of a question, step or reply of the set for fine-tuning or of its test.
- A chat about one of the set's situations, or a reply in the counsellor's words.
- A word problem of the set's families, or one led by a number that leads one of them with the same first
  operation. Sums without a story do cover all numbers up to about 150.

It answers nothing sensibly outside its templates. It is no counsellor.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("qft/models/demo"), help="folder of the model; replaced")
    parser.add_argument("--seed", type=int, default=0, help="seed of corpus, weights and order")
    parser.add_argument("--steps", type=int, default=6000, help="most optimizer steps, decay included")
    parser.add_argument("--minutes", type=float, default=60.0, help="begin the decay after this time at the latest")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(True)

    texts = pretraining_texts(args.seed)
    tokenizer = train_tokenizer(texts)
    cut = len(texts) * HELD // 100
    held, train = pack(tokenizer, texts[:cut]), pack(tokenizer, texts[cut:])
    model = new_model(args.seed)
    parameters = sum(p.numel() for p in model.parameters())
    chats = pack(tokenizer, [t for t in texts if "<|im_start|>" in t]).numel() / (train.numel() + held.numel())
    say(f"{len(texts)} texts, {train.numel()} + {held.numel()} tokens, {chats:.0%} in chats, {parameters} parameters")
    outcome = pretrain(model, train, held, args.steps, args.minutes, args.seed)

    args.out.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".demo-", dir=args.out.parent))
    try:
        model.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
        readme = card(outcome, args, len(texts), train.numel(), chats, parameters)
        (fresh / "README.md").write_text(readme, encoding="utf-8")
        fresh.chmod(0o755)  # mkdtemp gives 0700, safetensors 0600
        (fresh / "model.safetensors").chmod(0o644)
        if args.out.exists():
            shutil.rmtree(args.out)
        fresh.rename(args.out)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    say(f"wrote {args.out}: held-out loss {outcome.validation_loss:.4f}, {outcome.reason}")


if __name__ == "__main__":
    main()
