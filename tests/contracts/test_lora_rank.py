"""The column "Exactly a LoRA of rank" of docs/adapters.md, measured: the rank of what a merge adds to a weight."""

from pathlib import Path

import pytest
import tiny
import torch
import yaml
from abilities import build, perturb

from qft.adapters import methods

CONFIGS = Path(__file__).parents[2] / "configs" / "adapter"
SIZE = 32  # of the query projections of tiny.build, in and out
# options that make the rank one that can be told from others, and that rank, of the layers of qwen2
RANKS = {
    "adalora": ({}, 4),
    "bitfit": ({}, 0),
    "frozen_frames": ({}, 4),
    "hra": ({"r": 6}, 6),
    "loha": ({"r": 4}, 16),
    "lora": ({}, 4),
    "lora_last": ({}, 1),
    "lora_xs": ({}, 4),
    "loretta": ({"r": 8, "bond_dim": 5}, 5),
    "lorta": ({}, 4),
    "lotr": ({}, 4),
    "metatt": ({"r": 5}, 5),
    "qpa": ({}, 4),
    "quantum_peft": ({"rank": 3, "start": "difference"}, 6),
    "quic": ({"blocks": 2}, 2 * (5 * 6 // 2 - 3)),  # n = 5 in blocks of 16
    "sora": ({}, 4),
    "tt_lora": ({"r": 3}, 3),
    "vera": ({"r": 7}, 7),
}
FULL = {
    "fourierft": ({"n_frequency": SIZE * SIZE // 2}, SIZE),
    "lokr": ({"decompose_both": False}, SIZE),
}


def stated():
    for file in sorted(CONFIGS.glob("*.yaml")):
        spec = yaml.safe_load(file.read_text(encoding="utf-8"))
        if "_target_" in spec:
            spec = {"name": file.stem} | {k: None if str(v).startswith("${") else v for k, v in spec.items()}
            yield file.stem, spec, methods.of(spec).describe()


# of a norm there is no rank to measure
MERGED = {name: (spec, card) for name, spec, card in stated() if card.mergeable and name != "ln_tuning"}


def test_every_card_states_an_equation_a_start_and_a_rank():
    for name, _, card in stated():
        assert card.equation and card.start and card.circuit and card.lora_rank, name


@pytest.mark.filterwarnings("ignore:.*(Unsupported layer type|CUDA extension|boft_n_butterfly_factor):UserWarning")
@pytest.mark.parametrize("name", MERGED)
def test_a_trained_layer_has_the_rank_that_its_card_states(name):
    spec, card = MERGED[name]
    options, rank = (RANKS | FULL).get(name, ({}, SIZE))
    model = perturb(build(spec | options, "qwen2"))
    weights = model.merge_and_unload().model.layers[1].self_attn.q_proj.weight
    change = (weights - tiny.build("qwen2").model.layers[1].self_attn.q_proj.weight).double()
    # what float32 leaves of a singular value that is zero is some 1e-7 of the largest
    assert torch.linalg.matrix_rank(change, rtol=1e-5).item() == rank
    assert ("full rank" in card.lora_rank or "rank of W_1" in card.lora_rank) == (name not in RANKS)
