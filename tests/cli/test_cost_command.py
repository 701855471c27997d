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
            getattr(config, group).setdefault("name", "chosen")
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


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["adapter=lora", "answers=1"], "has no circuit"),
        (["adapter=qaa", "answers=1"], "has no circuit"),
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
