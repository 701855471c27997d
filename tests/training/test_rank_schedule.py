"""PEFT's AdaLoRA takes ranks away in a run, saves what is left, and goes on exactly where it was killed."""

import json
import signal
from types import SimpleNamespace

import pytest
from program import qft_forked, qft_here
from safetensors.torch import load_file

from qft import records
from qft.adapters import methods
from qft.compose.configs import packaged
from qft.errors import QftError
from qft.training import rank_schedule

ARGS = [
    "train",
    "adapter=adalora",
    "adapter.target_modules=[q_proj,v_proj]",
    "n=20",
    "trainer.batch_size=2",
    "trainer.max_steps=10",  # the first rank goes after step 1, the last at step 7
    "trainer.save_every=3",
    "trainer.eval_every=5",
]


def test_ranks_are_taken_away_saved_and_loaded(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert qft_here(*ARGS, "adapter.orth_reg_weight=100", "run=whole") == 0, capsys.readouterr().err
    run = tmp_path / "outputs/whole"
    config = json.loads((run / "adapter/adapter_config.json").read_text())
    assert (config["total_step"], config["tinit"], config["tfinal"]) == (10, 1, 3)
    assert config["orth_reg_weight"] == 100
    ranks = {name: sum(left) for name, left in config["rank_pattern"].items()}
    assert sum(ranks.values()) == 2 * len(ranks) and len(set(ranks.values())) > 1
    saved = load_file(run / "adapter/adapter_model.safetensors")
    for name, rank in ranks.items():
        key = f"base_model.model.{name}"
        assert len(saved[key]) == len(saved[key.replace("lora_E", "lora_A")]) == rank
    history = records.read_history(run / "history.csv")
    # a penalty of several hundred is part of what is trained on, and none of what is validated
    assert history[1].train_loss > 50 and all(r.validation_loss < 10 for r in history if r.validation_loss)
    assert qft_here("eval", "whole", "evaluation.limit=1", "evaluation.max_new_tokens=2") == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    "killed_at",
    [
        pytest.param("step:5", id="between ranks"),
        pytest.param("step:8", id="after the last", marks=pytest.mark.extended),
    ],
)
def test_a_run_that_is_killed_goes_on_exactly(killed_at, tmp_path):
    assert qft_forked(*ARGS, "run=whole", cwd=tmp_path).returncode == 0
    assert qft_forked(*ARGS, "run=killed", cwd=tmp_path, point=killed_at).returncode == -signal.SIGKILL
    done = qft_forked(*ARGS, "run=killed", "resume=true", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    for file in ("adapter_model.safetensors", "adapter_config.json"):
        whole, killed = ((tmp_path / "outputs" / run / "adapter" / file).read_bytes() for run in ("whole", "killed"))
        assert whole == killed


def settings(**options):
    import yaml

    spec = {"name": "adalora"} | yaml.safe_load((packaged() / "adapter" / "adalora.yaml").read_text()) | options
    return methods.of(spec).config()


def test_what_leaves_no_step_is_refused():
    with pytest.raises(QftError, match=r"tinit=0 and adapter\.tfinal=18 leave no step of this run's 18 .* at most 16"):
        rank_schedule.set_steps(settings(tfinal=18), 18)
    with pytest.raises(QftError, match=r"target_r=4 ranks are to be left of init_r=4; it should be at most 3"):
        settings(target_r=4)
    chosen = settings(tinit=2, tfinal=3)
    assert rank_schedule.set_steps(chosen, 10) and (chosen.tinit, chosen.tfinal) == (2, 3)


def test_a_run_of_one_step_keeps_all_ranks():
    assert not rank_schedule.set_steps(settings(), 1)
    assert rank_schedule.set_steps(settings(), 2)


def test_a_model_of_another_method_has_no_schedule():
    assert rank_schedule.rank_schedules(SimpleNamespace(base_model=object())) == []
