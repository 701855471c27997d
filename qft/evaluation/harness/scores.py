"""A model's scores on tasks of lm-evaluation-harness, as its own command computes them."""

import contextlib
import io
import logging
import random
from collections.abc import Iterator, Mapping
from typing import Any

from qft.data.template import Template
from qft.evaluation.harness.tasks import Tasks, guarded
from qft.progress import watched
from qft.records import HarnessScore, HarnessTask

log = logging.getLogger(__name__)
SEEDS = (0, 1234, 1234)  # of random, numpy and torch, the harness's own


def measure(
    model: Any,
    tokenizer: Any,
    template: Template,
    tasks: Tasks,
    batch_size: int,
    known: Mapping[str, HarnessTask] | None = None,
) -> dict[str, HarnessTask]:
    """Scores of each task, in the order of their names.

    Args:
        model: In evaluation mode, with its adapter on or off.
        tokenizer: The model's.
        template: Questions are put into it where the selection says so; else they stand alone, as in ``lm_eval``.
        tasks: What is asked.
        batch_size: Questions side by side.
        known: Scores of the same model from an earlier evaluation: those of the same task are taken over.

    Raises:
        QftError: A task fails.
    """
    known = known or {}
    scores = dict(known)
    todo = [name for name, digest in tasks.digests.items() if name not in known or known[name].digest != digest]
    if not todo:
        return scores
    log.info("lm-evaluation-harness: %s", ", ".join(todo))
    with guarded(tasks.selection), _seeded(), _silent():
        from lm_eval import evaluator

        results = evaluator.evaluate(
            lm=_wrapped(model, tokenizer, template, tasks, batch_size),
            task_dict={"tasks": {name: tasks.loaded["tasks"][name] for name in todo}},
            limit=tasks.selection.limit,
            log_samples=False,
            apply_chat_template=tasks.selection.chat,
            fewshot_as_multiturn=tasks.selection.chat,
            confirm_run_unsafe_code=tasks.selection.trusted,
        )
    scores |= {name: _recorded(name, results, tasks) for name in todo}
    return dict(sorted(scores.items()))


def _wrapped(model: Any, tokenizer: Any, template: Template, tasks: Tasks, batch_size: int) -> Any:
    """The model as the harness calls it."""
    import copy

    from lm_eval.models.huggingface import HFLM

    tokenizer = copy.deepcopy(tokenizer)  # it is given another template, and a padding side
    if tasks.selection.chat:
        tokenizer.chat_template = template.text
    return HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)


def _recorded(name: str, results: Mapping[str, Any], tasks: Tasks) -> HarnessTask:
    from lm_eval import __version__

    found, better = results["results"][name], results["higher_is_better"].get(name) or {}
    scores = {}
    for key, value in found.items():
        metric, comma, which = key.partition(",")
        if not comma or metric.endswith("_stderr") or not isinstance(value, (int, float)):
            continue
        error = found.get(f"{metric}_stderr,{which}")
        named = metric if which == "none" else f"{metric}, {which}"
        error = float(error) if isinstance(error, (int, float)) else None
        scores[named] = HarnessScore(float(value), error, better.get(metric))
    version = results["versions"].get(name)
    return HarnessTask(
        version=None if version is None else str(version),
        shots=int(results["n-shot"].get(name) or 0),
        samples=int(results["n-samples"][name]["effective"]),
        chat=tasks.selection.chat,
        scores=scores,
        package=f"lm_eval {__version__}",
        digest=tasks.digests[name],
    )


@contextlib.contextmanager
def _seeded() -> Iterator[None]:
    """The generators as the harness seeds them, and afterwards as they were."""
    import numpy as np
    import torch

    before, of_numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        random.seed(SEEDS[0])
        np.random.seed(SEEDS[1])
        torch.manual_seed(SEEDS[2])
        try:
            yield
        finally:
            random.setstate(before)
            np.random.set_state(of_numpy)


def _silent() -> contextlib.AbstractContextManager[Any]:
    """The harness's bars are for whoever watches."""
    return contextlib.nullcontext() if watched() else contextlib.redirect_stderr(io.StringIO())
