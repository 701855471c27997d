"""docs/add-an-adapter.md as a stranger would follow it, in a copy of the source tree."""

import json
import re
from pathlib import Path

import pytest
from pages import ROOT, Answer, answers, commands_of, files_of, tree_with

pytestmark = pytest.mark.xdist_group("add_an_adapter")  # one worker, or each would make what is shared again
PAGE = (ROOT / "docs" / "add-an-adapter.md").read_text(encoding="utf-8")
FILES = files_of(PAGE)
Answers = dict[str, Answer]
COMMANDS = [line for block in commands_of(PAGE) for line in block.splitlines()]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source tree with the page's files in it."""
    return tree_with(FILES, tmp_path_factory.mktemp("tree"), "scripts", "docs")


def command(start: str) -> str:
    return next(c for c in COMMANDS if c.startswith(start))


REFUSED = {
    "backend=qcloud backend.url=https://localhost:1": "backend=qcloud gives no gradient, so it cannot train",
    "adapter.r=11": "backend=statevector cannot run this circuit: 11 qubits",
    "backend=noisy adapter.r=9": "backend=noisy cannot run this circuit: 9 qubits",
}
LINES = {
    "params": command("qft params") + " format=json",
    "all": "qft params adapter=all format=json",
    "own_vera": command("qft train adapter=own_vera"),
    "waist": command("qft train adapter=waist"),
    "circuit": command("qft circuit"),
    "no circuit": "qft circuit adapter=own_vera",
    "cost": command("qft cost") + " format=json",
    "table": command("python scripts"),
} | {options: f"qft train adapter=waist n=20 run=refused {options}" for options in REFUSED}
LINES |= {"contract": command("python -m pytest")}


@pytest.fixture(scope="module")
def given(tree: Path) -> Answers:
    """Name of a line -> what it gave."""
    return dict(zip(LINES, answers(list(LINES.values()), tree), strict=True))


def test_the_page_is_one_file_and_one_yaml_for_each_method() -> None:
    assert [Path(name).parts[:2] for name, _ in FILES] == 2 * [("qft", "adapters"), ("configs", "adapter")]
    assert len(COMMANDS) == 7


def test_they_are_counted(given: Answers) -> None:
    # 28 layers, r + out each: 3584 for the query, 512 for the value projection
    assert json.loads(given["params"].output)["trainable"] == 28 * (4 + 3584 + 4 + 512)
    rows = {m["adapter"]: m for m in json.loads(given["all"].output)["methods"]}
    # on the layers that all methods have: LoRA's parameters and r angles in each of 28 layers
    assert rows["waist"]["trainable"] == rows["lora"]["trainable"] + 28 * 4 and "own_vera" in rows


@pytest.mark.parametrize("name", ["own_vera", "waist"])
def test_they_are_trained(tree: Path, given: Answers, name: str) -> None:
    assert given[name].code == 0, given[name]
    folder = tree / "outputs" / name
    assert (folder / "COMPLETE").exists() and (folder / "adapter" / "adapter_model.safetensors").exists()


def test_its_circuit_is_drawn_and_its_cost_counted(tree: Path, given: Answers) -> None:
    assert given["circuit"].code == 0 and "CNOT" in given["circuit"].output
    assert (tree / "outputs/circuit-waist/circuit.qasm").is_file()
    cost = json.loads(given["cost"].output)
    assert cost["adapter"] == "waist" and cost["modules"] == 28
    assert {c["way"] for c in cost["costs"]} == {"grouped", "per_observable", "surrogate"}


@pytest.mark.parametrize("options", REFUSED)
def test_a_backend_that_cannot_is_refused_before_anything_is_sent_or_written(
    tree: Path, given: Answers, options: str
) -> None:
    errors = given[options].errors
    assert given[options].code == 2 and REFUSED[options] in errors and "Traceback" not in errors
    assert not (tree / "outputs/refused").exists()


def test_a_method_without_a_circuit_says_so(given: Answers) -> None:
    answer = given["no circuit"]
    assert answer.code == 2 and "adapter=own_vera has no circuit" in answer.errors


def test_they_pass_the_contract(given: Answers) -> None:
    passed = re.search(r"\b(\d+) passed", given["contract"].output)
    assert given["contract"].code == 0 and passed and int(passed[1]) >= 30, given["contract"].output[-3000:]


def test_they_get_their_rows_in_the_table(tree: Path, given: Answers) -> None:
    assert given["table"].code == 0, given["table"]
    page = (tree / "docs" / "adapters.md").read_text(encoding="utf-8")
    rows = {line.split(" | ")[0]: line for line in page.splitlines() if line.startswith("| ")}
    assert "| r + out | b = 0 |" in rows["| own_vera"] and "| no circuit | yes | r |" in rows["| own_vera"]
    assert "| r (in + out + 1) | B = 0 |" in rows["| waist"] and "| no | not linear |" in rows["| waist"]
