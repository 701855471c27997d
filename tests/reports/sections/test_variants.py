"""The distance of an adapter to its LoRA is a column of the ablation's table, where runs were exported."""

import synthetic

from qft import records
from qft.records import Agreement, Conversion, LayerConversion, Losses
from qft.reports import read
from qft.reports.sections import variants

AGREEMENT = Agreement(256, 1.0, 0.1, 0.2, 0.9)


def conversion(share, linear_share, rank=4):
    layers = [LayerConversion("q", "q", False, share, linear_share)]
    losses = Losses("held-out", 1.0, 1.1, 2.0)
    return Conversion(rank, True, False, False, 10, 5, share, linear_share, [(1, 0.1)], layers, losses, AGREEMENT)


def test_only_runs_that_were_exported_have_a_number(tmp_path):
    path = synthetic.ablation(tmp_path / "s", seeds=2)
    before = variants.table(read.load(path))
    cells = [c for c in read.load(path).final() if c.variant]
    chosen = [c for c in cells if c.group == cells[0].group]
    for k, cell in enumerate(chosen):
        records.write(path / "cells" / cell.name / Conversion.FILE, conversion(0.8 + 0.1 * k, 0.95))
    sweep = read.load(path)
    assert not [c for c in sweep.cells if c.state == "damaged"]
    table = variants.table(sweep)
    assert [*before.columns, *variants.LORA] == table.columns and len(table.rows) == len(before.rows)
    at = {row[0].text: [entry.text for entry in row[-3:]] for row in table.rows}
    expected = sum(80 + 10 * k for k in range(len(chosen))) / len(chosen)
    rank, share, rest = at.pop(cells[0].row)
    assert rank.startswith("4") and share.startswith(f"{expected:.1f}") and rest.startswith("5.0")
    assert at and all(text == "–" for texts in at.values() for text in texts)


def test_a_damaged_one_is_said(tmp_path):
    path = synthetic.ablation(tmp_path / "s", seeds=2)
    cell = next(c for c in read.load(path).final() if c.variant)
    (path / "cells" / cell.name / Conversion.FILE).write_text('{"rank": "NaN"}')
    found = next(c for c in read.load(path).cells if c.name == cell.name)
    assert found.state == "damaged" and "conversion.json" in found.error
