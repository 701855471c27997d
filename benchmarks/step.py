"""One training step and its peak memory: QWTHN against PEFT's LoRA r=4, same base, batch and dtype, in turn.

    python benchmarks/step.py --model DIR --batch 8 --length 512 --threads 2

Prints medians over the repeats and the ratio of each pair; needs only torch, transformers and peft beside qft.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import peft
import torch
import transformers
from transformers import AutoModelForCausalLM

import qft.adapters

METHODS = {
    "lora": lambda: peft.LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"),
    "qwthn": lambda: qft.adapters.METHODS["qwthn"](task_type="CAUSAL_LM", target_modules=["q_proj", "v_proj"]),
}


def stepper(config: peft.PeftConfig, path: str, ids: torch.Tensor, device: str) -> Callable[[], None]:
    """A function that does one optimizer step of a freshly loaded base with this adapter."""
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    model = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(path, dtype=dtype).to(device), config)
    model.train()
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-3)

    def step() -> None:
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if device == "cuda":
            torch.cuda.synchronize()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="directory of the base model")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 2000, (args.batch, args.length), generator=generator).to(device)
    steps = {name: stepper(make(), args.model, ids, device) for name, make in METHODS.items()}
    for step in steps.values():
        step()
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(args.repeats):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - start)
    print(
        f"{platform.processor() or platform.machine()}, {args.threads} threads, {device}, torch {torch.__version__}, ",
        end="",
    )
    print(f"transformers {transformers.__version__}, peft {peft.__version__}")
    print(f"{args.model}: batch {args.batch} x {args.length} tokens, median of {args.repeats}")
    for name, values in times.items():
        ratio = statistics.median(v / r for v, r in zip(values, times["lora"], strict=True))
        print(f"  {name:<8} {1e3 * statistics.median(values):9.1f} ms   {ratio:.3f} x LoRA")


if __name__ == "__main__":
    main()
