"""One training step and its peak memory: every method of the library against PEFT's LoRA r=4, in pairs.

    python benchmarks/step.py --model DIR                       # all methods
    python benchmarks/step.py --model DIR --only cua,butterfly
    python benchmarks/step.py --model qwen2_7b_instruct --layers 1 --batch 1 --only qwthn   # random weights

Methods are found in configs/adapter. A few at a time share a process with LoRA: each round is one step of LoRA and
one of each of them, every other round backwards. A ratio is the median over the rounds of a step's time to that of
LoRA in the same round, with an interval that holds the median with 95 % probability. Peak memory: weights, gradients
and optimizer states held, plus the most that one step has allocated at a time.
"""

import gc
import statistics
from collections.abc import Callable
from typing import Any

import bases
import measure
import torch
from torch.profiler import ProfilerActivity, profile

from qft.adapters.layer import QftLayer

REFERENCE = "lora"
ADDED, TURNED = 1.10, 1.25  # goals: of what is added to a layer's output, of what turns its input or output
QWTHN = {1: 1.02, 2: 1.04}  # goals of QWTHN by threads

Step = tuple[Callable[[], None], Callable[[], int], float | None]


def stepper(base: Any, name: str, ids: torch.Tensor, threads: int) -> Step:
    """A function that does one optimizer step, one that tells the bytes held between steps, and the method's goal."""
    model = bases.adapted(base, name).train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3)

    def step() -> None:
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def held() -> int:
        tensors = [*model.parameters(), *model.buffers()]
        tensors += [v for state in optimizer.state.values() for v in state.values() if isinstance(v, torch.Tensor)]
        return sum({t.data_ptr(): t.numel() * t.element_size() for t in tensors}.values())

    return step, held, goal(model, name, threads)


def goal(model: Any, name: str, threads: int) -> float | None:
    """The most times LoRA's step that a method of ours should take; None for one of a library, which is as it is."""
    layers = [m for m in model.modules() if isinstance(m, QftLayer)]
    if not layers:
        return None
    if name == "qwthn":
        return QWTHN.get(threads, ADDED)
    turns = any(delta.side != "added" for layer in layers for delta in layer.qft_delta.values())
    return TURNED if turns else ADDED


def peak(step: Callable[[], None]) -> int:
    """The most bytes one step has allocated at a time, beyond what was held before it."""
    if measure.device() == "cuda":
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as run:
        step()
    events = [e for e in run.profiler.kineto_results.events() if e.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most


def row(times: list[float], reference: list[float], memory: tuple[str, str], most: float | None) -> list[str]:
    """The figures of one method: milliseconds, ratio, interval, goal, memory."""
    share, (low, high) = measure.ratio(times, reference), measure.interval(times, reference)
    verdict = "" if most is None else f"{most:.2f}: {'met' if share <= most else 'missed'}"
    return [f"{1e3 * statistics.median(times):.0f}", f"{share:.3f}", f"{low:.3f} to {high:.3f}", verdict, *memory]


def main() -> None:
    options = measure.parser(__doc__)
    bases.add_options(options)
    options.add_argument("--batch", type=int, default=4)
    options.add_argument("--length", type=int, default=512)
    options.add_argument("--only", help="these methods alone, by their names, with commas")
    options.add_argument("--at-once", type=int, default=5, help="methods that share a round with LoRA")
    options.set_defaults(repeats=20)
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 2000, (args.batch, args.length), generator=generator).to(measure.device())
    base = bases.build(args.model, args.layers, args.bits)
    names = args.only.split(",") if args.only else bases.method_names()
    names = [name for name in names if name != REFERENCE]
    title = f"Training step against LoRA's: {bases.title(args)}, {args.threads} thread{'s' * (args.threads > 1)}"
    where = f"{measure.machine()}; batch {args.batch} x {args.length} tokens, {base.dtype}; {measure.clock_name()}, "
    where += f"medians of {args.repeats} rounds and 95 % intervals; methods of a library have no goal"
    columns = ["method", "ms a step", "times LoRA's", "interval", "goal", "peak MB", "times LoRA's"]
    table = measure.Table(title, where, columns)
    for first in range(0, len(names), args.at_once):
        some = [REFERENCE, *names[first : first + args.at_once]]
        made = {name: stepper(base, name, ids, args.threads) for name in some}
        tasks = {name: step for name, (step, _, _) in made.items()}
        times = measure.in_turn(tasks, args.repeats, now=measure.clock)
        memory = {name: held() + peak(step) for name, (step, held, _) in made.items()}
        for name in some[first > 0 :]:  # LoRA's own row once
            space = f"{memory[name] / 1e6:.1f}", f"{memory[name] / memory[REFERENCE]:.3f}"
            table.add(name, *row(times[name], times[REFERENCE], space, made[name][2]))
        del made, tasks
        gc.collect()
    measure.write(args.json, [table])


if __name__ == "__main__":
    main()
