"""What training with a chip's noise gives back: some more steps of a run with it, and as many without it.

Steps alone lower the loss, so both arms take the same ones from the same adapter, with the same samples, rate and
seed. Each is then measured on the chip with infinitely many shots, on samples that neither was trained on.
"""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qft.config import TrainConfig
from qft.errors import QftError
from qft.process.signals import DeferredStop
from qft.records import Retrained, RunDirectory
from qft.runs.on_chip import OnChip

if TYPE_CHECKING:
    from qft.quantum.backends.base import Backend


def retrain(
    run: OnChip, trained_with: TrainConfig, steps: int, ideal: "Backend", chip: "Backend", before: float
) -> Retrained:
    """Continue the run twice, each time from its adapter as it was saved.

    Args:
        run: Loaded.
        trained_with: Its config, whose trainer's options are used; its scheduler runs over ``steps``.
        steps: Of the optimizer, each time.
        ideal: The noiseless simulator.
        chip: The exact noisy one.
        before: The run's loss on the chip.

    Raises:
        QftError: ``chip`` gives no gradient.
    """
    check(chip, steps)
    assert run.subject.run is not None
    trained = RunDirectory(run.subject.run).record().training
    rate = trained_with.trainer.lr if trained is None or trained.lr is None else trained.lr
    if rate is None:
        raise QftError(f"{run.subject.run} does not say its learning rate, which retrain={steps} needs.")
    losses = []
    for backend, title in ((ideal, "trained on without noise"), (chip, "trained on with noise")):
        again = run.loaded(trainable=True)
        again.use(backend)
        _fit(again, trained_with, steps, rate, backend)
        again.use(chip)
        losses.append(again.loss(title))
    return Retrained(steps, rate, before, *losses)


def check(chip: "Backend", steps: int) -> None:
    """Raise QftError where ``chip`` cannot train."""
    if steps and chip.gradient != "autograd":
        raise QftError(f"backend={chip.name} gives no exact gradient, so leave retrain=0, or use backend=noisy.")


def _fit(run: OnChip, trained_with: TrainConfig, steps: int, rate: float, backend: "Backend") -> None:
    from qft.models import load
    from qft.training import trainer

    options = replace(
        trained_with.trainer, lr=rate, max_steps=steps, eval_every=steps, save_every=steps, report_to=[], packing=False
    )
    subject = run.subject
    with tempfile.TemporaryDirectory() as folder, DeferredStop() as stop:
        trainer.fit(
            run.model,
            run.tokenizer,
            run.encoded(run.parts.train),
            run.encoded(run.parts.validation),
            options,
            RunDirectory(Path(folder)),
            subject.seed,
            load.precision(options.precision),
            backend,
            stop,
            measure=lambda _: None,
        )
