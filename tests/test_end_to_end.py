"""train -> kill -> resume -> eval -> kill -> eval on the embedded defaults, and what a run directory answers."""

import csv
import json
import signal
from pathlib import Path

import pytest
from program import qft_forked

from qft.records import RunDirectory, mean_loss

TRAIN = ["train", "n=20", "run=r", "trainer.batch_size=4", "trainer.max_steps=6", "trainer.eval_every=2"]
TRAIN += ["data.heldout=12"]
EVAL = ["eval", "run=outputs/r", "evaluation.limit=6", "evaluation.batch_size=4", "evaluation.max_new_tokens=12"]
EVAL += ["evaluation.forgetting=texts.txt"]

# one worker, or each would make the shared directory again
pytestmark = pytest.mark.xdist_group("end_to_end")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a run that was killed once, resumed, and evaluated with one kill in between."""
    cwd = tmp_path_factory.mktemp("place")
    (cwd / "texts.txt").write_text(
        "Bread needs only flour, water, salt and time.\n\nA river rarely runs straight for long.\n"
    )
    assert qft_forked(*TRAIN, cwd=cwd, point="step:3").returncode == -signal.SIGKILL
    refused = qft_forked(*EVAL, cwd=cwd)
    assert refused.returncode == 2 and "not finished" in refused.stderr and "resume=true" in refused.stderr
    resumed = qft_forked(*TRAIN, "resume=true", cwd=cwd)
    assert resumed.returncode == 0, resumed.stderr[-2000:]
    assert qft_forked(*EVAL, cwd=cwd, point="answer:5").returncode == -signal.SIGKILL
    done = qft_forked(*EVAL, "format=json", cwd=cwd)
    assert done.returncode == 0, done.stderr[-2000:]
    (cwd / "stdout.json").write_text(done.stdout)
    return cwd


def test_the_run_directory_answers_every_question(place: Path) -> None:
    run = place / "outputs/r"
    record = json.loads((run / "record.json").read_text())
    assert record["seed"] == 0 and "commit" in record["git"]
    assert {"torch", "sacrebleu", "jieba", "math-verify"} <= set(record["packages"]), "those of the metrics too"
    assert (
        record["data"]["train"] == 18 and record["data"]["validation"] == 2 and len(record["data"]["fingerprint"]) == 64
    )
    assert record["parameters"]["trainable"] > 0 and record["parameters"]["ratio_to_lora_r4"] <= 0.30
    assert record["backend"]["name"] == "statevector" and record["backend"]["circuits"] > 0
    training = record["training"]
    assert training["steps"] == 6
    with (run / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    losses = [float(r["train_loss"]) for r in rows if r["train_loss"]]
    assert len(losses) == 6 and training["train_loss_run_mean"] == pytest.approx(sum(losses) / 6, rel=1e-12)
    assert [int(r["step"]) for r in rows if r["validation_loss"]] == [0, 2, 4, 6]
    assert all(float(r["seconds"]) > 0 and float(r["peak_memory_mb"]) > 0 for r in rows[1:])
    assert (run / "curve.png").read_bytes().startswith(b"\x89PNG")
    held_out = RunDirectory(run).heldout()
    assert len(held_out) == record["data"]["heldout"] == 12
    assert training["heldout_loss"] == mean_loss(held_out) > 0
    assert (run / "adapter/adapter_model.safetensors").exists() and not (run / "checkpoints").exists()
    assert (run / "COMPLETE").exists() and "resuming" in (run / "log.txt").read_text()


def test_an_interrupted_evaluation_ends_as_an_uninterrupted_one(place: Path) -> None:
    fresh = qft_forked(*EVAL, "out=fresh", "evaluation.baseline=true", cwd=place)
    assert fresh.returncode == 0, fresh.stderr[-2000:]

    def rows(path: Path) -> list[dict]:
        cost = ("seconds", "peak_memory_bytes")
        return [{k: v for k, v in json.loads(line).items() if k not in cost} for line in path.read_text().splitlines()]

    assert rows(place / "outputs/r/predictions.jsonl") == rows(place / "fresh/predictions.jsonl")
    ours, theirs = (json.loads((d / "metrics.json").read_text()) for d in (place / "outputs/r", place / "fresh"))
    assert ours["metrics"]["test"] == theirs["metrics"]["test"] and ours["settings"] == theirs["settings"]
    assert ours["metrics"]["forgetting"] == theirs["metrics"]["forgetting"] and "forgetting" not in theirs["base"]
    assert ours["metrics"]["forgetting"]["after"] != ours["metrics"]["forgetting"]["before"] > 0
    assert (
        rows(place / "outputs/r/general.jsonl") == rows(place / "fresh/general.jsonl") and "forgetting" in fresh.stdout
    )
    assert len(list((place / "outputs").glob("untuned-*.json"))) == 1, "the base is measured once"
    assert theirs["base"]["validation"]["loss"] > 0 and "base" in fresh.stdout
    assert len(rows(place / "fresh/base_predictions.jsonl")) == 6


def test_the_untuned_base_is_held_to_the_same_samples(place: Path) -> None:
    few = ["n=20", "data.heldout=12", "evaluation.limit=1", "evaluation.max_new_tokens=2", "out=base"]
    done = qft_forked("eval", *few, "format=json", cwd=place)
    assert done.returncode == 0, done.stderr[-2000:]
    base, tuned = RunDirectory(place / "base").heldout(), RunDirectory(place / "outputs/r").heldout()
    assert [(r.sample, r.family, r.tokens) for r in base] == [(r.sample, r.family, r.tokens) for r in tuned]
    assert json.loads(done.stdout)["metrics"]["heldout_loss"] == mean_loss(base) != mean_loss(tuned)
    again = qft_forked("eval", *few, "data.heldout=0", "overwrite=true", cwd=place)
    assert again.returncode == 0 and not (place / "base/heldout.csv").exists(), "of another evaluation"


def test_held_out_losses_are_part_of_what_a_finished_run_is(place: Path) -> None:
    path = place / "outputs/r/heldout.csv"
    whole = path.read_text()
    path.write_text(whole.replace(",1", ",2", 1))
    refused = qft_forked(*EVAL, cwd=place)
    path.write_text(whole)
    assert refused.returncode == 2 and "heldout.csv is damaged" in refused.stderr


def test_scores_carry_their_settings(place: Path) -> None:
    document = json.loads((place / "stdout.json").read_text())
    measures, variants = ("bleu4", "rouge1", "rouge2", "rougel"), ("formula", "llamafactory", "standard")
    assert set(document["metrics"]["test"]) >= {f"{m}_{v}" for m in measures for v in variants}
    scores = document["metrics"]["test"]
    assert all(score["signature"] for score in scores.values())
    # reasoning is judged on the rows that have an answer to verify: half of them
    of_some = ("sa", "accuracy", "ctc")
    assert all(score["samples"] == (3 if name in of_some else 6) for name, score in scores.items())
    cost = document["metrics"]["generation"]
    assert cost["adapter_bytes"] == (place / "outputs/r/adapter/adapter_model.safetensors").stat().st_size
    assert cost["peak_memory_bytes"] > 1e8 and cost["seconds_per_token"] > 0
    # per token one circuit for each adapted projection: a whole number
    assert cost["circuits_per_token"] == int(cost["circuits_per_token"]) > 0
    assert cost["circuits"] > cost["circuits_per_token"] * cost["tokens"]
    assert document["settings"]["decoding"] == "greedy" and document["settings"]["max_new_tokens"] == 12
    record = json.loads((place / "outputs/r/record.json").read_text())
    # the library's loop and ours sum the same tokens in another order: float32 rounding only
    assert document["metrics"]["validation"]["loss"] == pytest.approx(record["training"]["validation_loss"], rel=1e-5)


def test_other_metrics_are_scored_afterwards(place: Path) -> None:
    run = place / "outputs/r"
    before = json.loads((run / "metrics.json").read_text())
    only = "evaluation.metrics=[reasoning,rouge]"
    done = qft_forked("score", "run=r", only, cwd=place)  # a name below outputs
    assert done.returncode == 0, done.stderr[-2000:]
    assert all(name in done.stdout for name in (*before["metrics"]["test"], "rouge1_standard", "rouge1_llamafactory"))
    assert "published numbers" in done.stderr
    after = json.loads((run / "metrics.json").read_text())
    rescored, judged = after["metrics"].pop("test"), ("sa", "accuracy", "ctc", "ac")
    assert [rescored[name]["samples"] for name in judged] == [3, 3, 3, 6]
    old = before["metrics"].pop("test")
    assert {n: s for n, s in rescored.items() if n not in judged} == {n: s for n, s in old.items() if n not in judged}
    assert after == before
    rows = [json.loads(line) for line in (run / "scores.jsonl").read_text().splitlines()]
    assert len(rows) == 6 and all(r["reasons"]["ac"] and "bleu4_formula" in r["scores"] for r in rows)
    (run / "metrics.json").write_bytes((run / "metrics.json").read_bytes()[:200])
    refused = qft_forked("score", "run=outputs/r", cwd=place)
    assert refused.returncode == 2 and "metrics.json is damaged" in refused.stderr
    (run / "metrics.json").write_text(json.dumps(before | {"metrics": before["metrics"] | {"test": rescored}}))


def test_other_settings_do_not_mix(place: Path) -> None:
    other = qft_forked(*EVAL[:-1], "evaluation.max_new_tokens=9", cwd=place)
    assert other.returncode == 2 and "max_new_tokens: 12 -> 9" in other.stderr


def test_a_finished_run_is_not_overwritten(place: Path) -> None:
    again = qft_forked(*TRAIN, cwd=place)
    assert again.returncode == 2 and "overwrite=true" in again.stderr
    done = qft_forked(*TRAIN, "resume=true", cwd=place)
    assert done.returncode == 0 and "already finished" in done.stderr


def test_an_adapter_that_does_not_fit_is_refused(place: Path) -> None:
    base = place / "wider"
    _small_model(base)
    done = qft_forked("eval", "adapter.path=outputs/r/adapter", "model.path=wider", "out=no", cwd=place)
    assert done.returncode == 2 and "does not fit" in done.stderr and "Traceback" not in done.stderr


def test_a_run_is_evaluated_on_its_own_base(place: Path) -> None:
    _small_model(place / "another")
    done = qft_forked(*EVAL, "model.path=another", "out=no", cwd=place)
    assert done.returncode == 2 and "base model is not what" in done.stderr


def _small_model(path: Path) -> None:
    """A tiny random model of other sizes with the demo's tokenizer."""
    from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

    import qft as package

    sizes = dict(hidden_size=32, intermediate_size=48, num_attention_heads=2, num_key_value_heads=1)
    Qwen2ForCausalLM(Qwen2Config(num_hidden_layers=1, vocab_size=2048, **sizes)).save_pretrained(path)
    AutoTokenizer.from_pretrained(Path(package.__file__).parent / "models/demo").save_pretrained(path)
