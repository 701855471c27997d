"""Put an adapter on a base model: a new one from its yaml, or a saved one from its directory; choose its backend."""

import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModel, get_peft_model
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, PreTrainedModel

from qft.adapters.config import QftConfig
from qft.adapters.layer import QftLayer
from qft.adapters.targets import check_targets, default_targets
from qft.errors import QftError
from qft.models import files
from qft.models.load import Spec
from qft.quantum.backends.base import Backend
from qft.quantum.circuit import Circuit
from qft.trust import Family, build

log = logging.getLogger(__name__)

ADAPTER = Family(
    "an adapter config", "adapter", lambda found: isinstance(found, type) and issubclass(found, PeftConfig)
)
# what a yaml says of a method of a library; not options of it. Version 0.1.0 called the card "about".
STATED = ("supports", "card", "about", "lr_scale")


def adapter_config(adapter: Spec, **extra: Any) -> PeftConfig:
    """The config of PEFT that an adapter's yaml describes. Raises QftError for a ``_target_`` that is none."""
    return build(ADAPTER, adapter, leave_out=STATED, **extra)


def trains_whole(adapter: Spec) -> bool:
    """Whether this is full tuning: no adapter is put in, all weights are trained."""
    return adapter["_target_"] is None


def check_abilities(adapter: Spec, gradient_checkpointing: bool) -> None:
    """Refuse what a method of a library cannot do; its yaml's ``supports`` says what it can. Ours can."""
    if gradient_checkpointing and "checkpointing" not in adapter.get("supports", ["checkpointing"]):
        raise QftError(
            f"adapter={adapter['name']} does not work with gradient checkpointing; "
            "set trainer.gradient_checkpointing=false."
        )


def inject(base: nn.Module, adapter: Spec, seed: int) -> nn.Module:
    """Put the adapter described by a yaml on the base, its initial weights decided by ``seed`` alone.

    Full tuning puts nothing in and frees all weights.
    """
    if trains_whole(adapter):
        return base.requires_grad_(True)
    check_targets(adapter.get("target_modules"))
    target = str(adapter["_target_"])
    extra = {"task_type": "CAUSAL_LM"} | ({"init_seed": seed} if target.startswith("qft.") else {})
    config = adapter_config(adapter, **extra)
    if not isinstance(config, QftConfig) and getattr(config, "target_modules", "") is None:
        config.target_modules = default_targets(base)  # by rule, where the library has a table of families
    torch.manual_seed(seed)  # methods of the PEFT library draw from torch's own generator
    try:
        return get_peft_model(base, config)  # type: ignore[arg-type, return-value]
    except QftError:
        raise
    except (ValueError, OSError) as error:
        raise QftError(f"The adapter does not fit the model: {str(error).splitlines()[0]}") from error


def weight_files(path: Path) -> list[Path]:
    """The safetensors files of an adapter directory, those of full tuning included. Raises QftError for none."""
    files = sorted(file for file in path.glob("*.safetensors") if file.is_file())
    config = "adapter_config.json" if path / "adapter_model.safetensors" in files else "config.json"
    if not files or not (path / config).is_file():
        raise QftError(f"{path} is no adapter directory: adapter_config.json and adapter_model.safetensors are needed.")
    return files


def load_adapter(base: PreTrainedModel, path: str | Path) -> nn.Module:
    """Put a saved adapter on the base; a whole model, from full tuning, takes the base's place.

    Raises QftError for a directory that is none or does not fit.
    """
    path = Path(path)
    if path / "adapter_model.safetensors" not in weight_files(path):
        return _load_whole(base, path)
    files.check_adapter(path)
    files.check_inside(path, str(path))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*missing adapter keys.*")
            model = PeftModel.from_pretrained(base, str(path))  # type: ignore[arg-type]
    except Exception as error:  # a stranger's adapter_config.json fails in as many ways as there are methods
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        detail = next((line for line in lines if "size mismatch" in line), lines[0] if lines else type(error).__name__)
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
        raise QftError(f"The model in {path} cannot be loaded: {str(error).splitlines()[0][:200]}") from error
    files.check_finite(whole, str(path))
    return whole.to(place)


def circuit_of(adapter: Spec) -> Circuit | None:
    """The circuit an adapter's options describe; None for a method without one, and where its size is the model's."""
    config = None if trains_whole(adapter) else adapter_config(adapter, task_type="CAUSAL_LM")
    return config.build_circuit() if isinstance(config, QftConfig) else None


def check_backend(adapter: Spec, backend: Backend, hidden_size: int, training: bool = False) -> None:
    """Refuse a backend that cannot run the adapter's circuit, or cannot train it. Nothing is loaded for that."""
    config = None if trains_whole(adapter) else adapter_config(adapter, task_type="CAUSAL_LM")
    if isinstance(config, QftConfig):
        config.check_backend(backend, hidden_size, training)


def set_backend(model: nn.Module, backend: Backend) -> None:
    """Let every circuit in the model be evaluated by this backend. Raises QftError where it cannot."""
    layers = [module for module in model.modules() if isinstance(module, QftLayer)]
    quantum = [delta for layer in layers for delta in layer.qft_delta.values() if delta.is_quantum]
    for delta in quantum:
        delta.set_backend(backend)
    if not quantum and backend.name != "statevector":
        log.warning("warning: the adapter has no circuit, so backend=%s changes nothing.", backend.name)


def circuits(model: nn.Module) -> list[tuple[Circuit, torch.Tensor]]:
    """Every circuit of the model's active adapters with its angles, in the order of the layers."""
    layers = [module for module in model.modules() if isinstance(module, QftLayer)]
    active = [layer.qft_delta[name] for layer in layers for name in layer.active_adapters if name in layer.qft_delta]
    return [circuit for delta in active for circuit in delta.circuits()]
