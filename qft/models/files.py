"""Whether a directory's weights lie in it and can be read. Looked at before anything of it is loaded."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from qft.errors import QftError, first_line
from qft.names import shortened

INDEX = "model.safetensors.index.json"
# keys of an adapter_config.json that make PEFT read other files or repositories, or import other packages
FETCHING = {
    *("adapters", "shadow_model", "prompt_tuning_init_state_dict_path", "megatron_config"),
    *("cache_file", "covariance_file"),
}


def check_inside(folder: Path, name: str) -> None:
    """Raise QftError where a file of the directory is a link out of it, or its index of weights leads out.

    A snapshot of a hub's cache consists of links into the same repository's ``blobs``, which are inside. ``name``:
    what the directory is called in messages, such as model.path=DIR.
    """
    for file in sorted(folder.iterdir()):
        if file.is_symlink() and not _inside(file, folder):
            raise QftError(
                f"{name}: {shortened(file.name)} is a link to a file outside the directory; put the file itself there."
            )
        if not file.is_file() and (file.suffix == ".safetensors" or not file.is_dir()):
            raise QftError(f"{name}: {shortened(file.name)} is not a file.")
    for shard in _shards(folder, name):
        if not _inside(folder / shard, folder):
            raise QftError(f"{name}: {INDEX} names {shortened(shard)}, which lies outside the directory.")


def check_weights(folder: Path, name: str) -> None:
    """Raise QftError where a file of weights is missing, cut or none: from their headers, reading no weight."""
    for file in sorted({*folder.glob("*.safetensors"), *(folder / shard for shard in _shards(folder, name))}):
        try:
            with safe_open(file, framework="pt") as opened:
                opened.keys()
        except FileNotFoundError:
            raise QftError(f"{name}: {shortened(file.name)} is missing; {INDEX} names it.") from None
        except (SafetensorError, OSError, ValueError, RuntimeError) as error:
            why = shortened(first_line(error))
            raise QftError(f"{name}: {shortened(file.name)} is not a whole safetensors file ({why}).") from error


def check_finite(model: nn.Module, name: str) -> None:
    """Raise QftError where a weight is NaN or infinite."""
    for key, weight in model.named_parameters():
        if weight.is_floating_point() and weight.numel() and weight.device.type != "meta":
            ends = torch.stack(torch.aminmax(weight.detach()))
            if not ends.isfinite().all():
                raise QftError(f"{name}: the weights hold values that are no numbers (NaN or infinite), in {key}.")


def check_adapter(folder: Path) -> None:
    """Raise QftError where an adapter's config is junk, or has other files read than those of its directory."""
    path = folder / "adapter_config.json"
    config = _json(path, str(path))
    if not isinstance(config, dict) or not isinstance(config.get("peft_type"), str):
        raise QftError(f"{path} is not the config of an adapter: it has no peft_type.")
    if found := next((key for key, value in _items(config) if key in FETCHING and value), None):
        raise QftError(f"{path} has {found}, which leads to other files; such adapters are not loaded.")


def _items(config: dict[str, Any]) -> list[tuple[str, Any]]:
    nested = [pair for value in config.values() if isinstance(value, dict) for pair in _items(value)]
    return [*config.items(), *nested]


def _inside(file: Path, folder: Path) -> bool:
    """Whether a path, its links followed, ends in the directory, or in the hub repository it is a snapshot of."""
    home = folder.resolve()
    if home.parent.name == "snapshots" and (home.parents[1] / "blobs").is_dir():
        home = home.parents[1]
    try:
        return file.resolve().is_relative_to(home)
    except (OSError, RuntimeError):  # links in a circle
        return False


def _shards(folder: Path, name: str) -> list[str]:
    """The files of weights that the directory's index names; none where there is no index."""
    index = folder / INDEX
    if not index.is_file():
        return []
    content = _json(index, f"{name}: {INDEX}")
    shards = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(shards, dict) or not all(isinstance(s, str) and s and "\0" not in s for s in shards.values()):
        raise QftError(f"{name}: {INDEX} names no files of weights.")
    return sorted(set(shards.values()))


def _json(path: Path, name: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise QftError(f"{name} cannot be read ({shortened(str(error))}).") from error
