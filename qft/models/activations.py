"""What the adapted layers of a model read, and what their adapters add: seen batch by batch, in bounded memory.

    y = base(x) + d(x)        x (in,): what a layer reads;  d (out,): what its adapter changes

Of an adapter behind a block, x is what the block gives out. Tokens that only pad a row are left out. ``observe`` hands
every layer's rows on; ``moments`` sums them up, ``sampled_rows`` keeps the same few tokens of every layer.

    batches = padded(tokenizer, encoded.rows, batch_size=8)
    rows = sampled_rows(model, batches, most=4096, seed=0)["model.layers.0.self_attn.q_proj"]
    rows.inputs, rows.changes                          # (rows, in), (rows, out)
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from qft.adapters.delta import Delta
from qft.adapters.layer import QftLayer
from qft.progress import bar

Batch = Mapping[str, Tensor]  # input_ids and attention_mask, (rows, tokens)
See = Callable[[str, Tensor, Tensor | None], None]  # layer, inputs (t, in), changes (t, out) where they are asked for


def adapted(model: nn.Module) -> Mapping[str, Any]:
    """The adapted layers by their names in the base model, in the model's order."""
    return {
        name.removeprefix("base_model.model."): module
        for name, module in model.named_modules()
        if isinstance(module, BaseTunerLayer)
    }


def padded(tokenizer: Any, rows: Sequence[Mapping[str, Sequence[int]]], batch_size: int) -> list[Batch]:
    """Encoded rows as batches, those of about one length side by side."""
    by_length = sorted(rows, key=lambda row: len(row["input_ids"]))
    batches: list[Batch] = []
    for start in range(0, len(rows), batch_size):
        ids = [list(row["input_ids"]) for row in by_length[start : start + batch_size]]
        longest = max(map(len, ids))
        batches.append(
            {
                "input_ids": torch.tensor([each + [tokenizer.pad_token_id] * (longest - len(each)) for each in ids]),
                "attention_mask": torch.tensor([[1] * len(each) + [0] * (longest - len(each)) for each in ids]),
            }
        )
    return batches


def tokens(batches: Iterable[Batch]) -> int:
    """Tokens in all of them, without those that pad."""
    return sum(int(batch["attention_mask"].sum()) for batch in batches)


@torch.no_grad()
def observe(
    model: Any,
    batches: Iterable[Batch],
    see: See,
    names: Collection[str] | None = None,
    changes: bool = True,
    title: str = "activations",
) -> None:
    """Read the batches with the adapter switched on, and hand each adapted layer's rows to ``see``.

    Args:
        model: A base with an active adapter, of this package or of PEFT.
        batches: As ``padded`` makes them.
        see: Called for each batch and layer with the layer's name, its inputs (t, in) and what the adapter adds to its
            output (t, out); both on the model's device. Changes of an adapter of ours that adds are in float32 or
            wider; of any other they are the difference of two outputs in the base's dtype, computed by a second
            product with the base.
        names: Layers to look at, of ``adapted``; None: all.
        changes: Whether changes are asked for; without them they are None.
        title: Of the bar that is shown.
    """
    model.eval()
    layers = {name: layer for name, layer in adapted(model).items() if names is None or name in names}
    mask: list[Tensor] = []

    def rows(values: Tensor) -> Tensor:
        return values[mask[0]] if values.dim() == 3 else values

    with ExitStack() as hooks:
        for name, layer in layers.items():
            seen = _hook(name, layer, rows, see, changes)
            hooks.callback(seen.remove)
        for batch in bar(list(batches), title, "batches"):
            batch = {key: value.to(model.device) for key, value in batch.items()}
            mask[:] = [batch["attention_mask"].bool()]
            model(**batch, use_cache=False)


def _hook(name: str, layer: Any, rows: Callable[[Tensor], Tensor], see: See, changes: bool) -> Any:
    """Watch one layer; the adapter of ours itself where it adds, else the layer around it."""
    delta = _adding(layer)
    if delta is not None:

        def added(_: Any, args: tuple[Tensor, ...], output: Tensor) -> None:
            see(name, rows(args[0]), rows(output) if changes else None)

        return delta.register_forward_hook(added)

    def around(_: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> None:
        given = next(iter((*args, *kwargs.values())))
        change = output - layer.get_base_layer()(given) if changes else None
        see(name, rows(given), None if change is None else rows(change))

    return layer.register_forward_hook(around, with_kwargs=True)


def _adding(layer: Any) -> Delta | None:
    """The one active adapter of ours on a layer, where it adds to the layer's output; None: something else."""
    if not isinstance(layer, QftLayer):
        return None
    active = [layer.qft_delta[name] for name in layer.active_adapters if name in layer.qft_delta]
    return active[0] if len(active) == 1 and active[0].side == "added" else None


@dataclass(frozen=True)
class Rows:
    """Tokens of one layer: inputs (rows, in) and changes (rows, out), float32, on the CPU."""

    inputs: Tensor
    changes: Tensor


def sampled_rows(
    model: Any, batches: Sequence[Batch], most: int, seed: int, names: Collection[str] | None = None
) -> dict[str, Rows]:
    """Inputs and changes of each adapted layer at the same tokens, at most ``most``, drawn without replacement.

    Memory: rows (in + out) 4 bytes a layer. ``seed`` decides which tokens; arguments else as of ``observe``.
    """
    total = tokens(batches)
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.zeros(total, dtype=torch.bool)
    chosen[torch.randperm(total, generator=generator)[:most]] = True
    begun: dict[str, int] = {}
    pieces: dict[str, list[tuple[Tensor, Tensor]]] = {}

    def see(name: str, inputs: Tensor, changes: Tensor | None) -> None:
        assert changes is not None
        start = begun.get(name, 0)
        begun[name] = start + len(inputs)
        wanted = chosen[start : start + len(inputs)].to(inputs.device)
        kept = inputs[wanted].float().cpu(), changes[wanted].float().cpu()
        pieces.setdefault(name, []).append(kept)

    observe(model, batches, see, names)
    return {name: Rows(*(torch.cat(column) for column in zip(*each))) for name, each in pieces.items()}


class Moments:
    """Sums over rows of x x^T, d x^T, |d|^2, x and d of one layer, float64.

    Memory: 8 in (in + out) bytes; without changes 8 in^2.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._sums: dict[str, Tensor] = {}

    def add(self, inputs: Tensor, changes: Tensor | None) -> None:
        """Count inputs (t, in) and, where they are known, changes (t, out)."""
        x = inputs.double()
        self.rows += len(x)
        sums = {"xx": x.T @ x, "x": x.sum(0)}
        if changes is not None:
            d = changes.double()
            sums |= {"dx": d.T @ x, "d": d.sum(0), "dd": d.square().sum()}
        for key, value in sums.items():
            if key in self._sums:
                self._sums[key] += value
            else:
                self._sums[key] = value

    def of_linear(self, weight: Tensor) -> "Moments":
        """The moments of the same inputs with changes W x, for W (out, in)."""
        out = Moments()
        w, xx, x = weight.to(self._sums["xx"]), self._sums["xx"], self._sums["x"]
        dx = w @ xx
        out.rows, out._sums = self.rows, {"xx": xx, "x": x, "dx": dx, "d": w @ x, "dd": (dx * w).sum()}
        return out

    def about(self, x: Tensor, d: Tensor) -> "Moments":
        """The moments of the same rows with ``x`` (in,) taken off the inputs and ``d`` (out,) off the changes."""
        out, sums, rows = Moments(), self._sums, self.rows
        out.rows = rows
        out._sums = {
            "xx": sums["xx"] - torch.outer(sums["x"], x) - torch.outer(x, sums["x"]) + rows * torch.outer(x, x),
            "dx": sums["dx"] - torch.outer(sums["d"], x) - torch.outer(d, sums["x"]) + rows * torch.outer(d, x),
            "dd": sums["dd"] - 2 * sums["d"] @ d + rows * d @ d,
            "x": sums["x"] - rows * x,
            "d": sums["d"] - rows * d,
        }
        return out

    def _mean(self, key: str) -> Tensor:
        return self._sums[key] / self.rows

    @property
    def xx(self) -> Tensor:
        """E[x x^T], (in, in)."""
        return self._mean("xx")

    @property
    def x(self) -> Tensor:
        """E[x], (in,)."""
        return self._mean("x")

    @property
    def dx(self) -> Tensor:
        """E[d x^T], (out, in)."""
        return self._mean("dx")

    @property
    def d(self) -> Tensor:
        """E[d], (out,)."""
        return self._mean("d")

    @property
    def dd(self) -> float:
        """E|d|^2."""
        return float(self._mean("dd"))


def moments(
    model: Any,
    batches: Sequence[Batch],
    names: Collection[str] | None = None,
    changes: bool = True,
    title: str = "activations",
) -> dict[str, Moments]:
    """The moments of each adapted layer over all tokens of the batches; arguments as of ``observe``."""
    out: dict[str, Moments] = {}

    def see(name: str, inputs: Tensor, change: Tensor | None) -> None:
        out.setdefault(name, Moments()).add(inputs, change)

    observe(model, batches, see, names, changes, title)
    return out


def groups(layers: Mapping[str, Any], most: int) -> Iterator[list[str]]:
    """The layers' names in order, in groups whose moments take at most ``most`` bytes together (or one layer)."""
    group: list[str] = []
    size = 0
    for name, layer in layers.items():
        needed = 8 * layer.in_features * (layer.in_features + layer.out_features)
        if group and size + needed > most:
            yield group
            group, size = [], 0
        group.append(name)
        size += needed
    if group:
        yield group
