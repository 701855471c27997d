"""When a sweep will be done: simulated sweeps of cells of mixed cost, of which a tenth has ended."""

import heapq
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from test_cells import cell

from qft.records import Cell
from qft.sweeps import remaining
from qft.sweeps.estimate import Speed, Took

SWEEPS = 60


@dataclass
class Simulated:
    """A sweep with the truth about each cell."""

    plan: list[Cell]
    steps: dict[str, int]
    took: dict[str, Took]
    workers: int

    def done_at(self) -> dict[str, tuple[float, float]]:
        """Start and end of each cell, as qft sweep runs them: phase after phase, what is ready, on all workers."""
        times: dict[str, tuple[float, float]] = {}
        now = 0.0
        for role, command in remaining.PHASES:
            waiting = [c for c in self.plan if (c.role, c.command) == (role, command)]
            while waiting:
                ready = [c for c in waiting if all(a in times for a in c.after)]
                free = [now] * self.workers
                for c in remaining.in_order(ready, self.steps):
                    start = heapq.heappop(free)
                    times[c.name] = (start, start + (self.took[c.name].whole or 0.0))
                    heapq.heappush(free, times[c.name][1])
                now = max(end for _, end in times.values())
                waiting = [c for c in waiting if c.name not in times]
        return times


def simulated(rng: np.random.Generator) -> Simulated:
    """Rows whose steps differ by a factor of ten and more, data sets by another; searches answer nothing, bases do."""
    rows = {f"row{k}": float(np.exp(abs(rng.normal(0, 1.3)))) for k in range(rng.integers(2, 13))}
    sets = {f"set{k}": float(np.exp(rng.normal(0, 1))) for k in range(rng.integers(1, 4))}
    sizes = [300, 1000, 3000][: rng.integers(1, 4)]
    seeds, searches = int(rng.integers(3, 8)), bool(rng.integers(0, 4))
    bases = searches or bool(rng.integers(0, 2))
    slower = {row: slow ** rng.uniform(0, 1) for row, slow in rows.items()}  # answers, by a circuit
    overhead, answer = rng.uniform(2, 20), rng.uniform(5, 120)
    plan, steps, took = [], {}, {}

    def add(name: str, slow: float, long: float, n: int, **options) -> None:
        made = cell(name, n=n, **options)
        steps[name] = n // 8
        noise = float(np.exp(rng.normal(0, 0.15)))
        training = 0.2 * slow * long * steps[name] * noise if made.command == "train" else None
        answering = answer * long * slower.get(made.label, 1.0) * noise if made.test else None
        whole = overhead * noise + (training or 0) + (answering or 0)
        plan.append(made)
        took[name] = Took(training, steps[name] if training else 0, answering, whole)

    for data, long in sets.items():
        if bases:
            add(f"base-{data}", 1.0, long, sizes[0], role="base", command="eval", label="base", adapter=None, data=data)
        for row, slow in rows.items():
            shared = {"label": row, "data": data, "adapter": row}
            first = [f"{row}-{data}-rate{k}" for k in range(4)] if searches else []
            more = [f"{row}-{data}-{word}" for word in ("below", "above", "again")] if searches else []
            for name in (*first, *more):
                after = first if name in more else []
                add(name, slow, long, sizes[0], role="search", test=False, after=after, **shared)
            for n in sizes:
                for seed in range(seeds):
                    add(f"{row}-{data}-n{n}-{seed}", slow, long, n, seed=seed, after=[*first, *more], **shared)
    return Simulated(plan, steps, took, int(rng.integers(1, 9)))


def so_far(took: Took, seconds: float) -> Took | None:
    """What a running cell has written down of its training; it begins when all but training and answers is done."""
    begun = (took.whole or 0) - (took.training or 0) - (took.answering or 0)
    share = min(1.0, (seconds - begun) / took.training) if took.training else 0.0
    steps = int(took.steps * share)
    return Took(training=(took.training or 0) * steps / took.steps, steps=steps) if steps > 0 else None


def estimate(sweep: Simulated, share: float, folder: Path) -> tuple[float, float]:
    """Expected and true seconds left when this share of the cells has ended."""
    times = sweep.done_at()
    ends = sorted(end for _, end in times.values())
    now = ends[int(np.ceil(share * len(ends))) - 1]
    speed = Speed(folder, sweep.steps)
    for c in sweep.plan:
        if times[c.name][1] <= now:
            speed.take(c, sweep.took[c.name])
    states = {c.name: "done" for c in sweep.plan if times[c.name][1] <= now}
    running = {name: now - start for name, (start, end) in times.items() if start < now < end}
    for c in sweep.plan:
        if c.name in running and (part := so_far(sweep.took[c.name], running[c.name])):
            speed.take(c, part)
    left = remaining.left(sweep.plan, states)
    expected = {c.name: speed.seconds(c) or 0.0 for c in left}
    return remaining.seconds(left, expected, running, sweep.workers), ends[-1] - now


@pytest.mark.parametrize(("share", "within"), [(0.1, 2.0), (0.3, 2.0), (0.8, 2.0)])
def test_a_tenth_of_the_cells_tells_the_rest(share: float, within: float, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    ratios = []
    for _ in range(SWEEPS):
        expected, true = estimate(simulated(rng), share, tmp_path)
        ratios.append(expected / true)
    outside = [r for r in ratios if not 1 / within < r < within]
    assert len(outside) <= 0.05 * SWEEPS, sorted(ratios)
