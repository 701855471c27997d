"""Whether a run fits into memory and disk: checked before any weight is loaded, in a second and not after an hour."""

import shutil
from pathlib import Path

import torch

from qft.errors import QftError
from qft.models.count import Counts
from qft.process.memory import free_bytes

CHECKPOINTS = 3  # two kept and one being written
HEADROOM = 256_000_000  # bytes the process itself and its buffers take, at the least


def check_memory(counts: Counts) -> None:
    """Refuse where weights, gradients and optimizer state alone exceed what is free (activations come on top)."""
    apart = 0 if counts.trainable == counts.base else counts.weight_bytes  # weights that are not the base's own
    needed = counts.base_bytes + apart + counts.weight_bytes + counts.optimizer_bytes + HEADROOM
    free, where = free_bytes(), "GPU memory" if torch.cuda.is_available() else "memory"
    if needed > free:
        raise QftError(
            f"This run needs at least {needed / 1e9:.1f} GB of {where} before activations; "
            f"{free / 1e9:.1f} GB are free. Use a smaller model, or a machine with more."
        )


def check_disk(folder: Path, counts: Counts) -> None:
    """Refuse where the checkpoints and the adapter do not fit beside what is on the disk."""
    needed = (CHECKPOINTS + 1) * (counts.weight_bytes + counts.optimizer_bytes) + 20_000_000
    existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise QftError(f"This run writes up to {needed / 1e6:.0f} MB below {folder}; {free / 1e6:.0f} MB are free.")
