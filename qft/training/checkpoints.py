"""Checks a checkpoint before a run resumes from it: it may be a stranger's, and its states are pickles."""

import pickle
from pathlib import Path

import torch
from transformers.trainer_pt_utils import safe_globals

from qft.errors import QftError
from qft.models import files


def check(checkpoint: Path) -> None:
    """Raise QftError where its weights lead elsewhere or a state holds anything but tensors, numbers and texts.

    States are read as the library will read them, by the loader that calls nothing a pickle names; their tensors stay
    on the disk.
    """
    files.check_inside(checkpoint, str(checkpoint))
    files.check_weights(checkpoint, str(checkpoint))
    for state in sorted([*checkpoint.glob("*.pt"), *checkpoint.glob("*.pth")]):
        try:
            with safe_globals():
                torch.load(state, map_location="cpu", weights_only=True, mmap=True)
        except (pickle.UnpicklingError, OSError, RuntimeError, ValueError, EOFError, KeyError, TypeError) as error:
            raise QftError(
                f"{state} cannot be read: it is damaged, or holds more than the state of a training. Start afresh with "
                "overwrite=true."
            ) from error
