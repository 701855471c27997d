"""A guard that times nothing: how many operations (kernels, on a GPU) QWTHN runs beyond PEFT's LoRA.

Views move no data and are not counted. The limits are what was reached, with a little room: raise one only
with a reason in the commit.
"""

import peft
import pytest
import tiny
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from qft.adapters import QWTHNConfig
from qft.models import inject
from qft.quantum.backends.statevector import Statevector

LIMITS = {"training forward": 65, "training backward": 170, "evaluation": 8}  # beyond LoRA's, a layer
LAYERS = 4
VIEWS = {"view", "_unsafe_view", "t", "transpose", "permute", "expand", "slice", "select", "unsqueeze", "squeeze"}
VIEWS |= {"detach", "alias", "split", "unbind", "as_strided", "lift_fresh"}


class Count(TorchDispatchMode):
    """Counts the operations that reach the device."""

    def __init__(self):
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.operations += func._schema.name.split("::")[1] not in VIEWS
        return func(*args, **(kwargs or {}))


def counted(config) -> dict[str, int]:
    model = peft.get_peft_model(tiny.build("qwen2"), config).train()
    inject.set_backend(model, Statevector(kernel=False))  # torch's operations: the compiled kernel is one
    ids = tiny.tokens()
    with Count() as forward:
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
    with Count() as backward:
        loss.backward()
    model.eval()
    with torch.no_grad():
        model(input_ids=ids)  # fills the caches
        with Count() as evaluation:
            model(input_ids=ids)
    counts = (forward.operations, backward.operations, evaluation.operations)
    return dict(zip(LIMITS, counts, strict=True))


@pytest.fixture(scope="module")
def beyond():
    options = {"target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM"}
    lora, mine = (counted(c(**options)) for c in (peft.LoraConfig, QWTHNConfig))
    return {what: (mine[what] - lora[what]) / LAYERS for what in LIMITS}


@pytest.mark.parametrize("what", LIMITS)
def test_operations_beyond_lora_stay_within_the_limit(beyond, what):
    assert beyond[what] <= LIMITS[what]


def test_the_limits_are_not_slack(beyond):
    for what, limit in LIMITS.items():
        assert beyond[what] >= 0.7 * limit, f"{what} takes {beyond[what]} now: lower the limit"
