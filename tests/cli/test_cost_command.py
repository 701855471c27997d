"""qft cost: one line for each way, in process."""

import json

import pytest
from test_configs import composed

from qft import ranges
from qft.cli import cost
from qft.errors import QftError


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr(cost, "start_logging", lambda: None)
    monkeypatch.setattr(cost, "quiet_libraries", lambda: None)

    def call(*overrides: str) -> None:
        config = composed("cost", *overrides)
        for group in ("backend", "adapter", "data"):
            getattr(config, group).setdefault("name", "qcloud" if group == "backend" else "chosen")
        ranges.check(config)
        cost.run(config)

    return call


def test_the_papers_case(run, capsys, monkeypatch) -> None:
    monkeypatch.delenv("QFT_QCLOUD_KEY", raising=False)  # neither key nor network
    run("model=qwen2_7b_instruct", "answers=50", "format=json", "n=300", "price=0.01", "evaluation.batch_size=50")
    document = json.loads(capsys.readouterr().out)
    found = {c["way"]: c for c in document["costs"]}
    assert document["modules"] == 56
    assert found["per_observable"]["circuits"] == 4 * found["grouped"]["circuits"]
    # 30 validation samples of 512 tokens, 50 prompts of 256, 255 more passes
    assert found["grouped"]["circuits"] == 56 * (30 * 512 + 50 * 256 + 50 * 255)
    assert found["grouped"]["round_trips"] == 56 * (1 + 256)
    assert found["surrogate"]["circuits"] == 56 * 97 and found["surrogate"]["round_trips"] == 1
    assert found["surrogate"]["money"] == pytest.approx(54.32)


def test_the_datas_own_size_is_the_default(run, capsys, caplog) -> None:
    run("adapter.r=2")
    out = capsys.readouterr().out
    assert "50 answers, 30 validation samples" in out and "surrogate" in out
    assert "max_circuits=10,000 would stop: grouped, per_observable" in caplog.text


def test_cua_counts_the_blocks_of_a_token(run, capsys) -> None:
    """4,096 features are 1,024 blocks of two qubits: 14 circuits of 156 qubits a token."""
    sizes = "hidden_size: 4096, num_attention_heads: 32, num_key_value_heads: 8, num_hidden_layers: 1"
    model = f"+model.config={{model_type: qwen2, vocab_size: 64, intermediate_size: 64, {sizes}}}"
    work = ["answers=1", "prompt_tokens=10", "evaluation.max_new_tokens=1", "n=2", "format=json"]
    run("adapter=cua", "adapter.target_modules=[v_proj]", model, "backend.max_qubits=156", *work)
    costs = json.loads(capsys.readouterr().out)["costs"]
    assert [(c["way"], c["circuits"]) for c in costs] == [
        ("block by block", 10 * 1024),
        ("78 blocks side by side", 10 * 14),
    ]


def test_qpa_takes_circuits_in_training_only(run, capsys, caplog) -> None:
    caplog.set_level("INFO")
    run("adapter=qpa", "answers=1", "format=json")  # 5 qubits on the demo model
    costs = {c["way"]: c["circuits"] for c in json.loads(capsys.readouterr().out)["costs"]}
    assert costs == {"training step": 1, "its gradient": 2 * 8 * 5, "evaluation": 0}
    assert "measured: all 32 probabilities" in caplog.text


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["adapter=lora", "answers=1"], "has no circuit"),
        (["adapter=tt_lora", "answers=1"], "has no circuit"),
        (["adapter=qaa", "answers=1"], r"cannot run on hardware: .*about 128 CNOTs before this circuit"),
        (["adapter=apc", "answers=1"], r"cannot run on hardware: .*anew for each token and layer"),
        (["adapter=quantum_peft", "answers=1"], "cannot run on hardware: .*state tomography of 512 ampl"),
        (["adapter=quic", "answers=1"], "cannot run on hardware: .*state tomography"),
        (["adapter=qpa", "adapter.generator=low_rank", "answers=1"], "has no circuit that a chip"),
        (["adapter=cua", "adapter.block=8", "answers=1"], "written out for blocks of 2 and 4, not of 8"),
        (["adapter=cua", "backend.max_qubits=1", "answers=1"], "max_qubits=1 holds no circuit of 2"),
        (["adapter=all"], "Choose a method"),
        (["backend=statevector"], "backend=qcloud"),
        (["answers=0"], "answers=0"),
        (["backend.shots=0"], r"backend\.shots=0"),
        (["per=hour"], "per=hour"),
        (["price=-1"], "price=-1"),
        (["rate=0"], "rate=0"),
        (["data=cpsycoun", "data.hub=hf"], "answers=N"),
    ],
)
def test_bad_input(run, overrides: list[str], words: str) -> None:
    with pytest.raises(QftError, match=words):
        run(*overrides)
