"""Generated tokens per second against PEFT's LoRA r=4, batch 1 and 16, greedy, in turn on one base.

    python benchmarks/decode.py --model DIR --tokens 64

Every adapter is perturbed first, so that nothing is multiplied by zero. Goal for QWTHN: 0.95 of LoRA at batch 16.
"""

import statistics

import bases
import measure
import torch


def generator(model: object, ids: torch.Tensor, tokens: int):
    """A function that writes ``tokens`` tokens after each prompt."""
    options = {"min_new_tokens": tokens, "max_new_tokens": tokens, "do_sample": False, "pad_token_id": 0}

    @torch.inference_mode()
    def run() -> None:
        model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **options)

    return run


def main() -> None:
    options = measure.parser(__doc__)
    bases.add_options(options)
    options.add_argument("--batches", default="1,16")
    options.add_argument("--prompt", type=int, default=64)
    options.add_argument("--tokens", type=int, default=64)
    options.add_argument("--methods", default="lora,qwthn,qtha,quanta")
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    draw = torch.Generator().manual_seed(0)
    base = bases.build(args.model, args.layers, args.bits)
    models = {}
    for name in args.methods.split(","):
        models[name] = bases.adapted(base, name).eval()
        with torch.no_grad():
            for weight in (p for p in models[name].parameters() if p.requires_grad):
                weight += 0.01 * torch.randn(weight.shape, generator=draw).to(weight)
    title = f"Decoding: {bases.title(args)}"
    where = f"{measure.machine()}; prompts of {args.prompt}, {args.tokens} new tokens, median of {args.repeats}"
    where += "; goal for QWTHN: 0.95 at batch 16"
    table = measure.Table(title, where, ["batch", "method", "tokens/s", "times LoRA's"])
    for batch in (int(b) for b in args.batches.split(",")):
        ids = torch.randint(5, 2000, (batch, args.prompt), generator=draw).to(measure.device())
        tasks = {name: generator(model, ids, args.tokens) for name, model in models.items()}
        times = measure.in_turn(tasks, args.repeats)
        for name, values in times.items():
            speed = batch * args.tokens / statistics.median(values)
            table.add(batch, name, f"{speed:.1f}", f"{1 / measure.ratio(values, times['lora']):.3f}")
    measure.write(args.json, [table])


if __name__ == "__main__":
    main()
