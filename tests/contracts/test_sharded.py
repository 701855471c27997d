"""Adapters train alike with their layers whole in one process or sharded over two (FSDP), and are saved whole."""

import json
from pathlib import Path

import pytest
import sharded
import tiny
import torch
from peft import PeftModel
from program import two_forked

from qft.adapters import METHODS

pytestmark = pytest.mark.xdist_group("sharded")  # one run of two processes for all


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sharded")
    both = two_forked(sharded.main, folder, cwd=folder)
    assert [done.returncode for done in both] == [0, 0], both[0].stderr[-3000:] + both[1].stderr[-3000:]
    return folder


@pytest.mark.parametrize("name", METHODS)
def test_sharded_training_is_training(name: str, out: Path) -> None:
    model = sharded.trained(name)
    losses = [loss.item() for loss in sharded.train(model)]
    assert losses[0] != losses[-1]
    # the same sums in another order: float32 keeps seven digits
    assert json.loads((out / f"{name}.json").read_text()) == pytest.approx(losses, rel=1e-5)
    again = PeftModel.from_pretrained(tiny.build("qwen2"), str(out / name)).eval()
    model.eval()
    ids = tiny.tokens(2, 7)
    with torch.no_grad():
        base = tiny.build("qwen2")(ids).logits
        assert (model(ids).logits - base).abs().max() > 1e-3, "three steps have changed nothing"
        # AdamW turns rounding in a vanishing gradient into a step of a hundredth of lr; logits are of order 1
        torch.testing.assert_close(again(ids).logits, model(ids).logits, atol=1e-4, rtol=1e-4)


def test_two_processes_shrink_soras_gates_alike_and_once_a_step(out: Path) -> None:
    first, second = (torch.load(out / f"gates-{rank}.pt") for rank in (0, 1))
    assert torch.equal(first, second)
    # three steps of 0.1 on gates that hardly have a gradient yet
    assert (first - 0.7).abs().max() < 0.02
