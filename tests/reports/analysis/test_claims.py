"""The papers' tables as they are printed, and what is said of their claims."""

from itertools import pairwise
from pathlib import Path

import pytest
import synthetic

from qft.evaluation import metrics
from qft.reports import read
from qft.reports.analysis import claims, comparisons, published


def test_published_tables_are_whole_and_transcribed() -> None:
    papers = published.papers()
    stated = {m.published for m in metrics.measures().values()}
    for paper in papers.values():
        names = {m.name for m in paper.methods}
        for block in paper.losses:
            assert set(block.cells) == {300, 600, 1000}
            assert all(set(c) == names and all(len(v) == 2 for v in c.values()) for c in block.cells.values())
        for block in paper.scores:
            assert set(block.cells) == names and set(block.metrics) <= stated
            assert all(len(values) == len(block.metrics) for values in block.cells.values())
    assert [b.name for b in papers["qwthn"].losses] == ["CPsyCounD", "R1-Distill-SFT"]
    assert papers["qwthn"].losses[0].cells[1000]["QWTHN"] == [1.497, 1.464]
    assert papers["qwthn"].losses[1].cells[600]["quanTA"] == [0.164, 0.159]
    assert papers["qwthn"].scores[0].cells["QWTHN"] == [14.593, 37.345, 14.023, 32.32]
    assert papers["qwthn"].scores[2].cells["quanTA"] == [84, 74, 82, 68]
    assert papers["survey"].scores[0].cells["Full"] == [12.19, 84.69, 20.39, 12.64, 20.25]
    # what the text says of Table I: up to 15 % lower train loss, and validation loss falls with n for LoRA
    table_one = papers["qwthn"].losses[0].cells
    assert 1 - table_one[300]["QWTHN"][0] / table_one[300]["MLP"][0] == pytest.approx(0.15, abs=0.005)
    assert all(a > b for a, b in pairwise(table_one[n]["MLP"][1] for n in (300, 600, 1000)))


def test_claims_count_what_is_printed_and_what_was_measured(tmp_path: Path) -> None:
    of = read.load(synthetic.table1(tmp_path, sizes=(300,), seeds=5))  # drawn with QWTHN clearly worse than LoRA
    found = {(c.method, c.measure.name): c for c in claims.check(of, comparisons.with_lora(of))}
    train = found["QWTHN", "train_loss_run_mean"]
    assert (train.printed_better, train.printed, train.said) == (6, 6, ("descriptive", "descriptive"))
    assert (train.direction, train.outcome) == ("better", "no verdict")
    assert [found[m, "validation_loss"].printed_better for m in ("QWTHN", "QuanTA")] == [3, 5]
    assert found["QWTHN", "validation_loss"].direction == "divided"
    assert found["QWTHN", "validation_loss"].outcome == "the paper prints no order"
    assert found["QWTHN", "bleu4_llamafactory"].printed_better == 2
    assert found["QWTHN", "rougel_llamafactory"].said == ("worse", "worse")
    assert found["QWTHN", "rougel_llamafactory"].outcome == "contradicted"
    assert not any(method in ("LoRA r=4", "LoRA r=1", "base") for method, _ in found)
    lines = claims.summary(list(found.values()))
    assert any(
        s.startswith("QWTHN, which the paper prints as better") and "contradicted for ROUGE-L" in s for s in lines
    )
    assert any(s.startswith("QuanTA, which the paper prints as worse than LoRA r=4:") for s in lines)


def test_a_published_tie_is_no_claim() -> None:
    def claim(better: int, worse: int) -> claims.Claim:
        return claims.Claim("QuanTA", metrics.measure("sa"), better, worse, 1, said=("worse",))

    assert claims.printed_orders(published.papers()["qwthn"], "quanTA", metrics.measure("sa")) == (0, 0, 1)  # 68 % both
    assert (claim(0, 0).direction, claim(0, 0).outcome) == ("equal", "the paper prints no order")
    assert claim(0, 1).outcome == "confirmed" and claim(1, 0).outcome == "contradicted"


def test_outcomes_of_a_claim() -> None:
    def claim(*said: str) -> claims.Claim:
        return claims.Claim("m", metrics.measure("sa"), 2, 0, 2, said)

    assert claim("better", "better").outcome == "confirmed"
    assert claim("worse").outcome == "contradicted"
    assert claim("equal").outcome == "shown to be equal"
    assert claim("undecided", "descriptive").outcome == "undecided"
    assert claim("descriptive").outcome == "no verdict"
    assert (
        claim("better", "worse", "undecided", "better").outcome == "confirmed in 2, contradicted in 1, undecided in 1"
    )
    assert "measured as better in 1, equal in 1 of 2. Confirmed in 1, shown" in claim("better", "equal").sentence
