"""A forecast against the program's own noisy evaluation, against what it says it is, and what it refuses."""

import json
import math
import re
from pathlib import Path

import pytest
from program import qft_here
from test_configs import composed

from qft.config import EvalConfig, ForecastConfig
from qft.errors import QftError
from qft.records import Forecast, RunDirectory, read
from qft.runs import on_chip, stored
from qft.runs.forecast import forecast

TRAIN = (
    *("train", "run=r", "trainer.max_steps=3", "n=20", "trainer.batch_size=4", "trainer.lr=0.05"),
    *("data.heldout=4", "max_seq_len=64", "adapter.target_modules=[v_proj]", "trainer.eval_every=3"),
)
SMALL = ("shots=300", "repeats=3", "answers=1", "evaluation.max_new_tokens=3", "price=0.5", "rate=2", "round_trip=30")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a run of four circuits."""
    folder = tmp_path_factory.mktemp("forecast")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert qft_here(*TRAIN) == 0
    return folder


@pytest.fixture
def run(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    return place / "outputs/r"


@pytest.fixture(scope="module")
def made(place: Path) -> Forecast:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert qft_here("forecast", "r", "chip=wukong_like", *SMALL) == 0
    return read(place / "outputs/r/forecast/wukong_like-300-direct/forecast.json", Forecast)


def config(*overrides: str) -> ForecastConfig:
    made: ForecastConfig = composed("forecast", "run=outputs/r", *SMALL, *overrides)
    made.model, made.data = {}, {}
    made.backend["name"] = "noisy"
    return made


def test_its_losses_are_those_of_the_noisy_backend(run: Path, made: Forecast) -> None:
    from qft.quantum import backends

    loaded = on_chip.load(config(), stored.subject(EvalConfig(run=str(run))))
    loaded.use(backends.load(**made.backend))
    assert made.exact == pytest.approx(loaded.loss(""), rel=1e-6)
    assert made.ideal == pytest.approx(RunDirectory(run).record().training.heldout_loss, rel=1e-4)
    assert (made.part, made.samples, made.tokens) == ("held-out", 4, loaded.tokens)
    assert len(set(made.loss.draws)) == 3 and made.loss.interval[0] < made.loss.mean < made.loss.interval[1]
    assert made.exact != pytest.approx(made.ideal, rel=1e-5)


def test_each_layer_alone_is_part_of_what_all_do_together(made: Forecast) -> None:
    """To first order rises add up; what is left is of second order in the change of the loss."""
    assert [(layer.layer, layer.circuits) for layer in made.layers] == [(str(k), 1) for k in range(4)]
    together = made.exact - made.ideal
    largest = max(abs(layer.loss_rise) for layer in made.layers)
    assert abs(sum(layer.loss_rise for layer in made.layers) - together) < largest
    assert all(0.1 < layer.error < 1 and 0.2 < layer.kept < 0.9 for layer in made.layers)
    assert all(0.5 / 300**0.5 < layer.shot_error <= 1 / 300**0.5 for layer in made.layers)


def test_circuits_and_money_are_those_of_qft_cost(run: Path, made: Forecast) -> None:
    lengths = [len(row["input_ids"]) for row in on_chip.load(config(), stored.subject(EvalConfig(run=str(run)))).rows]
    tokens = math.ceil(sum(lengths) / 4)
    ways = {cost.way: cost for cost in made.costs}
    prompt = (ways["grouped"].circuits // 4 - 4 * tokens) - 2  # a prompt, and two of three written tokens
    assert prompt > 5 and ways["per_observable"].circuits == 4 * ways["grouped"].circuits
    assert ways["surrogate"].circuits == 4 * 97 and ways["surrogate"].money == 4 * 97 * 0.5
    assert ways["grouped"].seconds == ways["grouped"].circuits / 2 + 30 * ways["grouped"].round_trips
    assert made.circuits < 4 * 4 * tokens  # equal ones are sent once
    assert [point.shots for point in made.curve] == [18, 75, 300, 1200, 4800]


def test_more_shots_narrow_the_interval_and_near_the_exact_loss(made: Forecast) -> None:
    widths = [point.interval[1] - point.interval[0] for point in made.curve]
    assert widths[2] / widths[3] == pytest.approx(2)
    gaps = [point.mean - made.exact for point in made.curve]
    assert gaps[2] / gaps[3] == pytest.approx(4)
    assert made.curve[2].interval == pytest.approx(made.loss.interval)


def test_an_ideal_chip_leaves_everything_as_it_is(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("chip=ideal", "mode=surrogate", "samples=2", "format=json", "out=ideal")
    assert qft_here("forecast", "r", *SMALL, "answers=0", *words) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["exact"] == pytest.approx(made["ideal"], abs=2e-6)
    assert all(layer["kept"] == pytest.approx(1, abs=1e-5) for layer in made["layers"])
    assert made["scores"] == {} and made["samples"] == 2 and made["circuits"] == 4 * 81
    assert made["loss"]["mean"] != pytest.approx(made["exact"], rel=1e-7)  # shots remain
    assert sorted(p.name for p in Path("ideal").iterdir()) == sorted(
        ["forecast.json", "forecast.html", "forecast.md", "curve.svg", "layers1.svg", "layers2.svg"]
    )


def test_the_same_seed_forecasts_the_same_and_another_another(run: Path, made: Forecast) -> None:
    again = forecast(config("answers=0"))
    assert again.loss == made.loss and again.exact == made.exact
    other = forecast(config("answers=0", "seed=9"))
    assert other.loss.mean != made.loss.mean and other.exact == made.exact


def test_mitigation_takes_wrong_readings_away_and_is_counted(run: Path) -> None:
    """Where nothing but reading goes wrong, its correction gives the loss without noise, and folded gates nothing."""
    wrong_readings = ("backend.noise.p1=0", "backend.noise.p2=0", "mitigate=true", "answers=0", "repeats=2")
    made = forecast(config(*wrong_readings, "mode=surrogate", "samples=2"))
    found = {m.mitigation: m for m in made.mitigated}
    assert found["none"].exact == pytest.approx(made.exact, rel=1e-6) and abs(made.exact - made.ideal) > 1e-4
    for name in ("read-out", "both"):
        assert found[name].exact == pytest.approx(made.ideal, abs=1e-5)
    assert found["zero-noise extrapolation"].exact == pytest.approx(made.exact, abs=1e-5)
    grid = 4 * 97  # and two circuits that calibrate four qubits
    assert [m.circuits for m in made.mitigated] == [grid, grid + 2, 2 * grid, 2 * grid + 2]
    assert found["both"].money == 0.5 * (2 * grid + 2)


def test_training_with_noise_is_measured_beside_training_without(run: Path) -> None:
    before = {file.name: file.read_bytes() for file in (run / "adapter").iterdir()}
    made = forecast(config("answers=0", "retrain=6", "repeats=2"))
    r = made.retrained
    assert r is not None and r.before == made.exact and r.steps == 6 and r.lr == 0.05
    assert len({r.before, r.without_noise, r.with_noise}) == 3
    assert {file.name: file.read_bytes() for file in (run / "adapter").iterdir()} == before


def test_the_page_and_the_markdown_say_what_the_json_says(made: Forecast, run: Path) -> None:
    folder = run / "forecast/wukong_like-300-direct"
    page, text = ((folder / f"forecast.{kind}").read_text() for kind in ("html", "md"))
    for words in (f"{made.loss.mean:.4f}", f"{made.exact:.4f}", "drift since the calibration"):
        assert words in page and words in text
    assert page.count("<svg") >= 3 and "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    for picture in re.findall(r"\]\((.*?\.svg)\)", text):
        assert (folder / picture).read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["chip=wukong_lik"], "chip=wukong_lik does not exist. Did you mean 'wukong_like'?"),
        (["chip=nowhere.json"], "nowhere.json cannot be read"),
        (["chip=small.json"], "4 qubits, and small has 2"),
        (["shots=0"], "shots=0 must be a whole number, at least 1"),
        (["mode=grouped"], "mode=grouped does not exist"),
        (["per=job"], "per=job does not exist"),
        (["vendor=qclod"], "vendor=qclod is no service that jobs are sent to"),
        (["backend=qcloud"], "backend=qcloud simulates no chip"),
        (["backend=statevector"], "backend=statevector simulates no chip"),
        (["backend.shots=5"], "backend.shots= is for an evaluation; of a forecast, write shots=."),
        (["repeats=1"], "repeats=1 must be a whole number, at least 2"),
        (["run=nowhere"], "run=nowhere does not exist"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(
    words: list[str], said: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    qubit = {"t1": 100.0, "t2": 80.0, "readout": [0.01, 0.02], "sx": [0.0003, 32.0], "x": [0.0003, 32.0]}
    small = {"schema": 1, "name": "small", "qubits": [qubit, qubit], "two_qubit": "cz", "pairs": [[0, 1, 0.004, 84.0]]}
    Path("small.json").write_text(json.dumps(small))
    given = words if words[0].startswith("run=") else ["r", "answers=0", *words]
    assert qft_here("forecast", *given) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error


@pytest.mark.parametrize(
    ("adapter", "said"),
    [
        ("lora", "has no circuit, so no chip changes what it does"),
        ("full", "has no circuit"),
        ("quantum_peft", "cannot run on hardware: .*state tomography"),
        ("qaa", "cannot run on hardware: .*CNOTs"),
        ("cua", "is computed as mathematics.*qft cost adapter=cua"),
    ],
)
def test_methods_without_a_circuit_a_token_are_refused_before_anything_is_loaded(adapter: str, said: str) -> None:
    given = composed("params", f"adapter={adapter}")
    with pytest.raises(QftError, match=said):
        on_chip.circuits_of({"name": adapter} | given.adapter, given.model)
