"""Load a base model and its tokenizer from a local directory, a hub or the package, and put an adapter in."""

import hashlib
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModel, get_peft_model
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

import qft
import qft.adapters
from qft.adapters.base import QftConfig
from qft.adapters.layer import QftLayer
from qft.adapters.targets import check_targets, default_targets
from qft.data.hub import unreachable_because
from qft.errors import QftError, nearest
from qft.models import files
from qft.names import shortened
from qft.quantum.backends.base import Backend
from qft.quantum.circuit import Circuit
from qft.trust import Family, build, given

log = logging.getLogger(__name__)

ADAPTER = Family(
    "an adapter config", "adapter", lambda found: isinstance(found, type) and issubclass(found, PeftConfig)
)
Spec = Mapping[str, Any]
HUBS = ("hf", "modelscope")
STATED = ("supports", "about", "lr_scale")  # what a yaml says of a method of a library; not options of it


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
    if spec.get("hub") not in (None, *HUBS):
        raise QftError(f"model.hub={spec['hub']} does not exist.{nearest(spec['hub'], HUBS)}")
    path = str(spec["path"])
    if path.startswith("package:qft/"):  # looked at like any other: what follows may lead out of the package
        path = str(Path(qft.__file__).parent / path.removeprefix("package:qft/"))
    looks_local = path.startswith((".", "/", "~")) or path.count("/") > 1
    expanded = _expanded(path)
    if expanded.is_dir():
        if not (expanded / "config.json").is_file():
            raise QftError(f"model.path={path} holds no config.json, so it is not a model directory.")
        files.check_inside(expanded, f"model.path={path}")
        if (expanded / "adapter_config.json").exists():  # the library would load the base that file names instead
            raise QftError(f"model.path={path} holds an adapter_config.json: give the base alone, without an adapter.")
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
    return path


def _expanded(path: str) -> Path:
    """The path with ~ filled in. Raises QftError for what no file system can hold."""
    try:
        expanded = Path(path).expanduser()
        expanded.is_dir()
    except (OSError, ValueError, RuntimeError) as error:  # too long, a null byte, nobody's home
        raise QftError(f"model.path={shortened(path)} cannot be read: {getattr(error, 'strerror', error)}.") from error
    return expanded


def fingerprint(spec: Spec) -> str:
    """What tells two bases apart: SHA-256 over names, sizes and both ends of the weight files; of a hub id, the id.

    Both ends only, so that 15 GB of weights take no longer than 15 MB. Code of the model's that is to run counts too.
    """
    source = Path(locate(spec))
    if not source.is_dir():
        return f"{source}@{spec.get('revision') or 'main'}"
    digest = hashlib.sha256()
    for file in sorted([*source.glob("*.safetensors"), source / "config.json"]):
        with file.open("rb") as stream:
            size = file.stat().st_size
            digest.update(f"{file.name} {size} ".encode() + stream.read(1_000_000))
            stream.seek(max(0, size - 1_000_000))
            digest.update(stream.read())
    for code in sorted(source.rglob("*.py")) if trusted(spec) else ():
        digest.update(f"{code.relative_to(source)} ".encode() + code.read_bytes())
    return digest.hexdigest()


def _unreachable(path: str, hub: str, error: Exception) -> QftError:
    return QftError(
        f"Model '{path}' could not be had from {hub} ({type(error).__name__}). "
        "Where there is no network, download it elsewhere and give the directory: model.path=DIR."
    )


def trusted(spec: Spec) -> bool:
    """Whether code of the model's repository is run: where the user has said so in this very command."""
    return bool(spec.get("trust_remote_code")) and given().remote_code


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
            trust_remote_code=trusted(spec),
            **options,
        )
    except Exception as error:  # what a stranger's files hold fails in as many ways as there are loaders
        if Path(source).is_dir():
            raise QftError(f"model.path={spec['path']} cannot be loaded: {_first_line(error)}") from error
        raise _unreachable(source, "the Hugging Face hub", error) from error


def _first_line(error: Exception) -> str:
    return shortened(next((line for line in str(error).splitlines() if line.strip()), type(error).__name__), 300)


def load_tokenizer(spec: Spec) -> Any:
    """The model's tokenizer, with a padding token."""
    tokenizer = _from_pretrained(AutoTokenizer, spec)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_base(spec: Spec, dtype: torch.dtype) -> PreTrainedModel:
    """The base model in ``dtype`` on ``device()``; weights from safetensors files only.

    Raises QftError for files that are cut or none, and for weights that are missing, NaN or infinite.
    """
    name, source = f"model.path={spec['path']}", Path(locate(spec))
    if source.is_dir():
        files.check_weights(source, name)
    options: dict[str, Any] = {"dtype": dtype, "use_safetensors": True, "output_loading_info": True}
    model, loaded = _from_pretrained(AutoModelForCausalLM, spec, **options)
    if missing := sorted(loaded["missing_keys"]):
        raise QftError(f"{name}: its files hold no weights for {missing[0]} ({len(missing)} are missing).")
    model = model.to(device())
    files.check_finite(model, name)
    return model


def check_vocabulary(spec: Spec, tokenizer: Any) -> None:
    """Refuse a tokenizer with ids that the model has no embedding for. No weight is loaded for that."""
    size = _from_pretrained(AutoConfig, spec).get_text_config().vocab_size
    largest = max(tokenizer.get_vocab().values(), default=-1)
    if largest >= size:
        raise QftError(
            f"model.path={spec['path']}: its tokenizer has ids up to {largest}, and the model {size} embeddings."
        )


def meta_base(spec: Spec) -> PreTrainedModel:
    """The architecture alone on the meta device: from the yaml's ``config``, else from the model's files."""
    stated = spec.get("config")
    if stated and (not isinstance(stated, Mapping) or "model_type" not in stated):
        raise QftError("model.config states an architecture: a mapping with model_type, hidden_size, ...")
    try:
        config = AutoConfig.for_model(**stated) if stated else _from_pretrained(AutoConfig, spec)
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config, trust_remote_code=trusted(spec))
    except QftError:
        raise
    except Exception as error:  # numbers that describe no model fail in as many ways as there are architectures
        name = spec.get("name") or spec["path"]
        raise QftError(f"The architecture of model {name} cannot be built: {_first_line(error)}") from error


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
    config = adapter_config(adapter, task_type="CAUSAL_LM") if not trains_whole(adapter) else None
    if getattr(config, "circuit", None) != "qnn":
        return None
    return config.ansatz()  # type: ignore[union-attr]


def check_backend(adapter: Spec, backend: Backend, hidden_size: int, training: bool = False) -> None:
    """Refuse a backend that cannot run the adapter's circuit, or cannot train it. Nothing is loaded for that."""
    if not trains_whole(adapter):
        config = adapter_config(adapter, task_type="CAUSAL_LM")
        kind: Any = getattr(config, "delta_class", None)
        if hasattr(kind, "backend"):  # it says itself which backends can run what it does
            with torch.device("meta"):
                kind(hidden_size, hidden_size, config, None).backend = backend
    circuit = circuit_of(adapter)
    if circuit is not None:
        _refuse(circuit, backend)
        if training and backend.gradient is None:
            raise QftError(
                f"backend={backend.name} gives no gradient, so it cannot train: train with backend=statevector or "
                f"backend=noisy and evaluate with qft eval backend={backend.name}."
            )


def _refuse(circuit: Circuit, backend: Backend) -> None:
    if reason := backend.refusal(circuit):
        raise QftError(f"backend={backend.name} cannot run this circuit: {reason}.")


def set_backend(model: nn.Module, backend: Backend) -> None:
    """Let every circuit in the model be evaluated by this backend. Raises QftError where it cannot."""
    found = False
    for module in model.modules():
        if isinstance(module, QftLayer):
            for delta in module.qft_delta.values():
                if hasattr(delta, "backend"):  # it has a circuit
                    if hasattr(delta, "circuit"):
                        _refuse(delta.circuit, backend)
                    delta.backend = backend
                    delta.forget()
                    found = True
    if not found and backend.name != "statevector":
        log.warning("warning: the adapter has no circuit, so backend=%s changes nothing.", backend.name)


def circuits(model: nn.Module) -> list[tuple[Circuit, torch.Tensor]]:
    """Every circuit of the model's active adapters with its angles, in the order of the layers."""
    found = []
    for module in model.modules():
        if isinstance(module, QftLayer):
            for name in module.active_adapters:
                if name in module.qft_delta and hasattr(module.qft_delta[name], "circuit"):
                    found.append((module.qft_delta[name].circuit, module.qft_delta[name].angles))
    return found
