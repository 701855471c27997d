"""When a run validates and saves."""

import pytest
from transformers import TrainerControl, TrainerState

from qft.quantum.backends.statevector import Statevector
from qft.training.callbacks import Checkpoints


@pytest.mark.parametrize(("seconds", "saved"), [(0.0, [1, 2, 3]), (3600.0, [])])
def test_checkpoints_are_spared_within_a_while_and_after_the_last_step(seconds: float, saved: list[int]) -> None:
    checkpoints, last = Checkpoints(Statevector(), seconds), 4
    kept = []
    for step in range(1, last + 1):
        control = TrainerControl(should_save=True)
        checkpoints.on_step_end(None, TrainerState(global_step=step, max_steps=last), control)
        kept += [step] if control.should_save else []
    assert kept == saved and control.should_evaluate
