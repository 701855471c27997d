"""What a sweep was: states of its cells, bases, machines, and what a small base says nothing about."""

from qft.records import DataRecord
from qft.reports.sweep import Cell, Sweep, ordered

SMALL = 1_000_000_000  # parameters of a base below which nothing is said of a 7B model


def counts(sweep: Sweep) -> dict[str, int]:
    """State -> number of planned cells."""
    states = [c.state for c in sweep.cells]
    return {state: states.count(state) for state in ordered(["done", *sorted(states)])}


def trained(sweep: Sweep) -> list[Cell]:
    """Finished cells that were trained."""
    return [c for c in sweep.final() if c.record and c.record.model and c.record.parameters]


def bases(sweep: Sweep) -> list[tuple[str, int]]:
    """Base models trained on, with their parameters."""
    known = [(c.record.model, c.record.parameters) for c in sweep.final() if c.record]
    return ordered((model.name, parameters.base) for model, parameters in known if model and parameters)


def machines(sweep: Sweep) -> list[str]:
    """Machines and devices of the runs: ``Linux x86_64, cpu``."""
    known = [c.record for c in sweep.final() if c.record]
    return ordered(f"{r.machine}, {r.model.device if r.model else None}" for r in known)


def caution(sweep: Sweep) -> str | None:
    """What a small base says nothing about."""
    small = [(name, size) for name, size in bases(sweep) if 0 < size < SMALL]
    if not small or sweep.as_published:
        return None
    words = ", ".join(f"{name} with {size / 1e6:.3g} million parameters" for name, size in small)
    return f"Measured on {words}. That is no 7B model: these numbers say nothing about what a 7B base would give."


def state(sweep: Sweep) -> str:
    """How much of the plan is done."""
    states = ", ".join(f"{count} {name}" for name, count in counts(sweep).items())
    attempts = sum(len(c.attempts) for c in sweep.cells)
    return f"{len(sweep.cells)} planned runs: {states}; {attempts} attempts in all."


def made(sweep: Sweep) -> str:
    """Bases, data, dates, machines and versions of the runs."""
    records = [c.record for c in trained(sweep) if c.record]
    if not records:
        return "No run is finished."
    models = ", ".join(f"{name} ({size:,} parameters)" for name, size in bases(sweep))
    days = sorted(r.started[:10] for r in records)
    when = f"on {days[0]}" if days[0] == days[-1] else f"from {days[0]} to {days[-1]}"
    commits = ordered(str(r.git.commit or "unknown")[:10] for r in records)
    versions = ordered(", ".join(f"{k} {v}" for k, v in r.packages.items() if k in ("torch", "peft")) for r in records)
    data = {c.data: _data(c.data, c.record.data) for c in trained(sweep) if c.record and c.record.data}
    drawn = f" Data: {'; '.join(data.values())}." if data else ""
    where = "; ".join(ordered(f"{r.machine}, {r.model.device}" for r in records if r.model))
    return f"Base: {models}.{drawn} Trained {when} on {where}; commit {', '.join(commits)}; {'; '.join(versions)}."


def near_duplicates(sweep: Sweep) -> list[str]:
    """How many samples of one part are nearly in another, a sentence a data set; none where there are none."""
    sentences = []
    for data in ordered(c.data for c in trained(sweep)):
        known = [c.record.data for c in trained(sweep) if c.data == data and c.record and c.record.data]
        parts = [_near(known, "held out near training", "held-out"), _near(known, "test near training", "test")]
        if said := [part for part in parts if part]:
            sentences.append(
                f"{data}: {' and '.join(said)} samples are nearly in training (half of their runs of 13 words), so a "
                "loss or score there is partly of what was learnt by heart."
            )
    return sentences


def _near(known: list[DataRecord], key: str, name: str) -> str:
    """``57 to 65 of 256 held-out``; empty where none is."""
    counts = [data.near_duplicates.get(key, 0) for data in known]
    sizes = [data.heldout if name == "held-out" else data.test for data in known]
    if not any(counts):
        return ""
    low, high = min(counts), max(counts)
    return f"{low if low == high else f'{low} to {high}'} of {max(sizes)} {name}"


def command(sweep: Sweep) -> str:
    """The command that made the sweep, with its directory where that is not the usual one."""
    usual = sweep.path.name == f"{sweep.name}-{sweep.scale}"
    return sweep.command if usual else f"{sweep.command} dir={sweep.path}"


def _data(name: str, data: DataRecord) -> str:
    """What samples were drawn from, so that another reader's copy can be held against it."""
    size = f"{data.available:,} samples to draw from, {data.test} for the test"
    return f"{name} ({size}, fingerprint {data.fingerprint[:12]})"
