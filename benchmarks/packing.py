"""Packing against padding on dialogues: tokens per second and loss per supervised token, in turn on one base.

python benchmarks/packing.py --model DIR --data DIR_OF_CPSYCOUN
"""

import statistics

import bases
import measure
import torch
from transformers import AutoTokenizer, DataCollatorForSeq2Seq

from qft.data import template
from qft.data.datasets import cpsycoun
from qft.data.prepare import subset
from qft.training import blocks, packing


def main() -> None:
    options = measure.parser(__doc__)
    options.add_argument("--model", required=True, help="directory of a base")
    options.add_argument("--data", required=True, help="directory of CPsyCounD")
    options.add_argument("--n", type=int, default=40)
    options.add_argument("--batch", type=int, default=8)
    options.add_argument("--attention", help="attention of the base: sdpa, flash_attention_2, flex_attention")
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    samples, _ = subset(cpsycoun.load(path=args.data, rows="0:1000").pool, args.n)
    rows = template.encode(samples, tokenizer, template.choose(tokenizer), 1024).rows
    base = bases.build(args.model, None)
    if args.attention:
        base.set_attn_implementation(args.attention)
    model = bases.adapted(base, "qwthn").train()
    blocks.use(model)
    packing.check_isolated(model)
    batches = [rows[k : k + args.batch] for k in range(0, len(rows), args.batch)]
    losses: dict[str, list[float]] = {"padding": [], "packing": []}

    def task(name: str, collate):
        def run() -> None:
            total = supervised = 0.0
            for batch in batches:
                ready = {k: torch.as_tensor(v).to(measure.device()) for k, v in collate(batch).items()}
                count = int((ready["labels"][:, 1:] != -100).sum())
                loss = model(**ready, use_cache=False).loss
                loss.backward()
                model.zero_grad()
                total, supervised = total + loss.item() * count, supervised + count
            losses[name].append(total / supervised)

        return run

    padded = DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=-100)
    tasks = {"padding": task("padding", padded), "packing": task("packing", packing.collator())}
    times = measure.in_turn(tasks, args.repeats, now=measure.clock)
    tokens = sum(len(r["input_ids"]) for r in rows)
    cells = sum(len(b) * max(len(r["input_ids"]) for r in b) for b in batches)
    where = f"{measure.machine()}; batch {args.batch}, attention {model.config._attn_implementation}, {base.dtype}"
    where += f"; {measure.clock_name()}"
    columns = ["batches", "real tokens/s", "times padding's", "loss per token", "padding"]
    table = measure.Table(f"Packing: {len(rows)} CPsyCounD dialogues, {tokens:,} tokens", where, columns)
    for name, values in times.items():
        speed = tokens / statistics.median(values)
        empty = f"{1 - tokens / cells:.1%}" if name == "padding" else "none"
        share = 1 / measure.ratio(values, times["padding"])
        table.add(name, f"{speed:,.0f}", f"{share:.2f}", f"{losses[name][-1]:.5f}", empty)
    measure.write(args.json, [table])


if __name__ == "__main__":
    main()
