"""Mixed batches as PEFT's LoRA has them: ``model(..., adapter_names=[...])``, one adapter for each row."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from peft.utils import AuxiliaryTrainingWrapper
from torch import nn

from qft.adapters.layer import QftLayer


@contextmanager
def each_row(model: nn.Module, names: list[str], beams: int = 1) -> Iterator[None]:
    """Within it every layer of ``model`` gets ``names``, one a row; ``__base__`` means none.

    A beam search repeats each row ``beams`` times, but for an encoder. Raises ValueError, with PEFT's words, in
    training mode and for a name that no layer has.
    """
    if not isinstance(names, (list, tuple)):
        raise TypeError(f"Got adapter names of type {type(names)}, expected a list of str.")
    if model.training:
        raise ValueError("Cannot pass `adapter_names` when the model is in training mode.")
    known = {name for layer in model.modules() if isinstance(layer, QftLayer) for name in layer.qft_delta}
    if unknown := set(names) - known - {"__base__"}:
        raise ValueError(f"Trying to infer with non-existing adapter(s): {', '.join(sorted(unknown))}")
    find: Any = getattr(model, "get_encoder", lambda: model)
    encoder = find()
    once = set() if encoder is model else set(encoder.modules())
    repeated = [name for name in names for _ in range(beams)]
    with ExitStack() as hooks:
        for module in model.modules():
            if isinstance(module, (QftLayer, AuxiliaryTrainingWrapper)):
                hook = partial(_pass_on, names=list(names) if module in once else repeated)
                hooks.callback(module.register_forward_pre_hook(hook, with_kwargs=True).remove)
        yield


def _pass_on(module: nn.Module, args: Any, kwargs: dict[str, Any], names: list[str]) -> tuple[Any, dict[str, Any]]:
    return args, {**kwargs, "adapter_names": names}
