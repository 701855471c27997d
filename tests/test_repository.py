"""What stands around the code: how to cite it, the forms of issues, what is ignored, what a commit is checked with."""

import subprocess
from pathlib import Path

import pytest
import yaml

import qft

ROOT = Path(__file__).parent.parent


def read(name: str):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_the_citation_is_of_this_version_and_names_the_paper() -> None:
    citation = read("CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(citation), "what version 1.2.0 of the format requires"
    assert (citation["cff-version"], citation["version"], citation["license"]) == (
        "1.2.0",
        qft.__version__,
        "Apache-2.0",
    )
    (paper,) = citation["references"]
    assert paper["type"] == "article" and paper["authors"][0] == {"family-names": "Kong", "given-names": "Xiaofei"}
    assert "2503.12790" in paper["url"]


@pytest.mark.parametrize("form", ["bug", "method"])
def test_a_form_asks_for_something(form: str) -> None:
    content = read(f".github/ISSUE_TEMPLATE/{form}.yml")
    assert content["name"] and content["description"]
    ids = [field["id"] for field in content["body"]]
    assert len(ids) == len(set(ids)) >= 4
    assert any(field.get("validations", {}).get("required") for field in content["body"])


def test_the_workflow_runs_what_a_developer_runs() -> None:
    (job,) = read(".github/workflows/ci.yml")["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    script = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    assert script[-2:] == ["make lint", "make test"]


def test_a_commit_is_checked_with_the_pinned_ruff() -> None:
    hooks = [hook["entry"] for repo in read(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    assert [entry.split()[:2] for entry in hooks] == [[".venv/bin/ruff", "check"], [".venv/bin/ruff", "format"]]


def test_outputs_are_ignored_but_for_their_readme() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("needs the git repository")
    tracked = subprocess.run(["git", "ls-files", "outputs"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert tracked.stdout.split() == ["outputs/README.md"]
    ignored = subprocess.run(["git", "check-ignore", "-q", "outputs/demo/record.json"], cwd=ROOT)
    assert ignored.returncode == 0
