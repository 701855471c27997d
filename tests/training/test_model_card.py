"""The model card: a header the hub's own reader takes, results and settings, nothing that is not so."""

from dataclasses import replace
from pathlib import Path

import stored
from huggingface_hub import ModelCard

from qft.config import TrainConfig
from qft.records import RunDirectory, Score, Scores
from qft.training import model_card

CONFIG = TrainConfig(
    adapter={"name": "qwthn", "_target_": "qft.adapters.qwthn.QWTHNConfig", "r": 4, "odd": "a|b"},
    model={"path": "Qwen/Qwen2-7B-Instruct"},
    data={"name": "demo"},
    backend={"name": "statevector"},
    seed=2,
)


def written(run: Path, config: TrainConfig, scores: Scores | None = None) -> ModelCard:
    (run / "adapter").mkdir(parents=True)
    RunDirectory(run).save(stored.record())
    if scores:
        RunDirectory(run).save(stored.metrics(scores))
    model_card.write(run, config)
    return ModelCard.load(run / "adapter" / "README.md")


def test_a_trained_adapter(tmp_path: Path) -> None:
    made = written(tmp_path / "r", CONFIG)
    assert made.data.base_model == "Qwen/Qwen2-7B-Instruct" and made.data.library_name == "peft"
    assert made.data.eval_results is None, "nothing has been evaluated"
    for line in ("| trainable parameters | 12,345 |", "| validation loss after | 1 |", "| adapter.odd | a\\|b |"):
        assert line in made.text
    assert "seed 2" in made.text and "import qft.adapters" in made.text


def test_scores_are_results(tmp_path: Path) -> None:
    test = {
        "bleu4_standard": Score(12.5, samples=1250),
        "sa": Score(40.0, samples=1249),
        "ac": Score(50.0),  # as early versions wrote it
        "bertscore_f1": Score(None, samples=0),
    }
    scores = Scores(generation=stored.generation(1250), test=test)
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
        made = written(tmp_path / str(k), replace(CONFIG, model={"path": path}))
        assert made.data.base_model is None and path not in made.content


def test_full_tuning_is_a_model_of_its_own(tmp_path: Path) -> None:
    made = written(tmp_path / "r", replace(CONFIG, adapter={"name": "full", "_target_": None}))
    assert made.data.library_name == "transformers" and "PeftModel" not in made.text
    assert made.data.to_dict()["base_model_relation"] == "finetune"
