"""A layer or block of the base model with adapters beside it: calling, switching, merging."""

import itertools
import warnings
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer, check_adapters_to_merge
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from qft.adapters.delta import Delta
from qft.adapters.multiplicative import change_of, turned


def _bias(layer: nn.Module) -> Any:
    """The bias of a layer, None where it has none."""
    return getattr(layer, "bias", None)


class QftLayer(nn.Module, BaseTunerLayer):
    """A layer or block with adapters beside it. What is wrapped is only called, whatever it is made of.

    A block (attention, feed-forward) may return a tuple: its first element is the value that is added to.
    Attributes that are not of this class are those of what is wrapped.
    """

    adapter_layer_names = ("qft_delta",)
    # from BaseTunerLayer, whose types are not read
    get_base_layer: Any
    active_adapters: Any
    _get_base_layer_device_and_dtype: Any
    disable_adapters: Any
    merged: Any

    def __init__(self, base_layer: nn.Module, in_features: int, out_features: int) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.in_features, self.out_features = in_features, out_features
        self.qft_delta: Any = nn.ModuleDict()  # adapter name -> Delta
        self._disable_adapters = False
        self._unmerged: tuple[Tensor, Tensor | None] | None = None  # weight and bias, while a turn of them is merged
        self.merged_adapters: list[str] = []
        self._active_adapter: str | list[str] = []

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "base_layer":  # not there yet: while unpickling
                raise
            return getattr(self.base_layer, name)

    def add(self, name: str, delta: Delta, inference_mode: bool = False) -> None:
        """Put the adapter ``name`` on this layer, on the layer's device, and make it active."""
        self.qft_delta[name] = delta
        base = self.get_base_layer()
        weight = next(itertools.chain(base.parameters(), base.buffers()), None)
        on_meta = any(t.device.type == "meta" for t in (weight, *delta.parameters()) if t is not None)
        if weight is not None and not on_meta:
            delta.to(weight.device)
        self.set_adapter([*self.active_adapters, name], inference_mode=inference_mode)

    def base_dtype(self) -> torch.dtype:
        """The dtype the base layer computes in; float32 where its weights are packed integers."""
        base = self.get_base_layer()
        stated = getattr(base, "compute_dtype", None)  # of bitsandbytes in 4 bits
        dtypes = (stated, *(t.dtype for t in itertools.chain(base.parameters(), base.buffers())))
        return next((d for d in dtypes if d is not None and d.is_floating_point), torch.float32)

    def set_adapter(self, adapter_names: str | list[str], inference_mode: bool = False) -> None:
        super().set_adapter(adapter_names, inference_mode=inference_mode)
        for delta in self.qft_delta.values():
            delta.clear_cache()

    def forward(self, *args: Any, adapter_names: list[str] | None = None, **kwargs: Any) -> Any:
        """The base layer's result plus the active adapters; with ``adapter_names`` row i takes the i-th of them."""
        if adapter_names is not None and self.merged:
            raise ValueError(
                "Cannot pass `adapter_names` when there are merged adapters, please call `unmerge_adapter` first."
            )
        if self.disable_adapters and self.merged:
            self.unmerge()
        idle = self.disable_adapters or self.merged
        deltas = [] if idle else [self.qft_delta[n] for n in self.active_adapters if n in self.qft_delta]
        if adapter_names is None and len(deltas) == 1 and deltas[0].side == "input":  # no second product with W
            args, kwargs = turned(deltas[0], args, kwargs)
            deltas = []
        result = self.base_layer(*args, **kwargs)
        if idle or not (deltas or adapter_names):
            return result
        base = result[0] if isinstance(result, tuple) else result
        given = next(iter((*args, *kwargs.values())))
        if adapter_names is None:
            value = base
            for delta in deltas:
                value = value + self._change(delta, base, given)
        else:
            value = self._row_by_row(base, given, adapter_names)
        return (value, *result[1:]) if isinstance(result, tuple) else value

    def _change(self, delta: Delta, base: Tensor, given: Tensor) -> Tensor:
        """What a delta adds to ``base``, the layer's own output for the input ``given``."""
        change: Tensor
        if delta.side == "added":
            change = delta(base if delta.reads_output else given)
        else:
            change = change_of(delta, self.get_base_layer(), base, given)
        return change.to(base.dtype)

    def _row_by_row(self, base: Tensor, given: Tensor, names: list[str]) -> Tensor:
        """A mixed batch: ``names`` has one adapter for each row, ``__base__`` for none."""
        if len(names) != len(base):
            raise ValueError(
                "Length of `adapter_names` should be the same as the number of inputs, but got "
                f"{len(names)} and {len(base)} respectively."
            )
        value = base
        for name in (n for n in dict.fromkeys(names) if n in self.qft_delta):
            delta = self.qft_delta[name]
            rows = torch.tensor([i for i, n in enumerate(names) if n == name], device=base.device)
            value = value.index_add(0, rows, self._change(delta, base[rows], given[rows]))
        return value

    @torch.no_grad()
    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Add linear deltas to the base's weight and bias, whose shapes stay; refused whole before anything changes."""
        names = [n for n in check_adapters_to_merge(self, adapter_names) if n in self.qft_delta]
        self._refuse_merge(names, safe_merge)
        base = self.get_base_layer()
        if names and not self.merged_adapters and any(d.side != "added" for d in self.qft_delta.values()):
            bias = _bias(base)
            self._unmerged = base.weight.data.clone(), None if bias is None else bias.data.clone()
        for name in names:
            self._set_base(*self._shifted(name, 1.0, base.weight.data, _bias(base)))
            self.merged_adapters.append(name)

    @torch.no_grad()
    def unmerge(self) -> None:
        """Take merged deltas off again: the base's weights but for the two roundings of their dtype.

        With a multiplicative adapter they are exactly those of before, of which a copy is kept while it is merged: an
        element of W Q Q^T carries the roundings of all the elements that it was mixed with.
        """
        if not self.merged:
            warnings.warn("Already unmerged. Nothing to do.", stacklevel=2)
        base = self.get_base_layer()
        if self._unmerged is not None:
            weight, bias = self._unmerged
            self._set_base(weight.to(base.weight), None if bias is None else bias.to(base.weight))
            self._unmerged, self.merged_adapters = None, []
        while self.merged_adapters:
            name = self.merged_adapters.pop()
            self._set_base(*self._shifted(name, -1.0, base.weight.data, _bias(base)))

    @torch.no_grad()
    def _refuse_merge(self, names: list[str], safe: bool = False) -> None:
        if nonlinear := [n for n in names if not self.qft_delta[n].linear]:
            raise ValueError(
                f"Adapter '{nonlinear[0]}' is not linear in its input, so no weight matrix equals it: "
                "it cannot be merged. Keep it beside the base model."
            )
        base = self.get_base_layer()
        weight, shape = getattr(base, "weight", None), (self.out_features, self.in_features)
        if isinstance(base, Conv1D):
            shape = shape[::-1]
        fits = all(self.qft_delta[n].bias_alone for n in names) or (weight is not None and weight.shape == shape)
        if names and (weight is None or not fits or not weight.is_floating_point()):
            raise ValueError(
                f"Adapter '{names[0]}' cannot be merged into a {type(base).__name__}, whose weights are quantised "
                "or packed: load the base model in full precision to merge."
            )
        bias = _bias(base)
        if bias is None and (constant := [n for n in names if self.qft_delta[n].has_bias]):
            raise ValueError(
                f"Adapter '{constant[0]}' adds a constant, and this {type(base).__name__} has no bias for it: saved "
                "and loaded, a merged model would have lost it. It cannot be merged; keep it beside the base model."
            )
        if safe:
            for name in names:
                weight, bias = self._shifted(name, 1.0, weight, bias)
                if not all(torch.isfinite(t).all() for t in (weight, bias) if t is not None):
                    raise ValueError(f"NaNs detected in the merged weights. The adapter {name} seems to be broken")

    def supports_lora_conversion(self, adapter_name: str = "default") -> bool:
        """Whether PEFT's ``convert_to_lora`` may take this adapter: it changes the weight and nothing else."""
        if adapter_name not in self.qft_delta:
            return False
        delta, weight = self.qft_delta[adapter_name], self.get_base_layer()._parameters.get("weight")
        return delta.linear and not delta.has_bias and weight is not None and weight.is_floating_point()

    def get_delta_weight(self, adapter_name: str) -> Tensor:
        """What the adapter adds to the weight, in the shape that the base keeps it in; float32 or wider.

        Raises ValueError for an adapter that is not linear.
        """
        self._refuse_merge([adapter_name])
        return self._added(adapter_name, self.get_base_layer().weight.data)[0]

    def _added(self, name: str, weight: Tensor) -> tuple[Tensor, Tensor | None]:
        """What a merge adds to the weight, as the base keeps it, and to the bias."""
        transposed = isinstance(self.get_base_layer(), Conv1D)  # stores (in, out)
        alone = weight if self._unmerged is None else self._unmerged[0].to(weight.device)
        more, constant = self.qft_delta[name].merged(alone.T if transposed else alone)
        return more.T if transposed else more, constant

    def _shifted(self, name: str, sign: float, weight: Any, bias: Any) -> tuple[Any, Any]:
        """Weight and bias with a delta on top: summed in the wider type, rounded once."""
        more, constant = self._added(name, weight)
        weight = (weight + sign * more).to(weight.dtype)
        return weight, bias if constant is None else (bias + sign * constant).to(bias.dtype)

    def _set_base(self, weight: Any, bias: Any) -> None:
        base = self.get_base_layer()
        base.weight.data = weight
        if bias is not None:
            base.bias.data = bias.data
