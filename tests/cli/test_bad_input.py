"""Bad input to every command: exit code 2, three lines at most, no traceback, nothing left behind.

Most cases run in this process; those about the process itself (its memory, its output, its signals) start the program.
"""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from program import PATIENCE, qft_here

LONG = "x" * 5000
STORED = (Path(__file__).parents[1] / "fixtures/v0.1.0/run/config.yaml").read_text()


def no_setup(here: Path) -> None:
    """Most cases need no file."""


def file(name: str, content: str | bytes = "") -> Callable[[Path], None]:
    """A setup that writes one file."""

    def write(here: Path) -> None:
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))

    return write


def model(**config: object) -> Callable[[Path], None]:
    """A setup that writes a model directory ``m`` with nothing but this config."""
    return file("m/config.json", json.dumps(config))


def several(*setups: Callable[[Path], None]) -> Callable[[Path], None]:
    """A setup of several files."""

    def write(here: Path) -> None:
        for setup in setups:
            setup(here)

    return write


def run_with(config: str) -> Callable[[Path], None]:
    """A setup that writes a finished run ``r`` whose config.yaml is this."""
    return several(file("r/config.yaml", config), file("r/COMPLETE", '{"files": {}}'))


def adapter_with(config: str, weights: bytes = b"junk") -> Callable[[Path], None]:
    """A setup that writes an adapter directory ``a``."""
    return several(file("a/adapter_config.json", config), file("a/adapter_model.safetensors", weights))


# what must be said -> the words of the command line
WORDS: list[tuple[str, list[str]]] = [
    ("no command 'foo'", ["foo"]),
    ("no key ''", ["train", "=1"]),
    ("cannot be read", ["train", "n=" + "9" * 10_000]),
    ("characters", ["train", "n=" + "9" * 100_000]),
    ("n=9999", ["train", "n=" + "9" * 30]),
    ("larger than the data", ["train", "n=99999"]),
    ("nested", ["train", "n=" + "[" * 500 + "]" * 500]),
    ("taken away", ["train", "~adapter"]),
    ("taken away", ["train", "~n"]),
    ("no key 'foo'", ["train", "++foo=1"]),
    ("no key 'foo'", ["train", "+foo=1"]),
    ("no key 'n'", ["train", "+n=1"]),
    ("no key 'foo'", ["env", "foo=1"]),
    ("no flag '-x'", ["train", "-x"]),
    ("n=20", ["train", "--n", "20"]),
    ("n=20", ["train", "--n=20"]),
    ("no flag '--config-dir'", ["train", "--config-dir=/nope"]),
    ("no flag '--experimental-rerun'", ["train", "--experimental-rerun=x"]),
    ("--cfg", ["train", "--cfg", "all2"]),
    ("--cfg", ["train", "--cfg"]),
    ("--info", ["train", "--info", "x"]),
    ("not an option", ["train", "train"]),
    ("not an option", ["params", "x.yaml"]),
    ("One run", ["eval", "a", "b"]),
    ("give one of them", ["eval", "a", "run=b"]),
    ("no key 'adapter@foo'", ["train", "adapter@foo=lora"]),
    ("U+000A", ["train", "run=a\nb"]),
    ("U+001B", ["train", "run=a\x1b[31mb"]),
    ("U+0000", ["score", "run=\0"]),
    ("U+DCFF", ["train", "run=\udcff"]),
    ("cannot be read", ["train", "n=[1"]),
    ("cannot be read", ["train", "run=${n"]),
    ("trainer.lr", ["train", "trainer.lr=abc"]),
    ("n", ["train", "n=1e99"]),
    ("n", ["train", "n=null"]),
    ("n=-1", ["train", "n=-1"]),
    ("n=1", ["train", "n=1"]),
    ("seed", ["train", "seed=-1"]),
    ("seed", ["train", "seed=4294967296"]),
    ("max_seq_len", ["train", "max_seq_len=-3"]),
    ("max_seq_len", ["data", "max_seq_len=0"]),
    ("trainer.epochs", ["train", "trainer.epochs=inf"]),
    ("trainer.epochs", ["train", "trainer.epochs=nan"]),
    ("trainer.lr", ["train", "trainer.lr=inf"]),
    ("trainer.lr", ["train", "trainer.lr=nan"]),
    ("trainer.batch_size", ["train", "trainer.batch_size=0"]),
    ("trainer.weight_decay", ["train", "trainer.weight_decay=nan"]),
    ("trainer.max_grad_norm", ["train", "trainer.max_grad_norm=-1"]),
    ("trainer.warmup", ["train", "trainer.warmup=nan"]),
    ("trainer.precision", ["train", "trainer.precision=fp8"]),
    ("trainer", ["train", "trainer=null"]),
    ("model.hub=gitlab", ["train", "model.hub=gitlab"]),
    ("model.template=nope", ["train", "model.template=nope"]),
    ("model", ["train", "model=null"]),
    ("data", ["train", "data=null"]),
    ("adapter", ["train", "adapter=null"]),
    ("adapter={}", ["train", "adapter={}"]),
    ("output_dir", ["train", "output_dir="]),
    ("output_dir", ["train", "output_dir=''"]),
    ("output_dir=", ["train", "output_dir=" + LONG]),
    ("run=", ["train", "run=../x"]),
    ("run=", ["train", "run=a/b"]),
    ("run=", ["train", "run=.."]),
    ("run=", ["train", "run=" + "x" * 300]),
    ("os.system", ["train", "data._target_=os.system"]),
    ("os.system", ["train", "adapter._target_=os.system"]),
    ("target_modules=7", ["params", "adapter.target_modules=7"]),
    ("regular expression", ["params", "adapter.target_modules='('"]),
    ("regular expression", ["params", "adapter=lora", "adapter.target_modules='('"]),
    ("width=1000000000000", ["params", "adapter.width=1000000000000"]),
    ("memory", ["params", "adapter.width=2000000000"]),
    ("blocks", ["circuit", "adapter.blocks=100000"]),
    ("layers", ["params", "adapter=qtha", "adapter.layers=1000000"]),
    ("adapter.r", ["params", "adapter.r=1e3"]),
    ("adapter.r", ["params", "adapter.r=true"]),
    ("r=11", ["params", "adapter.r=11"]),
    ("alpha", ["params", "adapter.alpha=nan"]),
    ("alpha", ["params", "adapter.alpha=inf"]),
    ("model.config", ["params", "model.config=/nope"]),
    ("model.config", ["params", "model.config=[1]"]),
    ("model.config", ["params", "model.config=5"]),
    ("negative", ["params", "model.config={model_type:qwen2,hidden_size:-1}"]),
    ("klingon", ["params", "model.config={model_type:klingon}"]),
    ("model.path", ["train", "model.path=" + LONG]),
    ("model.path", ["train", "model.path=./" + "x/" * 2500]),
    ("precision", ["train", "trainer.precision=bf16"]),
    ("no key 'backend.foo'", ["train", "backend=pennylane", "backend.foo=1"]),
    ("gives no gradient", ["train", "backend=qcloud"]),
    ("shots", ["train", "backend=noisy", "backend.shots=-1"]),
    ("p2", ["train", "backend=noisy", "backend.noise.p2=2"]),
    ("scale", ["train", "backend=noisy", "backend.scale=nan"]),
    ("turns", ["train", "eval=true", "evaluation.turns=some"]),
    ("klingon", ["train", "eval=true", "metric.bleu.tokenize=klingon"]),
    ("metric", ["train", "eval=true", "metric.bleu=3"]),
    ("metric", ["train", "eval=true", "metric=3"]),
    ("max_seconds", ["train", "eval=true", "evaluation.max_seconds=nan"]),
    ("top_p", ["eval", "evaluation.top_p=nan", "evaluation.do_sample=true"]),
    ("temperature", ["eval", "evaluation.temperature=nan", "evaluation.do_sample=true"]),
    ("temperature", ["eval", "evaluation.temperature=inf", "evaluation.do_sample=true"]),
    ("evaluation.metrics", ["eval", "evaluation.metrics=bleu"]),
    ("run=", ["eval", "run="]),
    ("run=", ["eval", "run=/nowhere"]),
    ("not a run directory", ["eval", "run=/"]),
    ("one of them", ["eval", "run=.", "adapter.path=."]),
    ("run=", ["eval", "run=" + LONG]),
    ("too long", ["eval", "adapter.path=" + LONG]),
    ("run=/nowhere does not exist", ["chat", "/nowhere", "prompt=x"]),
    ("one of them", ["chat", "run=.", "adapter.path=.", "prompt=x"]),
    ("A trained adapter is needed", ["chat", "adapter=lora", "prompt=x"]),
    ("model.template=nope", ["chat", "model.template=nope", "prompt=x"]),
    ("not an adapter directory", ["chat", "adapter.path=nowhere", "prompt=x"]),
    ("The question is empty", ["chat", "prompt=' '"]),
    ("temperature=-1", ["chat", "temperature=-1", "prompt=x"]),
    ("no key 'n'", ["chat", "n=20"]),
    ("run=/nowhere does not exist", ["serve", "/nowhere"]),
    ("not an adapter directory", ["serve", "adapters=[nowhere]", "port=0"]),
    ("model.template=nope", ["serve", "model.template=nope", "port=0"]),
    ("host=0.0.0.0 lets others reach", ["serve", "host=0.0.0.0"]),
    ("port=70000", ["serve", "port=70000"]),
    ("queue=0", ["serve", "queue=0"]),
    ("adapters is a list", ["serve", "adapters=a"]),
    ("does not exist", ["export", "/nowhere", "to=lora"]),
    ("to=merged or to=lora", ["export", "/nowhere"]),
    ("to=gguf", ["export", "/nowhere", "to=gguf"]),
    ("dtype=int8", ["export", "/nowhere", "to=merged", "dtype=int8"]),
    ("samples=0", ["export", "/nowhere", "to=lora", "samples=0"]),
    ("does not exist", ["push", "/nowhere", "repo=a/b"]),
    ("write OWNER/NAME", ["push", "/nowhere", "repo=b"]),
    ("repo is required", ["push", "/nowhere"]),
    ("run=", ["score", "run="]),
    ("journal", ["jobs"]),
    ("nowhere", ["jobs", "run=nowhere"]),
    ("nowhere", ["jobs", "journal=nowhere"]),
    ("journal", ["jobs", "journal=."]),
    ("action=nope", ["jobs", "run=.", "action=nope"]),
    ("dir", ["report"]),
    ("nowhere", ["report", "nowhere"]),
    ("sweep.json", ["report", "."]),
    ("dir=", ["report", LONG]),
    ("inputs", ["circuit", "inputs=[1]"]),
    ("inputs", ["circuit", "inputs=[nan,1,1,1]"]),
    ("no circuit", ["circuit", "adapter=lora"]),
    ("Choose a method", ["circuit", "adapter=all"]),
    ("samples", ["data", "samples=-1"]),
    ("overlong", ["data", "data.overlong=x"]),
    ("data.path", ["data", "data=jsonl", "data.path=" + LONG]),
    ("price", ["cost", "price=nan"]),
    ("price", ["cost", "price=inf"]),
    ("answers", ["cost", "answers=0"]),
    ("n=-1", ["cost", "n=-1"]),
    ("n is a list", ["sweep", "table1", "n=abc"]),
    ("nosuch does not exist", ["claims", "nosuch"]),
    ("no key 'foo'", ["claims", "foo=1"]),
    ("format=abc", ["claims", "format=abc"]),
    ("nope", ["sweep", "nope"]),
    ("Name a sweep", ["sweep"]),
    ("seeds", ["sweep", "table1", "scale=smoke", "seeds=[0,0]"]),
    ("seeds", ["sweep", "table1", "scale=smoke", "seeds=[]"]),
    ("seeds", ["sweep", "table1", "scale=smoke", "seeds=[-1]"]),
    ("rows", ["sweep", "table1", "scale=smoke", "rows=[]"]),
    ("rows=nope", ["sweep", "table1", "scale=smoke", "rows=[nope]"]),
    ("scale=nope", ["sweep", "table1", "scale=nope"]),
    ("slurm.foo", ["sweep", "table1", "scale=smoke", "slurm.foo=1"]),
    ("workers", ["sweep", "table1", "scale=smoke", "workers=0"]),
    ("nope", ["sweep", "table1", "scale=smoke", "model.path=./nope"]),
    ("sort=nope", ["runs", "sort=nope"]),
    ("nope", ["runs", "output_dir=nope"]),
    *(("run=nope", [command, "nope"]) for command in ("rm", "show", "fit", "forecast")),
    ("run=nope", ["compare", "nope", "no"]),
    *(("run", [command]) for command in ("rm", "show", "fit", "forecast", "compare")),
    ("chip=torin ", ["forecast", "nope", "chip=torin"]),
    ("shots=0", ["forecast", "nope", "shots=0"]),
]

# what must be said -> a file that is no mapping
BROKEN_YAML: list[tuple[str, str | bytes]] = [
    ("broken YAML", "n:\t1\n\tm: 2"),
    ("", "hello"),
    ("", "- 1"),
    ("UTF-8", "n: 1".encode("utf-16")),
    ("broken YAML", "n: !!python/object/apply:os.system ['true']"),
    ("broken YAML", "n: 1\nn: 2"),
    ("YAML", b"\0\0"),
    ("", "a: &a [*a]"),
]

BOMB = "a0: &a0 [x]\n" + "".join(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 9))
JSONL = ["data", "data=jsonl", "data.path=a.jsonl"]
# what must be said -> the files there, and the words
FILES: list[tuple[str, Callable[[Path], None], list[str]]] = [
    *((says, file("configs/train.yaml", text), ["train"]) for says, text in BROKEN_YAML),
    *((says, file("configs/adapter/mine.yaml", text), ["params", "adapter=mine"]) for says, text in BROKEN_YAML),
    *((says, file("configs/sweep/mine.yaml", text), ["sweep", "mine"]) for says, text in BROKEN_YAML),
    ("'rows' is missing", file("configs/sweep/mine.yaml"), ["sweep", "mine"]),
    ("repeats", file("configs/train.yaml", BOMB), ["train"]),
    (
        "'scales.demo.data' is missing",
        file("configs/sweep/mine.yaml", "rows: {a: {}}\nscales: {demo: {}}"),
        ["sweep", "mine"],
    ),
    ("dir=", file("afile", "x"), ["sweep", "table1", "scale=smoke", "dir=afile"]),
    ("afile", file("afile", "x"), ["circuit", "out=afile"]),
    ("afile", file("afile", "x"), ["data", "output_dir=afile"]),
    ("afile", file("afile", "x"), ["train", "output_dir=afile"]),
    ("afile", file("afile", "x"), ["report", "afile"]),
    ("not a journal", file("afile", "x"), ["jobs", "journal=afile"]),
    (
        "line 1",
        file("a.jsonl", '{"prompt": "\ud800", "response": "b"}\n' * 30),
        JSONL,
    ),
    (
        "a.jsonl",
        file("a.jsonl", '{"prompt": "\\ud800", "response": "b"}\n' * 30),
        JSONL,
    ),
    ("broken JSON", file("a.json", "[" * 100_000), ["train", "data=jsonl", "data.path=a.json"]),
    ("a.parquet", file("a.parquet", b"PAR1junkPAR1"), ["train", "data=jsonl", "data.path=a.parquet"]),
    ("d", lambda here: (here / "d/case_1.txt").mkdir(parents=True), ["data", "data=cpsycoun", "data.path=d"]),
    ("a.jsonl", lambda here: (here / "a.jsonl").symlink_to("a.jsonl"), JSONL),
    ("negative", model(model_type="qwen2", hidden_size=-4), ["params", "model.path=m"]),
    ("hidden_size", model(model_type="qwen2", hidden_size="big"), ["params", "model.path=m"]),
    ("klingon", model(model_type="klingon"), ["params", "model.path=m"]),
    ("model_type", file("m/config.json", "[]"), ["params", "model.path=m"]),
    ("JSON", file("m/config.json", "no json"), ["params", "model.path=m"]),
    ("JSON", file("m/config.json", b"\xff\xfe"), ["train", "model.path=m"]),
    ("m", model(model_type="qwen2", hidden_size=64), ["train", "model.path=m"]),
    ("config.json", file("m/readme", "x"), ["train", "model.path=m"]),
    ("config.yaml", file("r/config.yaml", "junk"), ["eval", "r"]),
    ("config.yaml", file("r/config.yaml", "\t- x"), ["eval", "run=r"]),
    ("config.yaml is damaged", several(file("r/config.yaml", "{}"), file("r/COMPLETE", "{}")), ["eval", "run=r"]),
    ("config.yaml", run_with("a: 1"), ["eval", "run=r"]),
    ("config.yaml", run_with("model: 1\ndata: 2\nn: 1"), ["eval", "run=r"]),
    ("seed=-1 must be", run_with(STORED.replace("seed: 0", "seed: -1")), ["eval", "run=r", "n=20"]),
    ("no key 'colour'", run_with(STORED + "colour: red\n"), ["eval", "run=r", "n=21"]),
    ("r", adapter_with('{"peft_type": "LORA", "r": "x"}'), ["eval", "adapter.path=a"]),
    ("a", adapter_with("[]", b""), ["eval", "adapter.path=a"]),
    ("NOPE", adapter_with('{"peft_type": "NOPE"}', b"\xff" * 8), ["eval", "adapter.path=a"]),
    ("adapter_config.json", file("a/readme", "x"), ["eval", "adapter.path=a"]),
    ("evaluation.metrics", file("r/predictions.jsonl"), ["score", "r"]),
    ("predictions.jsonl", file("r/readme"), ["score", "run=r"]),
    *(("config.yaml", run_with("a: 1"), [command, "r"]) for command in ("forecast", "fit", "serve")),
    ("config.yaml", run_with("a: 1"), ["chat", "r", "prompt=x"]),
    ("to=merged or to=lora", run_with("a: 1"), ["export", "r"]),
    ("COMPLETE is damaged", run_with("a: 1"), ["show", "r"]),
    ("Two runs", run_with("a: 1"), ["compare", "r", "r"]),
    ("afile", file("afile", "x"), ["rm", "afile"]),
    ("not recognisably a run", file("d/notes", "x"), ["rm", "d", "yes=true"]),
    ("sweep.json", file("s/sweep.json", "[]"), ["report", "s"]),
    ("sweep.json", file("s/sweep.json", "{"), ["report", "s"]),
    ("newer", file("s/sweep.json", '{"schema": 99}'), ["report", "s"]),
]


def check(code: int, output: str, says: str) -> None:
    """One short message, and no traceback."""
    lines = [line for line in output.splitlines() if line.strip()]
    assert code == 2, output
    assert "Traceback" not in output and "fault of qft" not in output, output
    assert len(lines) <= 3 and all(len(line) < 700 for line in lines), output
    assert lines[-1].startswith("qft: ") and says in lines[-1], output


def listed(here: Path) -> set[str]:
    return {str(p) for p in here.rglob("*")}


CASES = [(says, no_setup, args) for says, args in WORDS] + FILES


def named(case: tuple[str, Callable[[Path], None], list[str]]) -> str:
    return " ".join(word[:30].encode("ascii", "backslashreplace").decode() for word in case[2]).replace("\0", "0")


@pytest.mark.parametrize(("says", "setup", "args"), CASES, ids=map(named, CASES))
def test_bad_input_is_one_sentence_and_leaves_nothing(
    says: str,
    setup: Callable[[Path], None],
    args: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    setup(tmp_path)
    before = listed(tmp_path)
    code = qft_here(*args)
    out, error = capfd.readouterr()
    check(code, out + error, says)
    assert listed(tmp_path) == before


def test_the_corpus_covers_every_command() -> None:
    from qft.cli.main import commands

    assert {args[0] for _, _, args in CASES} >= set(commands()) and len(CASES) >= 150


def start(*args: str, cwd: Path, prepare: Callable[[], None] | None = None, **options: object) -> tuple[int, str]:
    """``qft ARGS`` in a process of its own, ``prepare`` called in it first -> exit code and both outputs."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **options.pop("env", {})}  # type: ignore[dict-item]
    command = [sys.executable, "-m", "qft.cli.main", *args]
    done = subprocess.run(
        command,
        cwd=cwd,
        env=env,
        preexec_fn=prepare,
        capture_output=True,
        timeout=PATIENCE,
        **options,  # type: ignore[call-overload]
    )
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def limited(what: int, size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(what, (size, size))


def test_too_little_address_space(tmp_path: Path) -> None:
    check(*start("params", cwd=tmp_path, prepare=limited(resource.RLIMIT_AS, 700_000_000)), "memory")


def test_files_that_may_not_grow(tmp_path: Path) -> None:
    code, output = start("circuit", cwd=tmp_path, prepare=limited(resource.RLIMIT_FSIZE, 100))
    check(code, output, "large")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_standard_output(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "qft.cli.main", "--help"],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
        )
    check(done.returncode, done.stderr.decode(), "No space left")


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m qft.cli.main --help | head -n 1; exit ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0 and not done.stderr


def test_a_directory_that_is_gone(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code, output = start("params", cwd=gone, prepare=gone.rmdir)
    check(code, output, "current directory")


@pytest.mark.parametrize("world", ["abc", "2", "-1"])
def test_other_processes_that_are_not_there(world: str, tmp_path: Path) -> None:
    code, output = start("train", "n=20", cwd=tmp_path, env={"WORLD_SIZE": world})
    check(code, output, "WORLD_SIZE" if world != "2" else "torchrun")
    assert not listed(tmp_path)
