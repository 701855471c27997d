"""The model card: a header the hub's own reader takes, results and settings, nothing that is not so."""

from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import ModelCard

from qft.records import write_json
from qft.training import model_card

CONFIG: dict[str, Any] = {
    "adapter": {"name": "qwthn", "_target_": "qft.adapters.qwthn.QWTHNConfig", "r": 4},
    "model": {"path": "Qwen/Qwen2-7B-Instruct"},
    "data": {"name": "demo"},
    "trainer": {"lr": 0.01, "odd": "a|b"},
    "backend": {"name": "statevector"},
    "n": 300,
    "seed": 2,
    "max_seq_len": 64,
}
RECORD = {
    "qft": "0.1.0",
    "command": "qft train",
    "model": {"name": "base"},
    "parameters": {"trainable": 12345, "ratio_to_lora_r4": 0.25},
    "training": {"validation_loss_at_start": 3.0, "validation_loss": None, "train_loss_run_mean": 2.5},
}


def written(run: Path, config: dict[str, Any], metrics: dict[str, Any] | None = None) -> ModelCard:
    (run / "adapter").mkdir(parents=True)
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    write_json(run / "record.json", RECORD)
    if metrics:
        write_json(run / "metrics.json", {"metrics": metrics})
    model_card.write(run)
    return ModelCard.load(run / "adapter" / "README.md")


def test_a_trained_adapter(tmp_path: Path) -> None:
    made = written(tmp_path / "r", CONFIG)
    assert made.data.base_model == "Qwen/Qwen2-7B-Instruct" and made.data.library_name == "peft"
    assert made.data.eval_results is None, "nothing has been evaluated"
    for line in ("| trainable parameters | 12,345 |", "| validation loss after | - |", "| trainer.odd | a\\|b |"):
        assert line in made.text
    assert "seed 2" in made.text and "import qft.adapters" in made.text


def test_scores_are_results(tmp_path: Path) -> None:
    scores = {
        "generation": {"answers": 1250},
        "test": {
            "bleu4_standard": {"value": 12.5, "samples": 1250},
            "sa": {"value": 40.0, "samples": 1249},
            "ac": {"value": 50.0},  # as early versions wrote it
            "bertscore_f1": {"value": None, "samples": 0},
        },
    }
    made = written(tmp_path / "r", CONFIG, scores)
    result, sa, _ = made.data.eval_results or []
    assert (result.metric_args, sa.metric_args) == ({"answers": 1250}, {"answers": 1249})
    assert (result.metric_type, result.metric_value, result.dataset_name) == ("bleu4_standard", 12.5, "demo")
    for line in (
        "| bleu4_standard (test, 1,250 answers) | 12.5 |",
        "| sa (test, 1,249 of 1,250 answers) | 40 |",
        "| ac (test) | 50 |",
        "| bertscore_f1 (test, 0 of 1,250 answers) | - |",
    ):
        assert line in made.text


def test_a_base_on_this_machine_is_not_named_as_one_of_the_hub(tmp_path: Path) -> None:
    for k, path in enumerate(("package:qft/models/demo", "/models/mine", "./mine", "a/b/c")):
        made = written(tmp_path / str(k), CONFIG | {"model": {"path": path}})
        assert made.data.base_model is None and path not in made.content


def test_full_tuning_is_a_model_of_its_own(tmp_path: Path) -> None:
    made = written(tmp_path / "r", CONFIG | {"adapter": {"name": "full", "_target_": None}})
    assert made.data.library_name == "transformers" and "PeftModel" not in made.text
    assert made.data.to_dict()["base_model_relation"] == "finetune"
