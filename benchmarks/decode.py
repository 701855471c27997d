"""Generated tokens per second against PEFT's LoRA r=4, batch 1 and 16, greedy, in turn on one base.

    python benchmarks/decode.py --model DIR --tokens 64

Every adapter is perturbed first, so that nothing is multiplied by zero. Each method of ours is measured as it is and
within ``generating(model)``, which ``qft eval`` enters once for all answers; LoRA is PEFT's, unmerged. Prefill is the
prompt alone, one token written after it.
"""

import copy
import statistics
from collections.abc import Callable
from contextlib import ExitStack

import bases
import measure
import torch

from qft.adapters.generation import generating

GOALS = {"qwthn": 1.0, "qtha": 1.0, "quanta": 0.95}  # of LoRA's tokens per second, within generating()


def generator(model: object, ids: torch.Tensor, tokens: int) -> Callable[[], None]:
    """A function that writes ``tokens`` tokens after each prompt."""
    options = {"min_new_tokens": tokens, "max_new_tokens": tokens, "do_sample": False, "pad_token_id": 0}

    @torch.inference_mode()
    def run() -> None:
        model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **options)

    return run


def perturbed(base: object, name: str, draw: torch.Generator) -> object:
    """A method on the base, away from its start."""
    model = bases.adapted(base, name).eval()
    with torch.no_grad():
        for weight in (p for p in model.parameters() if p.requires_grad):
            weight += 0.01 * torch.randn(weight.shape, generator=draw).to(weight)
    return model


def row(name: str, times: list[float], lora: list[float], tokens: int) -> list[str]:
    """Tokens per second, their ratio to LoRA's with its interval, and the goal."""
    share = 1 / measure.ratio(times, lora)
    low, high = (1 / x for x in reversed(measure.interval(times, lora)))
    goal = next((g for method, g in GOALS.items() if name == f"{method}, generating()"), None)
    verdict = "" if goal is None else f"{goal:.2f}: {'met' if share >= goal else 'missed'}"
    return [f"{tokens / statistics.median(times):.0f}", f"{share:.3f}", f"{low:.3f} to {high:.3f}", verdict]


def main() -> None:
    options = measure.parser(__doc__)
    bases.add_options(options)
    options.add_argument("--batches", default="1,16")
    options.add_argument("--prompt", type=int, default=64)
    options.add_argument("--tokens", type=int, default=64)
    options.add_argument("--methods", default="qwthn,qtha,quanta")
    options.set_defaults(repeats=20)
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    draw = torch.Generator().manual_seed(0)
    base = bases.build(args.model, args.layers, args.bits)
    names = args.methods.split(",")
    models = {name: perturbed(base, name, draw) for name in ["lora", *names]}
    fused = {f"{name}, generating()": perturbed(copy.deepcopy(base), name, draw) for name in names}
    title = f"Decoding: {bases.title(args)}"
    where = (
        f"{measure.machine()}; prompts of {args.prompt}, {args.tokens} new tokens; {measure.clock_name()}, medians of "
    )
    where += f"{args.repeats} rounds and 95 % intervals"
    columns = ["batch", "what", "method", "tokens/s", "times LoRA's", "interval", "goal"]
    table = measure.Table(title, where, columns)
    with ExitStack() as contexts:
        for model in fused.values():  # each on a base of its own, whose weights lie with its rows
            contexts.enter_context(generating(model))
        for batch in (int(b) for b in args.batches.split(",")):
            ids = torch.randint(5, 2000, (batch, args.prompt), generator=draw).to(measure.device())
            for what, tokens, counted in (("decoding", args.tokens, args.tokens), ("prefill", 1, args.prompt)):
                tasks = {name: generator(model, ids, tokens) for name, model in (models | fused).items()}
                times = measure.in_turn(tasks, args.repeats, now=measure.clock)
                for name, values in times.items():
                    table.add(batch, what, name, *row(name, values, times["lora"], batch * counted))
    measure.write(args.json, [table])


if __name__ == "__main__":
    main()
