"""Scores by lm-evaluation-harness: those of its own command, over local tasks; and what a task's file may not do."""

import json
from pathlib import Path

import pytest
import yaml
from program import qft_here

import qft
from qft.errors import QftError
from qft.evaluation.harness import task_files, tasks
from qft.records import RunDirectory

DEMO = Path(qft.__file__).parent / "models/demo"
EVAL = ["eval", "run=r", "evaluation.limit=6", "evaluation.max_new_tokens=4", "evaluation.metrics=[rouge]"]
EVAL += ["evaluation.batch_size=1"]  # as lm_eval has it by default
TASK = {
    "task": "sums",
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"test": "rows.jsonl"}},
    "test_split": "test",
    "output_type": "generate_until",
    "doc_to_text": "{{question}}\n",
    "doc_to_target": "{{answer}}",
    "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4, "do_sample": False},
    "metric_list": [{"metric": "exact_match"}, {"metric": "chrf", "aggregation": "chrf"}],
    "filter_list": [{"name": "number", "filter": [{"function": "regex", "regex_pattern": "([0-9]+)"}]}],
    "metadata": {"version": 1.0},
}
TASK["filter_list"][0]["filter"].append({"function": "take_first"})
CHOICE = TASK | {"task": "choice", "output_type": "multiple_choice", "doc_to_choice": "{{choices}}"}
CHOICE |= {"doc_to_target": "gold", "metric_list": [{"metric": "acc"}], "generation_kwargs": None, "filter_list": None}


def write(folder: Path, **changed: object) -> Path:
    """A directory with one task, changed as said; its rows lie in the current directory."""
    folder.mkdir(exist_ok=True)
    (folder / "sums.yaml").write_text(yaml.safe_dump({k: v for k, v in (TASK | changed).items() if v is not None}))
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    rows = [
        {"question": f"{k} + 1 =", "answer": str(k + 1), "choices": [f"{k}", f"{k + 1}", "-1"], "gold": 1}
        for k in range(8)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_the_scores_are_those_of_lm_eval_itself(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``lm_eval --model hf --model_args pretrained=...,peft=DIR`` after ``import qft.adapters``, and ours beside it."""
    from lm_eval import evaluator
    from lm_eval.tasks import TaskManager

    folder = write(here / "tasks")
    (folder / "choice.yaml").write_text(yaml.safe_dump({k: v for k, v in CHOICE.items() if v is not None}))
    train = ["train", "adapter=qwthn", "n=20", "run=r", "trainer.max_steps=3", "trainer.lr=0.05", "data.heldout=0"]
    assert qft_here(*train) == 0
    asked = ["evaluation.harness=[choice,sums]", "evaluation.harness_tasks=tasks"]
    assert qft_here(*EVAL, *asked, "evaluation.baseline=true") == 0
    shown = capsys.readouterr().out
    assert "choice: acc (0-shot, n=6)" in shown and "sums: exact_match, number (0-shot, n=6)" in shown
    document = RunDirectory(here / "outputs/r").metrics()
    ours = document.metrics.harness
    assert list(ours) == ["choice", "sums"] and document.base.harness["choice"].samples == 6

    arguments = {"pretrained": str(DEMO), "peft": str(here / "outputs/r/adapter"), "dtype": "float32"}
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluator, "add_env_info", lambda results: None)  # asks the machine for ten seconds
        theirs = evaluator.simple_evaluate(
            "hf", arguments, ["choice", "sums"], device="cpu", limit=6, task_manager=manager, bootstrap_iters=100
        )["results"]
    assert ours["choice"].scores["acc"].value == theirs["choice"]["acc,none"]
    assert ours["choice"].scores["acc"].stderr == theirs["choice"]["acc_stderr,none"]
    assert ours["sums"].scores["chrf, number"].value == theirs["sums"]["chrf,number"]
    assert ours["sums"].version == "1.0" and ours["choice"].scores["acc"].higher_is_better

    # what is known is not asked again: not by other tasks, nor by other metrics of ours
    (folder / "choice.yaml").unlink()
    assert qft_here(*EVAL, "evaluation.harness=[sums]", asked[1]) == 0
    assert qft_here("score", "run=r", "evaluation.metrics=[rouge]") == 0
    assert RunDirectory(here / "outputs/r").metrics().metrics.harness == ours


def test_what_is_asked_for_decides_whether_earlier_scores_count(here: Path) -> None:
    digests = {
        key: tasks.load(tasks.Selection(("sums",), write(here / key, **changed), **options)).digests["sums"]
        for key, changed, options in (
            ("a", {}, {}),
            ("b", {"doc_to_text": "{{question}}"}, {}),
            ("c", {}, {"limit": 3}),
            ("d", {}, {"chat": True}),
            ("e", {"metadata": {"version": 2.0}}, {}),
        )
    }
    assert digests["a"] == digests["e"] and len(set(digests.values())) == 4
    (here / "rows.jsonl").write_text((here / "rows.jsonl").read_text().replace("7 + 1", "8 + 0"))
    assert tasks.load(tasks.Selection(("sums",), here / "a")).digests["sums"] != digests["a"]


CODE = {
    "a metric of its own": {"metric_list": [{"metric": "./evil.py"}]},
    "a metric of a hub": {"metric_list": [{"metric": "exact_match", "hf_evaluate": True}]},
    "a metric that is none": {"metric_list": [{"metric": ["acc"]}]},
    "pickles": {"dataset_path": "pandas"},
    "a directory": {"dataset_path": "./here"},
    "an address": {"dataset_kwargs": {"data_files": "https://stranger.example/rows.json"}},
    "an archive": {"dataset_kwargs": {"data_files": "zip://rows.json::a.zip"}},
    "an option of datasets": {"dataset_kwargs": {"trust_remote_code": True}},
    "code of transformers": {"generation_kwargs": {"custom_generate": "evil", "trust_remote_code": True}},
    "a filter": {"filter_list": [{"name": "x", "filter": [{"function": "custom"}]}]},
    "prompts of a package": {"use_prompt": "promptsource:*"},
    "a file elsewhere": {"include": "../../other.yaml"},
    "a member of a group": {"group": "g", "task": [{"task": "t", "process_docs": "x"}]},
    "few shots": {"fewshot_config": {"process_docs": "x"}},
    "answers that are run": {"unsafe_code": True},
}


@pytest.mark.parametrize("what", CODE)
def test_what_may_run_code_is_refused(what: str, here: Path) -> None:
    with pytest.raises(QftError, match=r"sums\.yaml has .*say so each time: evaluation\.trust_tasks=true"):
        task_files.check(write(here / "tasks", **CODE[what]))


@pytest.mark.parametrize("tag", ["!function evil.run", "!<!function> evil.run", "!e!tion evil.run"])
def test_functions_run_only_where_the_user_says_so(tag: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(here / "tasks")
    text = (folder / "sums.yaml").read_text() + f"process_docs: {tag}\n"
    (folder / "other.yaml").write_text(f"%TAG !e! !func\n---\n{text}".replace("task: sums", "task: other"))
    (folder / "evil.py").write_text("import pathlib\npathlib.Path('ran').touch()\ndef run(docs):\n    return docs\n")
    asked = ["eval", "evaluation.harness=[other]", "evaluation.harness_tasks=tasks", "evaluation.limit=1"]
    assert qft_here(*asked) == 2
    said = capsys.readouterr().err
    assert "other.yaml has !function evil.run, which runs code" in said and "evaluation.trust_tasks=true" in said
    assert not (here / "ran").exists() and not (here / "outputs").exists()
    tasks.load(tasks.Selection(("other",), folder, trusted=True))
    assert (here / "ran").exists()


def test_configs_of_a_stranger_trust_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packaged = Path(qft.__file__).parents[1] / "configs/evaluation/default.yaml"
    (here / "configs/evaluation").mkdir(parents=True)
    text = packaged.read_text().replace("trust_tasks: false", "trust_tasks: true")
    (here / "configs/evaluation/default.yaml").write_text(text)
    assert qft_here("eval") == 2
    assert "evaluation.trust_tasks=true counts on the command line only" in capsys.readouterr().err
    assert not (here / "outputs").exists()


def test_a_template_reaches_nothing_of_python(here: Path) -> None:
    escape = "{{ ''.__class__.__mro__[1].__subclasses__() }}"
    folder = write(here / "tasks", doc_to_text=escape)
    task_files.check(folder)
    with pytest.raises(QftError, match="SecurityError"):
        tasks.load(tasks.Selection(("sums",), folder))
    from lm_eval import utils

    assert utils.apply_template("{{ ''.__class__ }}", {}) == "<class 'str'>", "afterwards it is as it was"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["evaluation.harness=[smus]"], "smus is no task of lm-evaluation-harness or of tasks. Near it: sums."),
        (["evaluation.harness=[sums]", "evaluation.harness_shots=-1"], "harness_shots"),
        (["evaluation.harness=['']"], "is no name of a task"),
        ([], "name them, too: evaluation.harness=[NAME]"),
    ],
)
def test_wrong_options_are_one_sentence(
    options: list[str], words: str, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(here / "tasks")
    if "smus" in str(options):  # without the index of all tasks, which takes long to build
        from lm_eval.tasks import TaskManager

        small = TaskManager(include_path=str(folder), include_defaults=False)
        monkeypatch.setattr(tasks, "_manager", lambda *_: small)
    assert qft_here("eval", *options, "evaluation.harness_tasks=tasks") == 2
    said = capsys.readouterr().err
    assert words in said and "Traceback" not in said and not list(here.glob("outputs/*"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: [", "cannot be read"),
        ("- a", "is no task: a mapping"),
        ("a: !!python/name:os.system", "cannot be read"),
        ("group: g", "holds no task"),
    ],
)
def test_files_that_are_no_tasks_are_named(content: str, words: str, here: Path) -> None:
    (here / "tasks").mkdir()
    if words != "holds no task":
        (here / "tasks/x.yaml").write_text(content)
    with pytest.raises(QftError, match=words):
        tasks.select(["x"], str(here / "tasks"), None, None, False, False)


def test_without_a_network_the_way_out_is_named(here: Path) -> None:
    folder = write(here / "tasks", dataset_path="nobody/nothing", dataset_kwargs=None)
    with pytest.raises(
        QftError, match=r"sums failed \(.*\); tasks over local files are given by evaluation\.harness_t"
    ):
        tasks.load(tasks.Selection(("sums",), folder))


def test_a_data_file_that_is_missing_is_named(here: Path) -> None:
    (here / "rows.jsonl").unlink()
    with pytest.raises(QftError, match=r"sums\.yaml: rows\.jsonl does not exist; places are seen from the current"):
        tasks.select(["sums"], str(write(here / "tasks")), None, None, False, False)
