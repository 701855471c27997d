"""Put a saved adapter on a base model, and choose the backend of a model's circuits.

A new adapter is put on by its method: ``qft.adapters.methods``.
"""

import logging
import warnings
from pathlib import Path

import torch
from peft import PeftModel
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, PreTrainedModel

from qft.adapters.layer import QftLayer
from qft.errors import QftError, first_line
from qft.models import files
from qft.quantum.backends.base import Backend
from qft.quantum.circuit import Circuit

log = logging.getLogger(__name__)


def weight_files(path: Path) -> list[Path]:
    """The safetensors files of an adapter directory, those of full tuning included. Raises QftError for none."""
    files = sorted(file for file in path.glob("*.safetensors") if file.is_file())
    config = "adapter_config.json" if path / "adapter_model.safetensors" in files else "config.json"
    if not files or not (path / config).is_file():
        raise QftError(
            f"{path} is not an adapter directory: adapter_config.json and adapter_model.safetensors are needed."
        )
    return files


def load_adapter(base: PreTrainedModel, path: str | Path, trainable: bool = False) -> nn.Module:
    """Put a saved adapter on the base; a whole model, from full tuning, takes the base's place.

    ``trainable``: let it be trained on, as it was when it was saved. Raises QftError for a directory that is none or
    does not fit.
    """
    path = Path(path)
    if path / "adapter_model.safetensors" not in weight_files(path):
        whole: nn.Module = _load_whole(base, path)
        return whole
    files.check_adapter(path)
    files.check_inside(path, str(path))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*missing adapter keys.*")
            # said of AdaLoRA's pattern, which is then applied; where another's does not fit, its sizes do not either
            warnings.filterwarnings("ignore", message=".*rank_pattern keys did not match.*")
            model: nn.Module = PeftModel.from_pretrained(base, str(path), is_trainable=trainable)
    except Exception as error:  # a stranger's adapter_config.json fails in as many ways as there are methods
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        detail = next((line for line in lines if "size mismatch" in line), first_line(error))
        raise QftError(f"The adapter in {path} does not fit this base model: {detail[:200]}") from error
    files.check_finite(model, str(path))
    return model


def _load_whole(base: PreTrainedModel, path: Path) -> PreTrainedModel:
    place, dtype = base.device, base.dtype
    files.check_inside(path, str(path))
    files.check_weights(path, str(path))
    if (path / "adapter_config.json").exists():
        raise QftError(f"{path} holds an adapter_config.json beside a whole model; it is one or the other.")
    try:
        kind = AutoConfig.from_pretrained(str(path), trust_remote_code=False).model_type
        if kind != base.config.model_type:
            raise ValueError(f"it is a {kind}, the base a {base.config.model_type}")
        base.to("meta")  # its memory is needed
        whole = type(base).from_pretrained(str(path), dtype=dtype, use_safetensors=True)
    except (OSError, RuntimeError, ValueError, KeyError, SafetensorError) as error:
        raise QftError(f"The model in {path} cannot be loaded: {first_line(error)[:200]}") from error
    files.check_finite(whole, str(path))
    return whole.to(place)


def set_backend(model: nn.Module, backend: Backend) -> None:
    """Let every circuit in the model be evaluated by this backend. Raises QftError where it cannot."""
    layers = [module for module in model.modules() if isinstance(module, QftLayer)]
    quantum = [delta for layer in layers for delta in layer.qft_delta.values() if delta.is_quantum]
    for delta in quantum:
        delta.set_backend(backend)
    if not quantum and backend.name != "statevector":
        log.warning("warning: the adapter has no circuit, so backend=%s changes nothing.", backend.name)


def shapes(model: nn.Module) -> list[tuple[int, int]]:
    """(in, out) of every layer adapted by a method of ours, in the order of the layers."""
    return [(m.in_features, m.out_features) for m in model.modules() if isinstance(m, QftLayer)]


def circuits(model: nn.Module) -> list[tuple[Circuit, torch.Tensor]]:
    """Every circuit of the model's active adapters with its angles, in the order of the layers."""
    layers = [module for module in model.modules() if isinstance(module, QftLayer)]
    active = [layer.qft_delta[name] for layer in layers for name in layer.active_adapters if name in layer.qft_delta]
    return [circuit for delta in active for circuit in delta.circuits()]
