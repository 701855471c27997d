"""A small real sweep, killed at seeded random moments, ends as one that never was (tests/killing.py does ten)."""

import json
import random
from pathlib import Path

from killing import decided, killed, start, states

# a search of one rate, one final run, one base
TINY = """
rows: {lora: {label: LoRA r=4, adapter: lora}}
scales:
  smoke:
    data: {demo: [model=demo]}
    n: [20]
    seeds: [0]
    search: {n: 20, lr: [1.0e-2]}
    set: [trainer.max_steps=4, trainer.batch_size=4, trainer.save_every=1, evaluation.limit=2,
          evaluation.max_new_tokens=4, "evaluation.metrics=[bleu]"]
"""


def test_kills_change_nothing_and_no_cell_is_run_twice(tmp_path: Path) -> None:
    (tmp_path / "configs/sweep").mkdir(parents=True)
    (tmp_path / "configs/sweep/tiny.yaml").write_text(TINY)
    args = ["tiny", "scale=smoke"]
    whole = start([*args, "dir=whole", "workers=2"], tmp_path)
    assert whole.wait(200) == 0, (tmp_path / "out.txt").read_text()[-2000:]
    assert killed([*args, "workers=1"], tmp_path, "killed", 2, random.Random(1), 0.5) == 2
    assert decided(tmp_path / "whole") == decided(tmp_path / "killed")
    assert states(tmp_path / "killed") == ["done"] * 3
    attempts = [json.loads(p.read_text())["attempts"] for p in tmp_path.glob("killed/cells/*/cell.json")]
    assert any(a["state"] == "interrupted" for cell in attempts for a in cell)
    assert not list(tmp_path.glob("killed/**/.*.tmp")), "temporary files are left"
