"""docs/add-an-adapter.md as a stranger would follow it, in a copy of the source tree."""

import json
import re
from pathlib import Path

import pytest
from pages import ROOT, commands_of, files_of, run, started, tree_with

PAGE = (ROOT / "docs" / "add-an-adapter.md").read_text(encoding="utf-8")
FILES = files_of(PAGE)
Answers = dict[str, tuple[int, str, str]]
COMMANDS = [line for block in commands_of(PAGE) for line in block.splitlines()]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source tree with the page's files in it."""
    return tree_with(FILES, tmp_path_factory.mktemp("tree"), "scripts", "docs")


# all commands in one process, which saves its start; several lines of JSON: exit code, output, errors
DRIVER = """
import contextlib, io, json, shlex, sys
from program import qft_here
for line in sys.argv[1:]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = qft_here(*shlex.split(line)[1:])
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""


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
} | {options: f"qft train adapter=waist n=20 run=refused {options}" for options in REFUSED}


@pytest.fixture(scope="module")
def answers(tree: Path) -> Answers:
    """Name of a line -> exit code, output, errors."""
    done = started(["-c", DRIVER, *LINES.values()], tree)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(zip(LINES, map(json.loads, done.stdout.splitlines()), strict=True))


def test_the_page_is_one_file_and_one_yaml_for_each_method() -> None:
    assert [Path(name).parts[:2] for name, _ in FILES] == 2 * [("qft", "adapters"), ("configs", "adapter")]
    assert len(COMMANDS) == 7


def test_they_are_counted(answers: Answers) -> None:
    # 28 layers, r + out each: 3584 for the query, 512 for the value projection
    assert json.loads(answers["params"][1])["trainable"] == 28 * (4 + 3584 + 4 + 512)
    rows = {m["adapter"]: m for m in json.loads(answers["all"][1])["methods"]}
    # on the layers that all methods have: LoRA's parameters and r angles in each of 28 layers
    assert rows["waist"]["trainable"] == rows["lora"]["trainable"] + 28 * 4 and "own_vera" in rows


@pytest.mark.parametrize("name", ["own_vera", "waist"])
def test_they_are_trained(tree: Path, answers: Answers, name: str) -> None:
    assert answers[name][0] == 0, answers[name]
    folder = tree / "outputs" / name
    assert (folder / "COMPLETE").exists() and (folder / "adapter" / "adapter_model.safetensors").exists()


def test_its_circuit_is_drawn_and_its_cost_counted(tree: Path, answers: Answers) -> None:
    assert answers["circuit"][0] == 0 and "CNOT" in answers["circuit"][1]
    assert (tree / "outputs/circuit-waist/circuit.qasm").is_file()
    cost = json.loads(answers["cost"][1])
    assert cost["adapter"] == "waist" and cost["modules"] == 28
    assert {c["way"] for c in cost["costs"]} == {"grouped", "per_observable", "surrogate"}


@pytest.mark.parametrize("options", REFUSED)
def test_a_backend_that_cannot_is_refused_before_anything_is_sent_or_written(
    tree: Path, answers: Answers, options: str
) -> None:
    code, _, errors = answers[options]
    assert code == 2 and REFUSED[options] in errors and "Traceback" not in errors
    assert not (tree / "outputs/refused").exists()


def test_a_method_without_a_circuit_says_so(answers: Answers) -> None:
    code, _, errors = answers["no circuit"]
    assert code == 2 and "adapter=own_vera has no circuit" in errors


def test_they_pass_the_contract(tree: Path) -> None:
    out = run(command("python -m pytest"), tree)
    passed = re.search(r"\b(\d+) passed", out)
    assert passed and int(passed[1]) >= 30, out


def test_they_get_their_rows_in_the_table(tree: Path) -> None:
    run(command("python scripts"), tree)
    page = (tree / "docs" / "adapters.md").read_text(encoding="utf-8")
    rows = {line.split(" | ")[0]: line for line in page.splitlines() if line.startswith("| ")}
    assert "| r + out | b = 0 |" in rows["| own_vera"] and "| no circuit | yes | r |" in rows["| own_vera"]
    assert "| r (in + out + 1) | B = 0 |" in rows["| waist"] and "| no | not linear |" in rows["| waist"]
