"""Load a base model and its tokenizer from a local directory, a hub or the package."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoConfig, AutoTokenizer

from qft.data.sources import why_unreachable
from qft.errors import QftError, first_line, nearest
from qft.models import files
from qft.names import shortened
from qft.trust import given
from qft.version import PACKAGE

if TYPE_CHECKING:  # models take as long to import as torch, and who only wants a tokenizer needs none
    from transformers import PreTrainedModel

Spec = Mapping[str, Any]
HUBS = ("hf", "modelscope")
SCHEME = "2:"  # what a fingerprint covers; without it, that of 0.1.0
WEIGHTS = ("*.safetensors", "config.json")
DECIDING = (
    "generation_config.json",
    "tokenizer*",
    "vocab.*",
    "merges.txt",
    "*_tokens*.json",
    "*.model",
    "chat_template*",
)
WHOLE = 100_000_000  # bytes of a file up to which all of it counts
ENDS = 1_000_000  # bytes at both ends of a larger one


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
        path = str(PACKAGE / path.removeprefix("package:qft/"))
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
        why = error.strerror if isinstance(error, OSError) else error
        raise QftError(f"model.path={shortened(path)} cannot be read: {why}.") from error
    return expanded


def fingerprint(spec: Spec) -> str:
    """What tells two bases apart: SHA-256 over the files that decide its answers; of a hub id, the id.

    Weights, config, tokenizer and chat template count, each with its name and size. Of a file above WHOLE bytes only
    both ends do, so that 15 GB of weights take no longer than 15 MB. Code of the model's that is to run counts too.
    """
    source = Path(locate(spec))
    if not source.is_dir():
        return f"{source}@{spec.get('revision') or 'main'}"
    return f"{SCHEME}{_digest(source, spec, (*WEIGHTS, *DECIDING), WHOLE)}"


def is_base(spec: Spec, recorded: str) -> bool:
    """Whether a base is the one with this fingerprint; one of 0.1.0 covers weights' ends and config.json only."""
    source = Path(locate(spec))
    if recorded.startswith(SCHEME) or not source.is_dir():
        return recorded == fingerprint(spec)
    return recorded == _digest(source, spec, WEIGHTS, 0)


def _digest(source: Path, spec: Spec, patterns: tuple[str, ...], whole: int) -> str:
    digest = hashlib.sha256()
    for file in sorted({file for pattern in patterns for file in source.glob(pattern) if file.is_file()}):
        with file.open("rb") as stream:
            size = file.stat().st_size
            digest.update(f"{file.name} {size} ".encode())
            if size > whole:
                digest.update(stream.read(ENDS))
                stream.seek(max(0, size - ENDS))
            while block := stream.read(ENDS):
                digest.update(block)
    for code in sorted(source.rglob("*.py")) if trusted(spec) else ():
        digest.update(f"{code.relative_to(source)} ".encode() + code.read_bytes())
    return digest.hexdigest()


def _unreachable(path: str, hub: str, error: Exception) -> QftError:
    return QftError(
        f"Model '{path}' could not be fetched from {hub} ({type(error).__name__}). "
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
        options["local_files_only"] = constants.HF_HUB_OFFLINE or bool(why_unreachable(constants.ENDPOINT))
    try:
        return auto.from_pretrained(
            source,
            revision=spec.get("revision") or "main",
            trust_remote_code=trusted(spec),
            **options,
        )
    except Exception as error:  # what a stranger's files hold fails in as many ways as there are loaders
        if Path(source).is_dir():
            raise QftError(
                f"model.path={spec['path']} cannot be loaded: {shortened(first_line(error), 300)}"
            ) from error
        raise _unreachable(source, "the Hugging Face hub", error) from error


def load_tokenizer(spec: Spec) -> Any:
    """The model's tokenizer, with a padding token."""
    tokenizer = _from_pretrained(AutoTokenizer, spec)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_base(spec: Spec, dtype: torch.dtype) -> "PreTrainedModel":
    """The base model in ``dtype`` on ``device()``; weights from safetensors files only.

    Raises QftError for files that are cut or none, and for weights that are missing, NaN or infinite.
    """
    from transformers import AutoModelForCausalLM

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


def hidden_size(spec: Spec) -> int:
    """The width of the model's hidden states, from its yaml's ``config``, else from its files. No weight is loaded."""
    stated = spec.get("config") or {}
    known = stated.get("hidden_size") if isinstance(stated, Mapping) else None
    return int(known or meta_base(spec).config.hidden_size)


def meta_base(spec: Spec) -> "PreTrainedModel":
    """The architecture alone on the meta device: from the yaml's ``config``, else from the model's files."""
    from transformers import AutoModelForCausalLM

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
        raise QftError(
            f"The architecture of model {name} cannot be built: {shortened(first_line(error), 300)}"
        ) from error
