"""Options of an evaluation that cannot work are refused here, before anything is read or loaded."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qft import ranges
from qft.config import EvaluationConfig
from qft.errors import QftError
from qft.records import Plain

if TYPE_CHECKING:
    from qft.evaluation.harness.tasks import Selection

Options = dict[str, Plain]  # metric -> its options


def metric_options(metrics: Sequence[str], options: Mapping[str, Any] | None) -> Options:
    """The options of these metrics.

    Args:
        metrics: Names of metrics.
        options: What the config says of every metric: ``{"bleu": {"tokenize": "char"}}``.

    Raises:
        QftError: For metrics and options that do not exist, and for values that cannot be scored with.
    """
    from qft.evaluation.score import check, check_values

    check(metrics, options or {})
    chosen = {name: dict((options or {}).get(name, {})) for name in metrics}
    check_values(metrics, chosen)
    return chosen


def check_evaluation(
    evaluation: EvaluationConfig, metrics: Sequence[str], options: Mapping[str, Any] | None, max_seq_len: int | None
) -> Options:
    """Refuse options of an evaluation that cannot work.

    Args:
        evaluation: How answers are made.
        metrics: What they are scored with.
        options: The config's options of every metric.
        max_seq_len: Tokens of prompt and answer; None if nothing is answered, so that a prompt needs no room.

    Returns:
        The options of ``metrics``.

    Raises:
        QftError: For the first option that is wrong.
    """
    from qft.data import general, template

    template.check_turns(evaluation.turns)
    size = evaluation.batch_size
    if isinstance(size, str) and size != "auto":
        raise QftError(f"evaluation.batch_size={size} must be a number or auto.")
    ranges.check(evaluation, "evaluation.")
    if isinstance(size, int) and size < 1:
        raise QftError(f"evaluation.batch_size={size} must be at least 1.")
    if max_seq_len is not None and evaluation.max_new_tokens >= max_seq_len:
        raise QftError(
            f"evaluation.max_new_tokens={evaluation.max_new_tokens} leaves no room for a prompt within "
            f"max_seq_len={max_seq_len}."
        )
    if not evaluation.do_sample and (evaluation.temperature, evaluation.top_p) != (1, 1):
        raise QftError("evaluation.temperature and top_p do nothing to greedy answers; add evaluation.do_sample=true.")
    if evaluation.forgetting is not None:
        general.read(evaluation.forgetting)
    harness(evaluation)
    return metric_options(metrics, options)


def harness(evaluation: EvaluationConfig) -> "Selection | None":
    """The tasks of lm-evaluation-harness that are asked for; None for none.

    Raises:
        QftError: The package is missing, or the directory of tasks cannot be used or is not trusted.
    """
    e = evaluation
    if not e.harness:
        if e.harness_tasks is not None:
            raise QftError("evaluation.harness_tasks= says where tasks are; name them, too: evaluation.harness=[NAME].")
        return None
    from qft.evaluation.harness import tasks

    return tasks.select(e.harness, e.harness_tasks, e.harness_shots, e.limit, e.harness_chat, e.trust_tasks)


def check_baseline(evaluation: EvaluationConfig, whole: bool) -> None:
    """Refuse the base's scores beside those of a model that was tuned as a whole (``whole``).

    Raises:
        QftError: There is no adapter that could be switched off.
    """
    if evaluation.baseline and whole:
        raise QftError(
            "Full tuning has no adapter to switch off: leave evaluation.baseline=false, "
            "and evaluate the base alone with qft eval model.path=... and no run=."
        )


def metrics_of(evaluation: EvaluationConfig, data: Mapping[str, Any]) -> list[str]:
    """The metrics that answers on this data are scored with: those given, else the data's own."""
    if evaluation.metrics is not None:
        return list(evaluation.metrics)
    return list(data.get("metrics") or ("bleu", "rouge"))
