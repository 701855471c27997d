"""Sweep directories in the form real ones have, without training: numbers drawn from a seeded generator."""

import hashlib
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import stored

from qft import records

METHODS = {  # label: adapter, trainable parameters, final loss, mean score
    "LoRA r=4": ("lora", 1000, 1.0, 40.0),
    "LoRA r=1": ("lora", 250, 1.2, 35.0),
    "QuanTA": ("quanta", 1087, 1.1, 38.0),
    "QWTHN": ("qwthn", 237, 1.4, 30.0),
}
SURVEY = {
    "Full": ("full", 125_198_592, 0.6, 60.0),
    "LoRA r=4": ("lora", 147_456, 1.0, 40.0),
    "SoRA": ("sora", 125_337, 1.1, 36.0),
    "Prefix": ("prefix", 552_960, 1.8, 8.0),
    "QAA": ("qaa", 123_000, 1.3, 33.0),
}
TEXT = [f"{m}_{v}" for m in ("bleu4", "rouge1", "rouge2", "rougel") for v in ("standard", "llamafactory")]
REASONING = ["sa", "accuracy", "ctc", "ac"]
SAMPLES = 20
MARGIN = 0.01  # nats per token


def cell(label: str, adapter: str, data: str, n: int, seed: int, role: str = "final", **variant: Any) -> dict[str, Any]:
    """One entry of sweep.json."""
    words = "-".join([role, label, *(f"{k}={v}" for k, v in variant.items()), data, f"n{n}", f"seed{seed}"])
    name = "".join(ch if ch.isalnum() or ch in "-=." else "" for ch in words).replace("=", "").lower()
    return {
        "id": hashlib.sha256(name.encode()).hexdigest(),
        "name": name,
        "role": role,
        "label": label,
        "adapter": adapter,
        "data": data,
        "n": n,
        "seed": seed,
        "lr": None if role == "base" else 0.01,
        "variant": variant,
        "overrides": [f"adapter={adapter}", f"data={data}", f"n={n}", f"seed={seed}"],
    }


FRONT = {  # label: adapter, trainable parameters, loss, score; many of one size, and one above the base
    "LoRA-XS": ("lora_xs", 448, 2.1, 18.0),
    "all norms": ("ln_tuning", 1152, 1.6, 24.0),
    "Quantum-PEFT L=3": ("quantum_peft", 2840, 1.55, 22.0),
    "LoRA r=1, last 2 layers": ("lora_last", 4672, 1.5, 29.0),
    "BitFit": ("bitfit", 4864, 1.52, 28.0),
    "CUA b=4": ("cua", 6720, 1.48, 28.0),
    "Quantum-PEFT L=15": ("quantum_peft", 7300, 1.46, 27.0),
    "LoRA r=1": ("lora", 9344, 1.2, 35.0),
    "QTHA": ("qtha", 9392, 1.44, 30.0),
    "QWTHN": ("qwthn", 10864, 1.4, 30.0),
    "TT-LoRA R=4": ("tt_lora", 12400, 1.22, 33.0),
    "butterfly": ("butterfly", 18304, 1.3, 31.0),
    "LoRA r=4": ("lora", 37376, 1.0, 40.0),
    "QuanTA": ("quanta", 72240, 4.4, 3.0),
}


def pareto(path: Path, seeds: int = 3) -> Path:
    """Fourteen methods and the base on one dataset; forgetting is measured."""
    cells = [cell(label, adapter, "demo", 300, s) for label, (adapter, *_) in FRONT.items() for s in range(seeds)]
    cells.append(cell("base", "base", "demo", 300, 0, "base"))
    strength = {label: values for label, (_, *values) in FRONT.items()} | {"base": (0, 3.5, 5.0)}
    return write(path, cells, strength, "pareto", forgetting=0.25)


def write(
    path: Path,
    cells: Sequence[dict[str, Any]],
    strength: dict[str, tuple[int, float, float]],
    name: str = "table1",
    missing: Sequence[str] = (),
    failed: Sequence[str] = (),
    scores: Sequence[str] = TEXT,
    effect: float = 0.0,
    seed: int = 0,
    forgetting: float | None = None,
    heldout: bool = True,
) -> Path:
    """A sweep of ``cells``; ``strength`` gives label -> (parameters, loss, score); a name holding one of
    ``missing`` leaves no directory, one of ``failed`` an error. Without its circuit a method loses ``effect``."""
    plan = {"schema": 1, "name": name, "scale": "demo", "cells": list(cells)}
    path.mkdir(parents=True, exist_ok=True)
    records.write_json(path / "sweep.json", plan)
    rng = np.random.default_rng(seed)
    difficulty = {data: rng.normal(0, 8, SAMPLES) for data in sorted({c["data"] for c in cells})}
    for spec in cells:
        folder = path / "cells" / spec["name"]
        if any(word in spec["name"] for word in missing):
            continue
        folder.mkdir(parents=True)
        attempt = {"started": "2026-01-02T03:04:05+0000", "ended": "2026-01-02T03:05:05+0000", "state": "done"}
        state: dict[str, Any] = {"schema": 1, "id": spec["id"], "name": spec["name"], "state": "done", "error": None}
        if any(word in spec["name"] for word in failed):
            state |= {"state": "failed", "error": "loss is not a number at step 7 <script>alert(1)</script>"}
        state["attempts"] = [attempt | {"state": state["state"], "error": state["error"]}]
        records.write_json(folder / "cell.json", state)
        if state["state"] == "done":
            parameters, loss, score = strength[spec["label"]]
            if spec["variant"].get("circuit") in ("none", "constants"):
                score -= effect
            loss = _run(folder, spec, (parameters, loss, score), scores, difficulty[spec["data"]], rng, forgetting)
            if heldout:
                _held_out(folder, spec, loss)
    return path


def _held_out(folder: Path, spec: dict, loss: float) -> None:
    """heldout.csv about the run's loss; by a generator of its own, so that no other number depends on it."""
    items = np.random.default_rng(zlib.crc32(spec["data"].encode()))
    hard, tokens = items.normal(0, 0.3, SAMPLES), items.integers(20, 60, SAMPLES)
    noise = np.random.default_rng(zlib.crc32(spec["name"].encode())).normal(0, 0.02, SAMPLES)
    rows = [
        records.HeldoutLoss(f"h{k}", "ab"[k % 2], float(tokens[k] * (loss + hard[k] + noise[k])), int(tokens[k]))
        for k in range(SAMPLES)
    ]
    records.write_heldout(folder / records.HELDOUT, rows)


def _run(
    folder: Path,
    spec: dict,
    strength: tuple,
    scores: Sequence[str],
    difficulty: np.ndarray,
    rng: Any,
    forgetting: float | None = None,
) -> float:
    run = records.RunDirectory(folder)
    parameters, loss, score = strength
    v = spec["variant"]
    loss = loss * (300 / spec["n"]) ** 0.2 + 0.15 * v.get("noise_scale", 0) / (1 + (v.get("trained") == "noisy"))
    loss += rng.normal(0, 0.02) + (0.08 if v.get("circuit") in ("none", "constants") else 0)
    score -= 4 * v.get("noise_scale", 0) / (1 + (v.get("trained") == "noisy"))
    if spec["role"] != "base":
        steps = 40
        rows = []
        for step in range(steps + 1):
            value = loss + (3.5 - loss) * np.exp(-5 * step / steps) + rng.normal(0, 0.05)
            row = records.HistoryRow(step=step, epoch=3 * step / steps, lr=0.01, seconds=0.5 * step, peak_memory_mb=600)
            row.train_loss = value if step else None
            row.validation_loss = loss if step in (0, steps) else None
            rows.append(row)
        records.write_history(folder / "history.csv", rows)
        losses = [r.train_loss for r in rows[1:]]
        training = stored.training(
            steps=steps,
            train_loss_run_mean=float(np.mean(losses)),
            train_loss_final_epoch=float(np.mean(losses[-13:])),
            validation_loss=float(loss),
            seconds=20.0,
        )
        fingerprint = "d5ec0486ddb8" + "0" * 52
        data = records.DataRecord(spec["data"], fingerprint, "", spec["n"], spec["n"] - 30, 30, SAMPLES, 1280)
        data.margin = MARGIN
        counted = stored.parameters(parameters, parameters / strength_of_lora(spec))
        run.save(stored.record(spec["seed"], data=data, parameters=counted, training=training))
    offset = rng.normal(0, 0.1)  # between seeds
    scored = []
    for k in range(SAMPLES):
        per = {s: float(np.clip(score + offset + difficulty[k] + rng.normal(0, 3), 0, 100)) for s in scores}
        per |= {s: 100.0 * (x > 40) for s, x in per.items() if s in REASONING}
        scored.append(records.ScoreRow(f"s{k}", 0, per))
    records.write_lines(folder / "scores.jsonl", scored)
    test = {
        s: records.Score(float(np.mean([r.scores[s] for r in scored])), None, f"{s}|synthetic", samples=SAMPLES)
        for s in scores
    }
    measured = records.Scores(stored.loss(float(loss)), stored.generation(SAMPLES), test)
    if forgetting is not None:
        after = 2.0 + (forgetting if spec["role"] != "base" else 0.0)
        measured.forgetting = records.Forgetting(2.0, after, None, 3000, 80, 0, "9" * 64)
    run.save(stored.metrics(measured))
    return float(loss)


def strength_of_lora(spec: dict) -> int:
    """Parameters of the LoRA r=4 that a ratio refers to."""
    return 147_456 if spec["data"] == "alpaca" else 1000


def table1(path: Path, sizes: Sequence[int] = (300, 600), seeds: int = 3, **options: Any) -> Path:
    """Four methods and the base on two datasets; CPsyCounD has published numbers, the demo none."""
    cells = [
        cell(label, adapter, data, n, seed)
        for data in ("cpsycoun", "demo")
        for n in sizes
        for label, (adapter, *_) in METHODS.items()
        for seed in range(seeds)
    ]
    cells += [cell("base", "base", data, n, 0, "base") for data in ("cpsycoun", "demo") for n in sizes]
    cells += [cell("QWTHN", "qwthn", data, 300, 0, "search") for data in ("cpsycoun", "demo")]
    strength = {label: values for label, (_, *values) in METHODS.items()} | {"base": (0, 3.5, 5.0)}
    write(path, cells, strength, **options)
    chosen = [
        records.Choice("QWTHN", data, 300, 0.01, False, trials({0.003: 1.6, 0.01: 1.4, 0.03: None}))
        for data in ("cpsycoun", "demo")
    ]
    records.write(path / "choices.json", records.Choices(chosen))
    return path


def trials(losses: dict[float, float | None]) -> list[records.Trial]:
    """A search of a trial a rate."""
    return [records.Trial(f"search-{lr:g}", lr, 100, loss, loss and 20.0, 40) for lr, loss in losses.items()]


def survey(path: Path) -> Path:
    """The survey's five methods, one seed."""
    cells = [cell(label, adapter, "alpaca", 300, 0) for label, (adapter, *_) in SURVEY.items()]
    strength = {label: values for label, (_, *values) in SURVEY.items()}
    return write(path, cells, strength, "survey", scores=[*TEXT, "bertscore_f1"])


CONTROLS = [
    {"circuit": "none"},
    {"circuit": "silu"},
    {"circuit": "constants"},
    {"entangle": False},
    {"train_angles": False},
    {"shuffle": True},
]


def ablation(path: Path, effect: float = 6.0, seeds: int = 3, **options: Any) -> Path:
    """QWTHN and QTHA against their controls on one dataset."""
    labels = {"QWTHN": "qwthn", "QTHA": "qtha"}
    cells, strength = [], {}
    for label, adapter in labels.items():
        for variant in [{}, *CONTROLS]:
            for seed in range(seeds):
                cells.append(cell(label, adapter, "demo", 300, seed, **variant))
                strength[label] = (237, 1.4, 30.0)
    return write(path, cells, strength, "ablation", effect=effect, **options)


def controls(path: Path, variants: Sequence[dict[str, Any]], effect: float, seeds: int = 3, **options: Any) -> Path:
    """QWTHN and its ``variants`` on one dataset; without its circuit it loses ``effect``."""
    cells = [cell("QWTHN", "qwthn", "demo", 300, s, **v) for v in [{}, *variants] for s in range(seeds)]
    return write(path, cells, {"QWTHN": (237, 1.4, 30.0)}, "ablation", effect=effect, **options)


def noise(path: Path, seeds: int = 2) -> Path:
    """QWTHN trained without and with noise, each at four noise scales and, at scale 1, by number of shots."""
    settings: list[dict] = [{"noise_scale": scale, "shots": None} for scale in (0.0, 0.5, 1.0, 2.0)]
    settings += [{"noise_scale": 1.0, "shots": shots} for shots in (100, 1000)]
    labels = {"exact": "QWTHN", "noisy": "QWTHN, trained with noise"}
    cells = [
        cell(label, "qwthn", "demo", 300, seed, trained=trained, **setting)
        for trained, label in labels.items()
        for setting in settings
        for seed in range(seeds)
    ]
    return write(path, cells, dict.fromkeys(labels.values(), (237, 1.4, 30.0)), "noise")
