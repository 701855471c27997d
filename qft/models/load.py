"""Load a base model and its tokenizer from a local directory, a hub or the package, and put an adapter in."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

import qft
import qft.adapters
from qft.adapters.base import QftLayer
from qft.config import build
from qft.data.hub import unreachable_because
from qft.errors import QftError
from qft.quantum.backends.base import Backend

Spec = Mapping[str, Any]


def device() -> torch.device:
    """A CUDA GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def precision(wanted: str = "auto") -> torch.dtype:
    """auto: bfloat16 where the device computes in it, float32 elsewhere, whatever the checkpoint holds."""
    if wanted not in ("auto", "bf16", "fp32"):
        raise QftError(f"trainer.precision={wanted} does not exist. Choices: auto, bf16, fp32.")
    fast = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    if wanted == "bf16" and not fast:
        raise QftError("precision=bf16 needs a GPU that computes in bfloat16; use precision=auto.")
    return torch.bfloat16 if fast and wanted != "fp32" else torch.float32


def locate(spec: Spec) -> str:
    """Where the model's files are: a local directory as it is, or a hub id (fetched for ModelScope)."""
    path = str(spec["path"])
    if path.startswith("package:qft/"):
        return str(Path(qft.__file__).parent / path.removeprefix("package:qft/"))
    looks_local = path.startswith((".", "/", "~")) or path.count("/") > 1
    expanded = Path(path).expanduser()
    if expanded.is_dir():
        if not (expanded / "config.json").is_file():
            raise QftError(f"model.path={path} holds no config.json, so it is not a model directory.")
        return str(expanded)
    if looks_local or expanded.exists():
        raise QftError(f"model.path={path} is not an existing model directory.")
    if spec.get("hub") == "modelscope":
        try:
            from modelscope import snapshot_download
        except ImportError:
            raise QftError("model.hub=modelscope needs the extra: pip install 'qft[modelscope]'.") from None
        try:
            return str(snapshot_download(path, revision=spec.get("revision")))
        except Exception as error:  # its client raises many kinds; all mean the same to the user
            raise _unreachable(path, "ModelScope", error) from error
    if spec.get("hub") not in (None, "hf"):
        raise QftError(f"model.hub={spec['hub']} does not exist. Choices: hf, modelscope.")
    return path


def _unreachable(path: str, hub: str, error: Exception) -> QftError:
    return QftError(
        f"Model '{path}' could not be had from {hub} ({type(error).__name__}). "
        "Where there is no network, download it elsewhere and give the directory: model.path=DIR."
    )


def _from_pretrained(auto: Any, spec: Spec, **options: Any) -> Any:
    source = locate(spec)
    if not Path(source).is_dir():
        from huggingface_hub import constants

        # offline, only the library's cache is asked: it would otherwise retry for half a minute
        options["local_files_only"] = constants.HF_HUB_OFFLINE or bool(unreachable_because(constants.ENDPOINT))
    try:
        return auto.from_pretrained(
            source,
            revision=spec.get("revision") or "main",
            trust_remote_code=bool(spec.get("trust_remote_code")),
            **options,
        )
    except (OSError, ValueError, KeyError) as error:
        if Path(source).is_dir():
            raise QftError(f"model.path={spec['path']} cannot be loaded: {str(error).splitlines()[0]}") from error
        raise _unreachable(source, "the Hugging Face hub", error) from error


def load_tokenizer(spec: Spec) -> Any:
    """The model's tokenizer, with a padding token."""
    tokenizer = _from_pretrained(AutoTokenizer, spec)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_base(spec: Spec, dtype: torch.dtype) -> PreTrainedModel:
    """The base model in ``dtype`` on ``device()``; weights from safetensors files only."""
    return _from_pretrained(AutoModelForCausalLM, spec, dtype=dtype, use_safetensors=True).to(device())


def meta_base(spec: Spec) -> PreTrainedModel:
    """The architecture alone on the meta device: from the yaml's ``config``, else from the model's files."""
    if spec.get("config"):
        options = dict(spec["config"])
        config = AutoConfig.for_model(options.pop("model_type"), **options)
    else:
        config = _from_pretrained(AutoConfig, spec)
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


def inject(base: nn.Module, adapter: Spec, seed: int) -> PeftModel:
    """Put the adapter described by a yaml on the base, its initial weights decided by ``seed`` alone."""
    target = str(adapter["_target_"])
    extra = {"task_type": "CAUSAL_LM"} | ({"init_seed": seed} if target.startswith("qft.") else {})
    config = build(adapter, leave_out=("supports",), **extra)
    torch.manual_seed(seed)  # methods of the PEFT library draw from torch's own generator
    try:
        return get_peft_model(base, config)  # type: ignore[arg-type, return-value]
    except ValueError as error:
        raise QftError(f"The adapter does not fit the model: {str(error).splitlines()[0]}") from error


def load_adapter(base: nn.Module, path: str | Path) -> PeftModel:
    """Put a saved adapter on the base. Raises QftError for a directory that is none or does not fit."""
    path = Path(path)
    if not (path / "adapter_config.json").is_file() or not (path / "adapter_model.safetensors").is_file():
        raise QftError(f"{path} is no adapter directory: adapter_config.json and adapter_model.safetensors are needed.")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*missing adapter keys.*")
            return PeftModel.from_pretrained(base, str(path))  # type: ignore[arg-type]
    except (RuntimeError, ValueError, KeyError, UserWarning, QftError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        detail = next((line for line in lines if "size mismatch" in line), lines[0] if lines else type(error).__name__)
        raise QftError(f"The adapter in {path} does not fit this base model: {detail[:200]}") from error


def set_backend(model: nn.Module, backend: Backend) -> None:
    """Let every circuit in the model be evaluated by this backend."""
    for module in model.modules():
        if isinstance(module, QftLayer):
            for delta in module.qft_delta.values():
                if hasattr(delta, "backend"):  # it has a circuit
                    delta.backend = backend
                    delta.forget()
