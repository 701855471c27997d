"""What a method can do, measured: each function raises where the method cannot, on a tiny model of one family.

``tests/contracts/test_library_methods.py`` holds ``supports`` of a yaml to exactly what these find.
"""

from collections.abc import Callable
from typing import Any

import tiny
import torch
from torch import nn

from qft.adapters import methods

Spec = dict[str, Any]


def build(spec: Spec, family: str) -> Any:
    return methods.of(spec).add_to(tiny.build(family), None, seed=0).eval()


def perturb(model: Any, seed: int = 5) -> Any:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in (p for p in model.parameters() if p.requires_grad):
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model.eval()


@torch.no_grad()
def logits(model: nn.Module) -> torch.Tensor:
    found: torch.Tensor = model(input_ids=tiny.tokens(), attention_mask=torch.ones_like(tiny.tokens())).logits
    return found


def close(expected: torch.Tensor) -> dict[str, float]:
    # the same products in another order: float32 rounding, some hundred times 6e-8 of the largest logit
    return {"rtol": 0, "atol": 1e-5 * expected.abs().max().item()}


def zero_start(spec: Spec, family: str) -> None:
    """As new it leaves the logits bitwise as they were."""
    assert torch.equal(logits(build(spec, family)), logits(tiny.build(family)))


def rounded_zero_start(spec: Spec, family: str) -> None:
    """As new it leaves the logits as they were, up to the rounding of its own products."""
    expected = logits(tiny.build(family))
    torch.testing.assert_close(logits(build(spec, family)), expected, **close(expected))


def disable(spec: Spec, family: str) -> None:
    """Disabled, it leaves the base bitwise as it was."""
    model = perturb(build(spec, family))
    with model.disable_adapter():
        assert torch.equal(logits(model), logits(tiny.build(family)))


def merge(spec: Spec, family: str) -> None:
    """Merged into the base it computes the same."""
    model = perturb(build(spec, family))
    before = logits(model)
    merged = model.merge_and_unload()
    assert type(merged) is type(tiny.build(family))
    torch.testing.assert_close(logits(merged), before, **close(before))


def several(spec: Spec, family: str) -> None:
    """Two on one model, one active at a time, do not touch each other."""
    model = perturb(build(spec, family))
    first = logits(model)
    model.add_adapter("second", model.peft_config["default"])
    assert torch.equal(logits(model), first)
    model.set_adapter("second")
    assert not torch.equal(logits(perturb(model, seed=6)), first)
    model.set_adapter("default")
    assert torch.equal(logits(model), first)


def checkpointing(spec: Spec, family: str) -> None:
    """Gradient checkpointing changes no gradient."""

    def gradients(checkpointed: bool) -> list[torch.Tensor | None]:
        model = perturb(build(spec, family)).train()
        if checkpointed:
            model.enable_input_require_grads()
            enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
            enable({"use_reentrant": False})
        model(tiny.tokens()).logits.square().mean().backward()
        return [p.grad for p in model.parameters() if p.requires_grad]

    for a, b in zip(gradients(False), gradients(True), strict=True):
        torch.testing.assert_close(a, b)


ABILITIES: dict[str, Callable[[Spec, str], None]] = {
    "zero_start": zero_start,
    "rounded_zero_start": rounded_zero_start,
    "merge": merge,
    "several": several,
    "checkpointing": checkpointing,
    "disable": disable,
}


def measured(spec: Spec, families: tuple[str, ...] = tuple(tiny.CONFIGS)) -> list[str]:
    """The abilities it has on all of these families; a start that is bitwise zero needs no rounding."""
    able = [name for name, check in ABILITIES.items() if all(_holds(check, spec, family) for family in families)]
    return [name for name in able if name != "rounded_zero_start" or "zero_start" not in able]


def _holds(check: Callable[[Spec, str], None], spec: Spec, family: str) -> bool:
    try:
        check(spec, family)
    except Exception:  # a library fails in as many ways as it has methods
        return False
    return True
