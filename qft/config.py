"""What every run has in common, as plain dataclasses. Light: neither torch nor peft is imported here.

Options of a plug-in (adapter, dataset, model, backend) and their types come from its own yaml.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qft.errors import QftError, nearest


@dataclass
class TrainerConfig:
    """Options of the training loop; each is passed to transformers' TrainingArguments."""

    epochs: float = 3.0
    max_steps: int | None = None
    batch_size: int = 8
    accumulation: int = 1
    lr: float | None = None
    scheduler: str = "cosine"
    warmup: float = 0.1
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    optimizer: str = "adamw_torch"
    precision: str = "auto"
    gradient_checkpointing: bool = False
    packing: bool = False
    log_every: int = 1
    eval_every: int | None = None
    save_every: int | None = None
    report_to: list[str] = field(default_factory=list)


@dataclass
class EvaluationConfig:
    """How answers are generated and scored."""

    turns: str = "last"
    max_new_tokens: int = 256
    batch_size: int | str = "auto"
    do_sample: bool = False
    temperature: float = 1.0
    top_p: float = 1.0
    max_seconds: float | None = None
    limit: int | None = None
    baseline: bool = False
    metrics: list[str] = field(default_factory=lambda: ["bleu", "rouge"])


@dataclass
class CommonConfig:
    """Fields of every command. The plug-in groups hold whatever their yaml declares."""

    model: Any = None
    data: Any = None
    adapter: Any = None
    backend: Any = None
    n: int = 300
    seed: int = 0
    max_seq_len: int = 1024
    output_dir: str = "outputs"
    overwrite: bool = False
    format: str = "table"


@dataclass
class TrainConfig(CommonConfig):
    """``qft train``."""

    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    metric: Any = None
    run: str | None = None
    eval: bool = False
    resume: bool = False


@dataclass
class EvalConfig(CommonConfig):
    """``qft eval``."""

    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    metric: Any = None
    run: str | None = None
    out: str | None = None


@dataclass
class ScoringConfig:
    """Which scores are computed from answers that are there."""

    metrics: list[str] | None = None


@dataclass
class ScoreConfig(CommonConfig):
    """``qft score``."""

    evaluation: ScoringConfig = field(default_factory=ScoringConfig)
    metric: Any = None
    run: str = "???"


@dataclass
class ParamsConfig(CommonConfig):
    """``qft params``."""


@dataclass
class JobsConfig(CommonConfig):
    """``qft jobs``."""

    run: str | None = None
    journal: str | None = None
    action: str = "list"
    job: int | None = None
    task: str | None = None


@dataclass
class CostConfig(CommonConfig):
    """``qft cost``."""

    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    answers: int | None = None
    prompt_tokens: int = 256
    answer_tokens: int | None = None
    price: float | None = None
    per: str = "circuit"
    rate: float | None = None
    round_trip: float | None = None


@dataclass
class DataConfig(CommonConfig):
    """``qft data``."""

    samples: int = 5


@dataclass
class ReportConfig(CommonConfig):
    """``qft report``."""

    dir: Any = "???"
    names: dict[str, str] = field(default_factory=dict)
    markdown: str | None = None


@dataclass
class SweepConfig:
    """``qft sweep``; ``options`` go to every cell."""

    sweep: Any = None
    scale: str = "demo"
    rows: list[str] | None = None
    datasets: list[str] | None = None
    n: list[int] | None = None
    seeds: list[int] | None = None
    paths: dict[str, str] = field(default_factory=dict)
    options: list[str] = field(default_factory=list)
    dir: str | None = None
    workers: int | None = None
    threads: int = 1
    launcher: str = "local"
    slurm: dict[str, Any] = field(default_factory=dict)
    retry: str | None = None
    overwrite: bool = False
    dry_run: bool = False
    output_dir: str = "outputs"
    format: str = "table"


@dataclass
class EnvConfig:
    """``qft env``."""

    format: str = "table"


@dataclass
class CircuitConfig(CommonConfig):
    """``qft circuit``."""

    out: str | None = None
    inputs: list[float] | None = None
    weights: list[float] | None = None


SCHEMAS: dict[str, Any] = {
    "train": TrainConfig,
    "eval": EvalConfig,
    "score": ScoreConfig,
    "params": ParamsConfig,
    "jobs": JobsConfig,
    "cost": CostConfig,
    "data": DataConfig,
    "sweep": SweepConfig,
    "report": ReportConfig,
    "circuit": CircuitConfig,
    "env": EnvConfig,
}


def build(spec: Mapping[str, Any], *args: Any, leave_out: tuple[str, ...] = (), **extra: Any) -> Any:
    """Call what ``spec["_target_"]`` names with the other keys of the spec, less those in ``leave_out``.

    Raises QftError for a target that does not exist and for options it does not take.
    """
    module, _, name = str(spec["_target_"]).rpartition(".")
    try:
        target = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise QftError(f"_target_={spec['_target_']} cannot be loaded: {error}.") from error
    options = {k: v for k, v in spec.items() if k not in ("_target_", "name", *leave_out)} | extra
    try:
        return target(*args, **options)
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        known = [k for k in getattr(target, "__dataclass_fields__", {})]
        wrong = str(error).rpartition("argument ")[2].strip("'\"")
        raise QftError(f"{name} has no option '{wrong}'.{nearest(wrong, known)}") from error


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Keys whose values differ between two resolved configs, as ``key: old -> new``."""
    out = []
    for key in sorted({*old, *new}):
        a, b = old.get(key), new.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            out += differences(a, b, f"{prefix}{key}.")
        elif a != b:
            out.append(f"{prefix}{key}: {a} -> {b}")
    return out
