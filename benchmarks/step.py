"""One training step and its peak memory: methods against PEFT's LoRA r=4, same base, batch and dtype, in turn.

    python benchmarks/step.py --model DIR --batch 8 --length 512 --threads 2
    python benchmarks/step.py --model qwen2_7b_instruct --layers 1 --batch 1 --length 512   # random weights

Times are medians over the rounds; ratios are medians of the ratio within a round. Peak memory: weights, gradients
and optimizer states held, plus the most that one step has allocated at a time. Goals for QWTHN: 1.10 x the time
on a small base on a CPU, 1.05 x at Qwen2-7B's layer shapes, 1.02 x the memory.
"""

import statistics
from collections.abc import Callable

import bases
import measure
import torch
from torch.profiler import ProfilerActivity, profile


def stepper(base: object, method: str, ids: torch.Tensor) -> tuple[Callable[[], None], Callable[[], int]]:
    """A function that does one optimizer step, and one that tells the bytes held between steps."""
    model = bases.adapted(base, method).train()
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

    return step, held


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


def main() -> None:
    options = measure.parser(__doc__)
    bases.add_options(options)
    options.add_argument("--batch", type=int, default=8)
    options.add_argument("--length", type=int, default=512)
    options.add_argument("--methods", default="lora,qwthn,qtha,quanta,qaa")
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 2000, (args.batch, args.length), generator=generator).to(measure.device())
    base = bases.build(args.model, args.layers, args.bits)
    made = {name: stepper(base, name, ids) for name in args.methods.split(",")}
    times = measure.in_turn({name: step for name, (step, _) in made.items()}, args.repeats)
    memory = {name: held() + peak(step) for name, (step, held) in made.items()}
    title = f"Training step: {bases.title(args)}"
    where = f"{measure.machine()}; batch {args.batch} x {args.length} tokens, {base.dtype}, median of {args.repeats}"
    where += "; goals for QWTHN: time 1.10 x on a small base, 1.05 x at 7B shapes, memory 1.02 x"
    columns = ["method", "ms a step", "times LoRA's", "peak MB", "times LoRA's"]
    table = measure.Table(title, where, columns)
    for name, values in times.items():
        time, share = 1e3 * statistics.median(values), measure.ratio(values, times["lora"])
        more = memory[name] / memory["lora"]
        table.add(name, f"{time:.1f}", f"{share:.3f}", f"{memory[name] / 1e6:.1f}", f"{more:.3f}")
    measure.write(args.json, [table])


if __name__ == "__main__":
    main()
