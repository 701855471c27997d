"""Layers of named models, and deltas whose weights were moved."""

import torch

QWEN2_7B = [(3584, 3584)] * 28 + [(3584, 512)] * 28  # (in, out) of q_proj and v_proj
BASE_4M = [(224, 224)] * 5 + [(224, 32)] * 5


def total(config, shapes):
    return sum(config.delta_class.count(*shape, config) for shape in shapes)


def moved(config, in_features, out_features, seed=7):
    """A delta in float64 whose every weight was moved."""
    generator = torch.Generator().manual_seed(seed)
    delta = config.delta_class(in_features, out_features, config, generator).double()
    with torch.no_grad():
        for parameter in delta.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return delta.eval()
