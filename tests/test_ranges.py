"""Numbers that are no numbers, or out of range, are refused where they are read, each by its name."""

from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
from program import qft_here

from qft import ranges
from qft.config import CostConfig, EvalConfig, EvaluationConfig, SweepConfig, TrainConfig, TrainerConfig
from qft.errors import QftError
from qft.training import distributed


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (TrainConfig(seed=-1), "seed=-1 must be a whole number, at least 0"),
        (TrainConfig(seed=2**32), "at most 4294967295"),
        (TrainConfig(n=1), "n=1 "),
        (TrainConfig(max_seq_len=-3), "max_seq_len=-3"),
        (TrainConfig(max_seq_len=10**12), "must be at most 2147483647"),
        (TrainConfig(n="300"), "n=300 must be a whole number"),
        (TrainConfig(trainer=TrainerConfig(epochs=inf)), "trainer.epochs=inf must be a finite number, above 0"),
        (TrainConfig(trainer=TrainerConfig(lr=nan)), "trainer.lr=nan"),
        (TrainConfig(trainer=TrainerConfig(warmup=1.0)), "trainer.warmup=1.0"),
        (TrainConfig(trainer=TrainerConfig(weight_decay=-0.1)), "trainer.weight_decay"),
        (TrainConfig(trainer=TrainerConfig(max_grad_norm=nan)), "trainer.max_grad_norm"),
        (TrainConfig(trainer=TrainerConfig(save_every=0)), "trainer.save_every=0"),
        (TrainConfig(adapter={"_target_": "x", "lora_alpha": nan}), "adapter.lora_alpha=nan"),
        (TrainConfig(adapter={"a": [{"b": inf}]}), "adapter.a.b=inf"),
        (TrainConfig(backend={"noise": {"p2": nan}, "seed": 0}), "backend.noise.p2=nan"),
        (TrainConfig(backend={"seed": -1}), "backend.seed=-1"),
        (TrainConfig(backend={"seed": True}), "backend.seed=True"),
        (EvalConfig(evaluation=EvaluationConfig(temperature=nan)), "evaluation.temperature=nan"),
        (EvalConfig(evaluation=EvaluationConfig(top_p=1.1)), "evaluation.top_p=1.1"),
        (EvalConfig(evaluation=EvaluationConfig(limit=0)), "evaluation.limit=0"),
        (EvalConfig(metric={"reasoning": {"seconds": inf}}), "metric.reasoning.seconds=inf"),
        (CostConfig(price=nan), "price=nan"),
        (CostConfig(rate=0.0), "rate=0.0"),
        (CostConfig(round_trip=-1.0), "round_trip=-1.0"),
        (SweepConfig(seeds=[0, -1]), "seeds=-1"),
        (SweepConfig(n=[300, 0]), "n=0"),
        (SweepConfig(workers=0), "workers=0"),
        (SweepConfig(threads=-1), "threads=-1"),
    ],
)
def test_what_is_out_of_range_is_named(config: Any, words: str) -> None:
    with pytest.raises(QftError) as refused:
        ranges.check(config)
    assert words in str(refused.value)


def test_defaults_are_in_range() -> None:
    for config in (TrainConfig(), EvalConfig(), CostConfig(), SweepConfig(), TrainConfig(seed=2**32 - 1)):
        ranges.check(config)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("qwthn", {"r": "4"}),
        ("qwthn", {"r": True}),
        ("qwthn", {"alpha": nan}),
        ("qwthn", {"alpha": inf}),
        ("qwthn", {"width": 0}),
        ("qwthn", {"width": 2.5}),
        ("qwthn", {"blocks": 0}),
        ("qwthn", {"init_seed": -1}),
        ("qtha", {"layers": 0}),
        ("qtha", {"cores": 10**10}),
        ("sora", {"sparsity": nan}),
        ("sora", {"sparsity": -1.0}),
        ("quanta", {"num_axes": 1}),
        ("quanta", {"axes": [8, 0]}),
        ("quanta", {"axes": [8, "8"]}),
    ],
)
def test_adapters_of_ours_hold_their_numbers_to_ranges(method: str, options: dict[str, Any]) -> None:
    import importlib

    with pytest.raises(QftError, match=f"{next(iter(options))}="):
        importlib.import_module(f"qft.adapters.{method}").CONFIG(**options)


@pytest.mark.parametrize("text", ["abc", "-1", "0", "1.5", "٣", "9" * 5000])
def test_the_number_of_processes_is_a_number(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", text)
    with pytest.raises(QftError, match="WORLD_SIZE="):
        distributed.world()


def test_the_command_line_is_held_to_them_without_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for args, words in (
        (["train", "trainer.lr=inf"], "trainer.lr=inf"),
        (["train", "adapter.alpha=nan"], "adapter.alpha=nan"),
        (["cost", "price=nan"], "price=nan"),
        (["sweep", "table1", "scale=smoke", "seeds=[-1]"], "seeds=-1"),
        (["circuit", "inputs=[nan]"], "inputs=nan"),
    ):
        assert qft_here(*args) == 2 and words in (error := capfd.readouterr().err), args
        assert error.count("\n") == 1, error
    assert not list(tmp_path.iterdir())
