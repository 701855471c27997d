"""Checkpoints of a stranger: nothing in them is called, nothing outside them is read."""

import json
import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from qft.errors import QftError
from qft.training import checkpoints


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("called",)


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_a_pickle_that_calls_is_refused_and_not_called(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state": {0: torch.ones(3)}, "numpy": np.random.get_state(), "python": random.getstate()}, name)
    checkpoints.check(tmp_path)
    torch.save({"state": Bomb()}, name)
    with pytest.raises(QftError, match="more than the state"):
        checkpoints.check(tmp_path)
    assert not Path("called").exists()
    Path(name).write_bytes(b"junk")
    with pytest.raises(QftError, match="damaged"):
        checkpoints.check(tmp_path)


def test_weights_of_a_checkpoint_lie_in_it(tmp_path: Path) -> None:
    text = json.dumps({"weight_map": {"a": "../../elsewhere.safetensors"}})
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(QftError, match="outside"):
        checkpoints.check(tmp_path)
