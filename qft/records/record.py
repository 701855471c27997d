"""record.json: what was run, on which machine, with which versions, and what training gave."""

import importlib.metadata
import platform
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from qft import trust
from qft.records.schema import Document, Plain, absent, rest
from qft.version import PACKAGE, __version__

# those of plug-ins are given by whoever knows the plug-ins
PACKAGES = (
    *("torch", "transformers", "peft", "accelerate", "datasets", "numpy", "hydra-core"),
    *("pyqpanda3", "pennylane", "qiskit", "qiskit-aer", "qiskit-ibm-runtime"),
)


@dataclass
class GitState:
    """The repository the package itself lies in; nulls where it is in none."""

    commit: str | None  # of HEAD
    dirty: bool | None  # whether a tracked file was changed, or an untracked one added


@dataclass
class ModelRecord:
    """The base model."""

    name: str  # of its yaml, or the last part of its path
    path: str  # directory or hub id, as it was given
    dtype: str  # of its weights: torch.float32, ...
    template: str  # chat template
    device: str  # cpu, cuda:0, ...
    fingerprint: str  # SHA-256 over its files


@dataclass
class TokenCounts:
    """What encoding made of one part of the data."""

    samples: int = 0  # rows encoded
    tokens: int = 0  # in all
    supervised_tokens: int = 0  # those whose loss is taken
    truncated: int = 0  # samples that were cut at max_seq_len
    left_out: int = 0  # samples of which no token of an answer was left
    dropped: int = 0  # samples above max_seq_len, with data.overlong=drop


@dataclass
class DataRecord:
    """The data set and the parts it was split into, in samples."""

    name: str  # of its yaml
    fingerprint: str  # SHA-256 over everything that was read
    subset: str  # SHA-256 over the ids of training and validation
    n: int  # samples asked for: training and validation
    train: int  # samples to train on
    validation: int  # samples to validate on
    test: int  # samples to test on
    available: int  # samples there were to draw from
    heldout: int = 0  # samples held out, on which methods are compared
    heldout_rows: str = ""  # SHA-256 over the digests of the held-out samples
    margin: float | None = absent()  # losses closer than this are equal, in nats per token, as the data set states
    near_duplicates: dict[str, int] = field(default_factory=dict)  # pair of parts -> samples that are nearly in both
    counts: dict[str, int] = field(default_factory=dict)  # irregularity -> how often it was met in reading
    left_out: list[str] = field(default_factory=list)  # rows that became no sample, and why (the first 1000)
    train_tokens: TokenCounts | None = absent()
    validation_tokens: TokenCounts | None = absent()
    heldout_tokens: TokenCounts | None = absent()


@dataclass
class ModuleParameters:
    """One kind of adapted layer."""

    module: str  # last part of its name: q_proj, ...
    in_features: int  # width of its input
    out_features: int  # width of its output
    layers: int  # how many there are
    trainable: int  # parameters of one


@dataclass
class MemoryBytes:
    """What weights and optimizer take."""

    base: int  # weights of the base model
    adapter: int  # weights of the adapter
    gradients: int  # of what is trained
    optimizer: int  # two moments of AdamW, float32


@dataclass
class ParameterRecord:
    """Trainable parameters."""

    trainable: int  # parameters that are trained
    base: int  # parameters of the base model
    lora_r4: int  # parameters of LoRA r = 4 on the same layers
    ratio_to_lora_r4: float  # trainable / lora_r4
    modules: list[ModuleParameters]
    bytes: MemoryBytes
    notes: list[str]  # how sizes were factored
    circuit: int | None = absent()  # of the trained ones: those that are angles of a circuit


@dataclass
class BackendRecord:
    """The backend that evaluated the circuits of training."""

    name: str  # of its yaml
    options: Plain  # its resolved config
    circuits: int  # evaluated in all
    report: Plain = rest()  # what it says besides: the kernel that computed


@dataclass
class TrainingRecord:
    """Figures of a finished training; losses are in nats per token."""

    steps: int  # of the optimizer
    train_loss_run_mean: float  # mean over all steps
    train_loss_final_epoch: float  # mean over the steps of the last epoch
    validation_loss: float  # at the end
    validation_loss_at_start: float  # before the first step
    seconds: float  # over all starts of the run
    tokens: int  # seen in training
    peak_memory_mb: float  # of the process, of the GPU where there is one
    circuits: int  # evaluated in training and validation
    heldout_loss: float | None = absent()  # of the trained model on the held-out samples, heldout.csv
    lr: float | None = absent()  # peak learning rate
    lr_automatic: bool | None = absent()  # whether it was chosen by rule: trainer.lr was null
    modules: dict[str, Plain] | None = absent()  # what a method says of each layer: {"rank": 3}


@dataclass
class Record(Document):
    """Answers every later question about a run. The parts below ``git`` are left out until they are known."""

    FILE: ClassVar[str] = "record.json"

    command: str  # that started it
    started: str  # local time with its offset
    seed: int  # of weights, order of samples and draws
    qft: str = __version__  # version of qft
    python: str = platform.python_version()  # version of Python
    machine: str = f"{platform.system()} {platform.machine()}"  # operating system and architecture
    packages: dict[str, str] = field(default_factory=dict)  # name -> version
    git: GitState = field(default_factory=lambda: GitState(None, None))
    model: ModelRecord | None = absent()
    data: DataRecord | None = absent()
    parameters: ParameterRecord | None = absent()
    backend: BackendRecord | None = absent()
    training: TrainingRecord | None = absent()

    @classmethod
    def migrated(cls, content: Plain, schema: int) -> Plain:
        """0.1.0 wrote ``{}`` for what it did not know yet."""
        return {key: value for key, value in content.items() if value != {} or key == "packages"}


def new_record(seed: int, packages: Iterable[str] = ()) -> Record:
    """A record with everything that is known before a run starts; ``packages``: those of plug-ins, besides PACKAGES."""
    record = Record(command=trust.given().command, started=now(), seed=seed)
    for package in dict.fromkeys((*PACKAGES, *packages)):
        try:
            record.packages[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    record.git = git_state(PACKAGE)
    return record


def git_state(where: Path) -> GitState:
    """Commit of the package's own repository and whether it was changed; nulls where it is in none."""

    def git(*args: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(where), *args], capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    # only where the package itself is under version control, not where a user's own project is
    if git("ls-files", "--error-unmatch", "__init__.py") is None:
        return GitState(None, None)
    status = git("status", "--porcelain")
    return GitState(git("rev-parse", "HEAD"), None if status is None else bool(status))


def now() -> str:
    """Local time with its offset, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
