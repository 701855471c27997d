"""What runs leave on the disk, made up: whole documents with plausible numbers, some of them changed."""

from typing import Any

from qft.records import (
    EvaluationSettings,
    Generation,
    GitState,
    Loss,
    Metrics,
    ModelRecord,
    ParameterRecord,
    Prompts,
    Record,
    Scores,
    TrainingRecord,
    from_json,
)


def training(**changed: Any) -> TrainingRecord:
    numbers = {"steps": 3, "validation_loss": 1.0, "validation_loss_at_start": 3.5, "seconds": 6.0, "tokens": 900}
    numbers |= {"train_loss_run_mean": 2.5, "train_loss_final_epoch": 2.0, "peak_memory_mb": 600.0, "circuits": 0}
    return TrainingRecord(**numbers | changed)


def parameters(trainable: int = 12345, ratio: float = 0.25, base: int = 4_000_000) -> ParameterRecord:
    content = {"trainable": trainable, "base": base, "lora_r4": 1000, "ratio_to_lora_r4": ratio, "modules": []}
    memory = {"base": 4 * base, "adapter": 0, "gradients": 0, "optimizer": 0}
    return from_json(ParameterRecord, content | {"bytes": memory, "notes": []})


def record(seed: int = 0, **parts: Any) -> Record:
    """Of a finished training; parts given as None are left out."""
    known: dict[str, Any] = {
        "git": GitState("0123456789abcdef", False),
        "packages": {"torch": "2.13.0"},
        "model": ModelRecord("synthetic-4m", "somewhere", "torch.float32", "chatml", "cpu", "f" * 64),
        "parameters": parameters(),
        "training": training(),
    }
    return Record("qft train", "2026-01-02T03:04:05+0000", seed, **known | parts)


def settings(**changed: Any) -> EvaluationSettings:
    known: dict[str, Any] = {
        **{"base": "f" * 64, "dtype": "torch.float32", "template": "chatml", "adapter": None, "data": "d" * 64},
        **{"validation": "v" * 64, "prompts": Prompts(3, "0" * 64), "backend": {"name": "statevector"}},
        **{"max_seq_len": 1024, "overlong": "truncate", "turns": "last", "limit": None, "decoding": "greedy"},
        **{"max_new_tokens": 16, "batch_size": 16, "max_seconds": None},
    }
    return EvaluationSettings(**known | changed)


def generation(answers: int = 3, seconds: float = 3.0) -> Generation:
    return Generation(answers, 900, 1, 0, seconds, 300.0, 1 / 300, 700_000_000)


def loss(value: float) -> Loss:
    return Loss(value, 2.0, None, value, 100, 20)


def metrics(scores: Scores | None = None, **parts: Any) -> Metrics:
    return Metrics(settings(), scores or Scores(generation=generation()), **parts)
