"""What every run has in common, as plain dataclasses. Light: neither torch nor peft is imported here.

Options of a plug-in (adapter, dataset, model, backend) and their types come from its own yaml.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qft.ranges import MOST, SEED, SEEDS, a_seed, number, within


@dataclass
class TrainerConfig:
    """Options of the training loop; each is passed to transformers' TrainingArguments.

    ``lr`` None means automatic: the model's rate, times the method's ``lr_scale``. A given rate is used exactly.
    """

    epochs: float = number(3.0, above=0)
    max_steps: int | None = number(None, at_least=1)
    batch_size: int = number(8, at_least=1)
    accumulation: int = number(1, at_least=1)
    lr: float | None = number(None, above=0)
    scheduler: str = "cosine"
    warmup: float = number(0.1, at_least=0, below=1)  # a share of the steps
    weight_decay: float = number(0.0, at_least=0)
    max_grad_norm: float = number(1.0, at_least=0)
    optimizer: str = "adamw_torch"
    precision: str = "auto"
    gradient_checkpointing: bool = False
    packing: bool = False
    log_every: int = number(1, at_least=1)
    eval_every: int | None = number(None, at_least=1)
    save_every: int | None = number(None, at_least=1)
    report_to: list[str] = field(default_factory=list)


@dataclass
class EvaluationConfig:
    """How answers are generated and scored."""

    turns: str = "last"
    max_new_tokens: int = number(256, at_least=1)
    batch_size: int | str = "auto"
    do_sample: bool = False
    temperature: float = number(1.0, above=0)
    top_p: float = number(1.0, above=0, at_most=1)
    max_seconds: float | None = number(None, above=0)
    limit: int | None = number(None, at_least=1)
    baseline: bool = False
    forgetting: str | None = None  # prose, demo or a file; None: not measured
    metrics: list[str] | None = None  # None: the run's own, else the data's
    harness: list[str] | None = None  # tasks of lm-evaluation-harness
    harness_tasks: str | None = None  # a directory of task yamls
    harness_shots: int | None = number(None, at_least=0)  # None: as each task has it
    harness_chat: bool = False
    trust_tasks: bool = False


@dataclass
class CommonConfig:
    """Fields of every command. The plug-in groups hold whatever their yaml declares."""

    model: Any = None
    data: Any = None
    adapter: Any = None
    backend: Any = None
    n: int = number(300, at_least=2)  # one to train on, one to validate
    seed: int = a_seed()
    max_seq_len: int = number(1024, at_least=1)
    output_dir: str = "outputs"
    overwrite: bool = False
    trust_configs: bool = False
    format: str = "table"
    verbose: bool = False


@dataclass
class TrainConfig(CommonConfig):
    """``qft train``."""

    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    metric: Any = None
    budget: int | None = number(None, at_most=MOST)
    budget_knob: str = "own"
    run: str | None = None
    eval: bool = False
    resume: bool = False


@dataclass
class EvalConfig(CommonConfig):
    """``qft eval``. Of a run, None means the run's own; ``model`` and ``data`` then hold what is given over its own."""

    n: int | None = number(None, at_least=2)  # type: ignore[assignment]
    seed: int | None = field(default=None, metadata={"range": SEED})  # type: ignore[assignment]
    max_seq_len: int | None = number(None, at_least=1)  # type: ignore[assignment]
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    metric: Any = None
    run: str | None = None
    out: str | None = None


@dataclass
class ForecastConfig(EvalConfig):
    """``qft forecast``; ``run`` is needed."""

    chip: str = "wukong_like"
    shots: int = number(1000, at_least=1)
    mode: str = "direct"
    repeats: int = number(8, at_least=2)
    samples: int | None = number(None, at_least=1)
    answers: int = number(10, at_least=0)
    mitigate: bool = False
    retrain: int = number(0, at_least=0)
    batch_size: int = number(50, at_least=1)
    vendor: str | None = None
    price: float | None = number(None, at_least=0)
    per: str = "circuit"
    rate: float | None = number(None, above=0)
    round_trip: float | None = number(None, at_least=0)


@dataclass
class ChatConfig:
    """``qft chat``. Of a run, None means the run's own; ``model`` then holds what is given over its own."""

    model: Any = None
    adapter: Any = None
    run: str | None = None
    system: str | None = None
    prompt: str | None = None
    max_new_tokens: int = number(512, at_least=1)
    temperature: float = number(0.0, at_least=0)  # 0: greedy
    top_p: float = number(1.0, above=0, at_most=1)
    seed: int = a_seed()
    max_seq_len: int | None = number(None, at_least=2)
    output_dir: str = "outputs"
    trust_configs: bool = False
    format: str = "table"


@dataclass
class ServeConfig:
    """``qft serve``. ``model`` and ``max_seq_len`` as for ``qft chat``."""

    model: Any = None
    run: Any = None  # one, or a list
    adapters: list[str] = field(default_factory=list)
    host: str = "127.0.0.1"
    port: int = number(8000, at_least=0, at_most=65535)
    hosts: list[str] = field(default_factory=list)
    queue: int = number(8, at_least=1, at_most=1000)
    max_new_tokens: int = number(1024, at_least=1)
    max_seq_len: int | None = number(None, at_least=2)
    output_dir: str = "outputs"
    trust_configs: bool = False
    format: str = "table"


@dataclass
class ExportConfig(EvalConfig):
    """``qft export``; None means the run's own, as in ``EvalConfig``."""

    to: str | None = None
    rank: Any = "auto"
    bias: bool = False
    samples: int | None = number(None, at_least=1)
    scores: bool = False
    dtype: str = "auto"


@dataclass
class PushConfig:
    """``qft push``."""

    run: str = "???"
    repo: str = "???"
    private: bool = True
    base: str | None = None
    dry_run: bool = False
    output_dir: str = "outputs"
    format: str = "table"
    verbose: bool = False


@dataclass
class ScoringConfig:
    """Which scores are computed from existing answers."""

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

    budget: int | None = number(None, at_most=MOST)
    budget_knob: str = "own"


@dataclass
class JobsConfig(CommonConfig):
    """``qft jobs``."""

    run: str | None = None
    journal: str | None = None
    action: str = "list"
    job: int | None = number(None, at_least=1)
    task: str | None = None


@dataclass
class CostConfig(CommonConfig):
    """``qft cost``."""

    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    answers: int | None = number(None, at_least=1)
    prompt_tokens: int = number(256, at_least=1)
    answer_tokens: int | None = number(None, at_least=1)
    price: float | None = number(None, at_least=0)
    per: str = "circuit"
    rate: float | None = number(None, above=0)
    round_trip: float | None = number(None, at_least=0)
    calibration: str | None = None


@dataclass
class DataConfig(CommonConfig):
    """``qft data``."""

    samples: int = number(5, at_least=0)


@dataclass
class ReportConfig(CommonConfig):
    """``qft report``."""

    dir: Any = "???"
    names: dict[str, str] = field(default_factory=dict)
    markdown: str | None = None


@dataclass
class FitConfig(EvalConfig):
    """``qft fit``; None means the run's own, as in ``EvalConfig``."""

    methods: list[str] = field(default_factory=list)
    blocks: list[int] | None = None
    tokens: int = number(2048, at_least=16)
    samples: int | None = number(64, at_least=1)
    evaluations: int = number(150, at_least=1)
    starts: int = number(2, at_least=1)
    ranks: list[int] = field(default_factory=lambda: [1, 2, 4])


@dataclass
class ClaimsConfig:
    """``qft claims``."""

    dir: list[str] | None = None
    output_dir: str = "outputs"
    format: str = "table"


@dataclass
class RunsConfig:
    """``qft runs``."""

    dir: str | None = None
    filter: Any = None
    sort: str = "started"
    reverse: bool = False
    cells: bool = False
    limit: int | None = number(None, at_least=1)
    output_dir: str = "outputs"
    format: str = "table"


@dataclass
class RmConfig:
    """``qft rm``."""

    run: Any = "???"
    yes: bool = False
    output_dir: str = "outputs"
    format: str = "table"


@dataclass
class ShowConfig:
    """``qft show``."""

    run: str = "???"
    answers: int = number(3, at_least=0)
    output_dir: str = "outputs"
    format: str = "table"


@dataclass
class CompareConfig:
    """``qft compare``."""

    run: Any = "???"
    html: str | None = None
    answers: int = number(3, at_least=0)
    output_dir: str = "outputs"
    format: str = "table"


@dataclass
class SweepConfig:
    """``qft sweep``; ``options`` go to every cell."""

    sweep: Any = None
    scale: str = "demo"
    rows: list[str] | None = None
    datasets: list[str] | None = None
    n: list[int] | None = field(default=None, metadata=within(at_least=2))
    seeds: Any = field(default=None, metadata=within(at_least=0, at_most=SEEDS) | {"auto": True})
    budget: Any = field(default=None, metadata=within(at_least=1))
    subsets: int | None = number(None, at_least=1)
    paths: dict[str, str] = field(default_factory=dict)
    options: list[str] = field(default_factory=list)
    dir: str | None = None
    workers: int | None = number(None, at_least=1)
    threads: int = number(1, at_least=1)
    launcher: str = "local"
    slurm: dict[str, Any] = field(default_factory=dict)
    search_from: list[str] = field(default_factory=list)
    status: str | None = None
    retry: str | None = None
    overwrite: bool = False
    dry_run: bool = False
    trust_configs: bool = False
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


TAKES_OVER = (EvalConfig, ChatConfig, ServeConfig)  # of a run, what is not given


def without_card(config: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved config without what its adapter's yaml says for the documentation, which decides no result."""
    adapter = config.get("adapter")
    if not isinstance(adapter, Mapping):
        return dict(config)
    return {**config, "adapter": {k: v for k, v in adapter.items() if k not in ("card", "about")}}


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
