"""A learning rate that is given is used exactly; only an automatic one is scaled by the method."""

from pathlib import Path

import pytest
from program import qft_here

from qft.compose import configs
from qft.compose.typed import compose
from qft.config import TrainConfig
from qft.errors import QftError
from qft.records import RunDirectory
from qft.training.learning_rate import LearningRate, learning_rate


@pytest.mark.parametrize(
    ("given", "model", "scale", "hidden", "expected"),
    [
        (None, None, 1.0, 64, LearningRate(1e-2, True)),
        (None, None, 1.0, 1024, LearningRate(5e-4, True)),
        (None, 2e-3, 0.5, 64, LearningRate(1e-3, True)),
        (1e-3, 2e-3, 0.1, 64, LearningRate(1e-3, False)),
    ],
)
def test_only_an_automatic_rate_is_scaled(
    given: float | None, model: float | None, scale: float, hidden: int, expected: LearningRate
) -> None:
    assert learning_rate(given, {"lr": model}, {"lr_scale": scale}, hidden) == expected


@pytest.mark.parametrize("rate", [0, -1.0, "fast", float("nan")])
def test_a_rate_of_the_model_that_is_none_is_refused(rate: object) -> None:
    with pytest.raises(QftError, match=r"model\.lr"):
        learning_rate(None, {"lr": rate}, {}, 64)


def test_a_rate_in_a_file_of_the_user_is_given_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    packaged = (configs.packaged() / "trainer/default.yaml").read_text()
    assert "\nlr: null " in packaged
    own = tmp_path / "configs/trainer/default.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(packaged.replace("\nlr: null ", "\nlr: 0.001 "))
    assert compose("train", TrainConfig).trainer.lr == 0.001
    assert qft_here("train", "adapter=full", "n=20", "trainer.max_steps=1", "run=r") == 0
    run = RunDirectory(tmp_path / "outputs/r")
    training = run.record().training
    assert training is not None and (training.lr, training.lr_automatic) == (0.001, False)
    assert run.history()[-1].lr == 0.001
