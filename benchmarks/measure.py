"""What every benchmark shares: things timed in turn in one process, the machine named, one table of figures."""

import argparse
import importlib.metadata
import json
import math
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
warnings.filterwarnings("ignore", category=FutureWarning)


def parser(text: str) -> argparse.ArgumentParser:
    """Options of every script."""
    out = argparse.ArgumentParser(description=text.splitlines()[0])
    out.add_argument("--threads", type=int, default=1, help="threads of torch")
    out.add_argument("--repeats", type=int, default=7)
    out.add_argument("--json", type=Path, help="also write the figures to this file")
    return out


def device() -> str:
    """cuda where there is a GPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def wait() -> None:
    """Let the GPU finish; nothing on a CPU."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def clock() -> float:
    """Seconds: of the processor on one thread of a CPU, so that other programs count less; else those of the wall."""
    if device() == "cpu" and torch.get_num_threads() == 1:
        return time.process_time()
    return time.perf_counter()


def clock_name() -> str:
    """What ``clock`` tells, for the line over a table."""
    return "CPU time" if device() == "cpu" and torch.get_num_threads() == 1 else "wall time"


def in_turn(
    tasks: dict[str, Callable[[], Any]], repeats: int, warmup: int = 1, now: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of each task, one after the other in every round, so that a busy moment hits them alike.

    Every other round runs backwards, so that what drifts within a round cancels. ``now`` is the clock.
    """
    for _ in range(warmup):
        for task in tasks.values():
            task()
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(repeats):
        for name, task in list(tasks.items())[:: -1 if number % 2 else 1]:
            wait()
            start = now()
            task()
            wait()
            times[name].append(now() - start)
    return times


def ratio(times: list[float], reference: list[float]) -> float:
    """Median over the rounds of time / reference time of the same round."""
    return statistics.median(t / r for t, r in zip(times, reference, strict=True))


def interval(times: list[float], reference: list[float], level: float = 0.95) -> tuple[float, float]:
    """Two of the ordered ratios between which their median lies with at least this probability, whatever they follow.

    The whole range where there are too few for it (fewer than 6 for 0.95).
    """
    ratios = sorted(t / r for t, r in zip(times, reference, strict=True))
    n, below, left_out = len(ratios), 0, 0.5 ** len(ratios)  # left_out: probability that the median is below the first
    while below + 1 < n - below - 2 and 2 * (left_out + math.comb(n, below + 1) * 0.5**n) <= 1 - level:
        below += 1
        left_out += math.comb(n, below) * 0.5**n
    return ratios[below], ratios[n - 1 - below]


def machine(packages: tuple[str, ...] = ("transformers", "peft")) -> str:
    """One line: processor, cores, threads, device, versions."""
    model = next(
        (line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")), platform.machine()
    )
    place = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{model}, {os.cpu_count()} cores"
    versions = []
    for package in packages:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"no {package}")
    return f"{place}; {torch.get_num_threads()} threads; " + ", ".join([f"torch {torch.__version__}", *versions])


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


class Table:
    """Rows of figures: printed as they come, written as JSON at the end."""

    def __init__(self, title: str, where: str, columns: list[str]) -> None:
        self.title, self.where, self.columns, self.rows = title, where, columns, list[list[str]]()
        print(f"\n{title}\n{where}\n" + "  ".join(columns), flush=True)

    def add(self, *cells: object) -> None:
        """One row; floats with three digits."""
        row = [f"{c:.3g}" if isinstance(c, float) else str(c) for c in cells]
        self.rows.append(row)
        print("  ".join(row), flush=True)


def write(path: Path | None, tables: list[Table]) -> None:
    """The tables as JSON, for scripts/build_performance.py."""
    if path is not None:
        path.write_text(json.dumps([vars(t) for t in tables], indent=1), encoding="utf-8")
