"""docs/add-a-claim.md, taken at its word: a reader's claim is listed, and a report opens with its verdict."""

import json
import re
from pathlib import Path

import pytest
import synthetic
from program import qft_here

PAGE = (Path(__file__).parent.parent / "docs" / "add-a-claim.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory with the yaml that the page tells its reader to write, and a sweep with its rows."""
    found = re.search(r"^`\./(configs/claim/lora_full\.yaml)`:\n\n```yaml\n(.*?)^```$", PAGE, re.M | re.S)
    assert found is not None
    file = tmp_path / found[1]
    file.parent.mkdir(parents=True)
    file.write_text(found[2], encoding="utf-8")
    cells = [
        synthetic.cell(label, adapter, "alpaca", 300, seed)
        for label, adapter in (("Full", "full"), ("LoRA r=4", "lora"))
        for seed in range(5)
    ]
    strength = {label: values for label, (_, *values) in synthetic.SURVEY.items()}
    synthetic.write(tmp_path / "outputs" / "sweeps" / "survey-demo", cells, strength, "survey")
    monkeypatch.chdir(tmp_path)


def test_the_claim_of_the_page_is_listed_and_tested(capfd: pytest.CaptureFixture[str]) -> None:
    assert re.search(r"^qft claims$", PAGE, re.M)
    assert qft_here("claims", "format=json") == 0
    claims = {c["name"]: c for c in json.loads(capfd.readouterr().out)["claims"]}
    assert (claims["lora_full"]["sweep"], claims["lora_full"]["state"]) == ("survey-demo", "contradicted")
    assert claims["qpa"]["state"] == "untestable here" and claims["qaa_sora"]["state"] == "not run"
    assert qft_here("report", "survey-demo", "markdown=page.md") == 0
    page = Path("page.md").read_text(encoding="utf-8")
    opening = page.index("### Verdicts on published claims")
    assert opening < page.index("### In short") and "lora_full: contradicted. “LoRA achieves competitive" in page


def test_a_mistake_in_it_is_one_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    file = Path("configs/claim/lora_full.yaml")
    file.write_text(file.read_text(encoding="utf-8").replace("says: not worse", "says: as good"), encoding="utf-8")
    assert qft_here("claims") == 2
    assert "claim lora_full" in capfd.readouterr().err
