"""Does the device compute what the CPU does? Loss and gradients of every method, in float32 and in bfloat16.

    python benchmarks/agree.py --model made-4m --only qwthn,qtha

The reference is float32 on the CPU; every adapter is perturbed first, alike everywhere. *gradients* is the largest
distance between gradients of a trained tensor over the tensor's norm. Exit code 1 where something is further away
than rounding explains: float32 keeps 7 digits, of which sums over a model's layers lose two (1e-4, of gradients 1e-3);
bfloat16 keeps 8 bits, 0.4 % a rounding, of which a loss averages most and a gradient through ten layers a few (0.02
and 0.2).
"""

import copy
import sys

import bases
import measure
import torch

ALLOWED = {torch.float32: (1e-4, 1e-3), torch.bfloat16: (0.02, 0.2)}  # of the loss, of a tensor's gradient
Values = tuple[float, dict[str, torch.Tensor]]


def values(base: torch.nn.Module, name: str, ids: torch.Tensor, place: str, dtype: torch.dtype) -> Values:
    """Loss and gradients of a perturbed adapter on this device."""
    model = bases.adapted(copy.deepcopy(base), name)
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in (p for p in model.parameters() if p.requires_grad):
            weight += 0.02 * torch.randn(weight.shape, generator=draw)
    base_weights = {n for n, p in model.named_parameters() if not p.requires_grad}
    model.to(place)
    for key, weight in model.named_parameters():
        if key in base_weights:
            weight.data = weight.data.to(dtype)
    with torch.autocast(place, dtype, enabled=dtype is not torch.float32):
        loss = model(input_ids=ids.to(place), labels=ids.to(place), use_cache=False).loss
    loss.backward()
    grads = {k: p.grad.float().cpu() for k, p in model.named_parameters() if p.grad is not None}
    return loss.item(), grads


def main() -> None:
    options = measure.parser(__doc__)
    bases.add_options(options)
    options.add_argument("--only", help="these methods alone, by their names, with commas")
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    place = measure.device()
    ids = torch.randint(5, 2000, (2, 64), generator=torch.Generator().manual_seed(0))
    base = bases.build(args.model, args.layers).float().cpu()
    names = args.only.split(",") if args.only else bases.method_names()
    where = f"{measure.machine()}; distances from float32 on the CPU"
    table = measure.Table(f"Agreement on {place}", where, ["method", "dtype", "loss", "gradients", "within rounding"])
    wrong = []
    for name in names:
        loss, grads = values(base, name, ids, "cpu", torch.float32)
        for dtype in (torch.float32, torch.bfloat16):
            found, found_grads = values(base, name, ids, place, dtype)
            off = abs(found - loss) / abs(loss)
            worst = max(((found_grads[k] - g).norm() / g.norm().clamp_min(1e-6)).item() for k, g in grads.items())
            good = off <= ALLOWED[dtype][0] and worst <= ALLOWED[dtype][1]
            table.add(name, str(dtype).removeprefix("torch."), off, worst, "yes" if good else "NO")
            wrong += [] if good else [f"{name} in {dtype}"]
    measure.write(args.json, [table])
    if wrong:
        sys.exit(f"further from the CPU than rounding explains: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
