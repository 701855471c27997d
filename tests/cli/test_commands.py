"""The commands through their real entry point: help, errors, what start-up loads."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from program import PATIENCE, qft, qft_here, qft_light

# hidden size 34 = 17 x 2 x 1: no three near-equal factors
ODD_MODEL = """
path: odd
target_modules: null
mpo_width: 8
mpo_bond: 2
lr: null
config: {model_type: qwen2, hidden_size: 34, intermediate_size: 40, num_hidden_layers: 1, num_attention_heads: 1,
         num_key_value_heads: 1, vocab_size: 50}
"""


def test_the_installed_program_runs(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("qft")
    done = subprocess.run([str(program), "--version"], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0 and done.stdout.startswith("qft ")


def test_help_names_the_groups_and_their_choices(tmp_path: Path) -> None:
    done = qft("--help", cwd=tmp_path)
    assert done.returncode == 0
    for word in (
        "train",
        "eval",
        "params",
        "score",
        "adapter",
        "lora",
        "qwthn",
        "cpsycoun",
        "demo",
        "qwen2_7b_instruct",
        "statevector",
    ):
        assert word in done.stdout
    assert "samples used" in qft("train", "--help", cwd=tmp_path).stdout


# words -> what is said of them
CONFIG_ERRORS: list[tuple[list[str], list[str]]] = [
    (["trian"], ["trian", "'train'"]),
    (["train", "adapter=qwtn"], ["adapter=qwtn", "'qwthn'", "lora"]),
    (["train", "adaptr=lora"], ["adaptr", "'adapter'"]),
    (["train", "adapter.rank=3"], ["adapter.rank", "adapter.r"]),
    (["train", "n=abc"], ["n", "abc", "Integer"]),
    (["train", "backend=noisy", "backend.noise=wukng"], ["backend.noise=wukng", "'wukong_like'"]),
    (["train", "backend=noisy", "backend.noise.p3=0"], ["backend.noise.p3", "backend.noise.p2"]),
    (["train", "backend=noisy", "backend.noise.p2=abc"], ["backend.noise.p2=abc", "float"]),
    (["train", "adapter.r=abc"], ["adapter.r=abc", "int"]),
    (["train", "model=local"], ["model.path"]),
    (["train", "n=[1"], ["key=value"]),
    (["train", "format=xml"], ["format=xml", "json"]),
    (["train", "n=0"], ["n=0"]),
    (["train", "n=99999"], ["n=99999", "1280"]),
    (["train", "data=cpsycoun"], ["data.path", "data.hub"]),
    (["train", "data=cpsycoun", "data.path=nowhere"], ["nowhere"]),
    (["train", "data=alpaca", "data.hub=hff"], ["data.hub=hff", "'hf'"]),
    (["eval", "run=nowhere"], ["nowhere"]),
    (["eval", "evaluation.batch_size=0"], ["batch_size=0"]),
    (["eval", "adapter=qwthn"], ["run=DIR"]),
    (["eval", "evaluation.batch_size=many"], ["batch_size=many", "auto"]),
    (["eval", "evaluation.temperature=0.5"], ["do_sample=true"]),
    (["train", "eval=true", "evaluation.max_new_tokens=1024"], ["max_new_tokens=1024", "max_seq_len=1024"]),
    (["train", "metric=bleu"], ["evaluation.metrics=[bleu]", "metric.NAME.KEY="]),
    (["eval", "evaluation.metrics=bleu"], ["evaluation.metrics is a list", "[A,B]"]),
    (["train", "lr=0.1"], ["no key 'lr'", "trainer.lr?"]),
    (["eval", "metric.bleu.tokenise=zh"], ["metric.bleu.tokenise", "'tokenize'"]),
    (["train", "eval=true", "evaluation.metrics=[blue]"], ["blue", "'bleu'"]),
    (["score"], ["run is required"]),
    (["score", "run=nowhere"], ["nowhere"]),
]


@pytest.fixture(scope="module")
def config_errors(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str]]:
    folder = tmp_path_factory.mktemp("light")
    ended = qft_light([args for args, _ in CONFIG_ERRORS], folder)
    assert not (folder / "outputs").exists()
    return ended


@pytest.mark.xdist_group("light")  # one worker, or each would start the shared process
@pytest.mark.parametrize("case", range(len(CONFIG_ERRORS)), ids=[" ".join(args) for args, _ in CONFIG_ERRORS])
def test_config_errors_are_one_message_and_load_nothing_heavy(case: int, config_errors: list[tuple[int, str]]) -> None:
    code, error = config_errors[case]
    assert code == 2, error
    assert error.startswith("qft: ") and "Traceback" not in error
    assert all(word in error for word in CONFIG_ERRORS[case][1]), error


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    for heavy in ("torch", "peft", "transformers", "hydra"):
        (tmp_path / f"{heavy}.py").write_text(f"raise SystemExit('{heavy} was imported')")
    assert qft("--help", cwd=tmp_path, PYTHONPATH=str(tmp_path)).returncode == 0


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    assert "Traceback" in qft("train", "adapter=qwtn", "--debug", cwd=tmp_path).stderr
    assert "Traceback" in qft("train", "adapter=qwtn", cwd=tmp_path, QFT_DEBUG="1").stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["train", "model.path=no/such-model"], ["no/such-model", "model.path=DIR"]),
        (["train", "model.path=./nowhere"], ["nowhere"]),
        (["params", "adapter.pad=false", "model=odd"], ["34", "pad=true"]),
        (["params", "adapter.r=0"], ["r=0"]),
        (["params", "adapter=quanta", "adapter.axes=[2,2]"], ["axes=[2, 2]", "product"]),
        (["params", "adapter=qaa", "adapter.placement=mlp"], ["placement=mlp", "feed_forward"]),
        (["train", "adapter=prefix", "trainer.gradient_checkpointing=true"], ["prefix", "gradient checkpointing"]),
        (["params", "adapter.target_modules=[no_proj]"], ["no_proj", "q_proj"]),
        (["train", "trainer.lr=-1"], ["trainer.lr"]),
        (["train", "backend=noisy", "backend.noise.t1=10", "backend.noise.t2=30"], ["t2=30", "t1=10"]),
        (["train", "trainer.scheduler=cosin"], ["cosin", "'cosine'"]),
        (["train", "trainer.report_to=[wandbb]"], ["wandbb", "wandb"]),
        (["train", "max_seq_len=3"], ["max_seq_len=3"]),
        (["eval", "adapter.path=nowhere"], ["nowhere", "adapter"]),
        (["eval", "evaluation.metrics=[blue]"], ["blue", "'bleu'"]),
    ],
)
def test_errors_found_later(
    args: list[str],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "configs/model").mkdir(parents=True)
    (tmp_path / "configs/model/odd.yaml").write_text(ODD_MODEL)
    monkeypatch.chdir(tmp_path)
    assert qft_here(*args) == 2
    error = capfd.readouterr().err
    assert "qft: " in error and "Traceback" not in error
    assert all(word in error for word in words), error
    assert not list(tmp_path.glob("outputs/*")), "a run that cannot start leaves nothing behind"


def test_params_counts_the_published_models_exactly(capfd: pytest.CaptureFixture[str]) -> None:
    for adapter, trainable in (("qwthn", 299_264), ("qtha", 308_784), ("lora", 1_261_568)):
        assert qft_here("params", f"adapter={adapter}", "model=qwen2_7b_instruct", "format=json") == 0
        counts = json.loads(capfd.readouterr().out)
        assert counts["trainable"] == trainable
        assert counts["ratio_to_lora_r4"] == trainable / 1_261_568
        assert counts["bytes"]["optimizer"] == 8 * trainable
    assert qft_here("params", "adapter=lora", "model=qwen2_7b_instruct") == 0
    assert "1,261,568" in capfd.readouterr().out


def test_params_compares_all_methods_with_the_survey(capfd: pytest.CaptureFixture[str]) -> None:
    assert qft_here("params", "adapter=all", "model=gpt_neo_125m", "format=json") == 0
    found = {m["adapter"]: m for m in json.loads(capfd.readouterr().out)["methods"]}
    assert {"full", "lora", "dora", "sora", "prefix", "qaa", "quanta", "qwthn"} <= set(found)
    for name in ("full", "lora", "prefix", "qaa"):
        assert f"{found[name]['trainable']:,}" == found[name]["published"]["trainable"]
    assert found["sora"]["published"] == {"trainable": "125,337", "ratio": "0.10% / 0.09%"}
    assert qft_here("params", "adapter=all", "model=gpt_neo_125m") == 0
    table = capfd.readouterr().out
    assert "0.098%" in table and "0.10% / 0.09%" in table
    assert qft_here("train", "adapter=all") == 2 and "Choose a method" in capfd.readouterr().err


def test_own_configs_win_over_the_packaged_ones(tmp_path: Path) -> None:
    (tmp_path / "configs/adapter").mkdir(parents=True)
    (tmp_path / "configs/adapter/lora.yaml").write_text("_target_: peft.LoraConfig\nr: 7\n")
    (tmp_path / "configs/adapter/mine.yaml").write_text("_target_: peft.LoraConfig\nr: 9\n")
    assert "r: 7" in qft("train", "adapter=lora", "--cfg", "job", cwd=tmp_path).stdout
    assert "r: 9" in qft("train", "adapter=mine", "--cfg", "job", cwd=tmp_path).stdout
    assert "mine" in qft("--help", cwd=tmp_path).stdout


def test_multirun_goes_on_after_a_failing_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert qft_here("params", "-m", "adapter=qwthn,lora", "adapter.r=0,4") == 2
    out, error = capfd.readouterr()
    assert out.count("of LoRA r=4 on the model's target layers") == 2
    assert error.count("r=0") >= 1
