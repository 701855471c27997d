"""What a sweep says of a published claim: by its own measure, m and controls."""

from dataclasses import replace
from pathlib import Path

import pytest
import synthetic

from qft.claims.claim import Claim, Row
from qft.reports import read
from qft.reports.analysis import tested
from qft.reports.sweep import Sweep

CLAIM = Claim(
    name="mine",
    source="A paper",
    place="Table I",
    sentence="QuanTA is better",
    row=Row(adapter="quanta"),
    against=Row(label="LoRA r=4"),
    measure="heldout_loss",
    says="better",
    words={},
    setting="",
    distance="",
)


def said(sweep: Sweep, **changes: object) -> tested.Tested:
    (found,) = tested.test(sweep, [replace(CLAIM, **changes)])
    return found


@pytest.fixture(scope="module")
def table1(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return read.load(synthetic.table1(tmp_path_factory.mktemp("claims") / "t1", sizes=(300,), seeds=5))


def test_a_claim_is_confirmed_or_contradicted_by_all_its_comparisons(table1: Sweep) -> None:
    against = said(table1)
    assert (against.state, against.planned, len(against.compared)) == ("contradicted", 2, 2)
    assert against.rests_on.startswith("Rests on held-out loss, 2 of 2 planned comparisons, 5 seeds, 20 items.")
    assert said(table1, against=Row(adapter="qwthn")).state == "confirmed"
    assert said(table1, against=Row(adapter="qwthn"), measure="rougel_llamafactory").state == "confirmed"
    assert said(table1, measure="no_such").state == "not run"
    assert said(table1, row=Row(adapter="qtha")).state == "not run"
    closed = said(table1, testable_here=False, reason="no such base")
    assert closed.state == "untestable here" and "no such base" in closed.sentence


def test_not_worse_allows_the_margin_and_no_more(table1: Sweep) -> None:
    worse = said(table1, says="not worse")  # drawn 0.1 apart, and the margin is 0.01
    assert worse.state == "contradicted"
    for cell in table1.final():
        if cell.record:
            cell.record.data.margin = 0.2
    try:
        assert said(table1, says="not worse").state == "confirmed", "worse, by less than the margin"
        assert said(table1).state == "contradicted"
    finally:
        for cell in table1.final():
            if cell.record:
                cell.record.data.margin = synthetic.MARGIN


@pytest.mark.parametrize(
    ("lost", "says", "state"),
    [
        ("LoRA r=4", "not worse", "undecided"),  # at a better rate it may be better by more than the margin
        ("QuanTA", "not worse", "confirmed"),  # at a better rate it is only better
        ("QuanTA", "better", "undecided"),  # worse here, at another rate perhaps not
        ("none", "better", "contradicted"),
    ],
)
def test_what_a_lost_search_leaves_open(lost: str, says: str, state: str, tmp_path: Path) -> None:
    """Their trials are planned, and no choice is known: whether a better rate lies beyond cannot be said."""
    sweep = read.load(synthetic.table1(tmp_path / "t1", sizes=(300,), seeds=5))
    for cell in sweep.final():
        cell.after = ["a-trial"] if cell.label == lost else []
        if cell.record and says == "not worse":
            cell.record.data.margin = 0.2
    assert said(sweep, says=says).state == state


def test_a_row_larger_than_claimed_does_not_test_the_claim(table1: Sweep) -> None:
    found = said(table1, against=Row(adapter="qwthn"), ratio=1.0)
    assert found.state == "not at the claimed size" and found.ratio == pytest.approx(1087 / 237)
    assert found.rests_on == (
        "No pair of its rows and size has finished. At 4.59 of the other's parameters (claimed: at most 1)."
    )
    several = said(table1, row=Row(), against=Row(label="LoRA r=4"), ratio=0.3)
    assert {c.row for c in several.compared} == {"LoRA r=1", "QWTHN"}, "QuanTA is larger"
    assert several.planned == 4 and several.state == "contradicted"


def test_few_seeds_give_no_verdict(first: Sweep) -> None:
    assert said(first).state == "no verdict"


def test_controls_count_among_the_planned_and_are_named_where_they_do_as_well(tmp_path: Path) -> None:
    labels = {"lora": ("LoRA r=4", {}), "qwthn": ("QWTHN", {}), "none": ("QWTHN", {"circuit": "none"})}
    labels["plain"] = ("QWTHN", {"entangle": False})
    adapter = {"lora": "lora"}
    cells = [
        synthetic.cell(label, adapter.get(key, "qwthn"), "demo", 300, seed, **variant)
        for key, (label, variant) in labels.items()
        for seed in range(5)
    ]
    strength = {"LoRA r=4": (1000, 2.0, 20.0), "QWTHN": (237, 1.0, 40.0)}
    sweep = read.load(synthetic.write(tmp_path, cells, strength))
    controls = [{"circuit": "none"}, {"entangle": False}, {"train_angles": False}]
    found = said(sweep, row=Row(adapter="qwthn"), controls=controls)
    assert (found.state, found.planned, len(found.controls)) == ("confirmed", 3, 2), "one control was not planned"
    assert {c.planned for c in [*found.compared, *found.controls]} == {3}
    words = {c.other: c.word for c in found.controls}
    assert words["QWTHN, no circuit"] == "better" and words.popitem()[1] != "better"
    assert "Not shown to be better than its controls QWTHN, no entanglement." in found.rests_on
    assert "3 of 3 planned comparisons with controls" in found.rests_on
    alone = said(sweep, row=Row(adapter="qwthn"), controls=[{"circuit": "none"}])
    assert "It survives its controls (1 comparisons)." in alone.rests_on
    some = said(sweep, row=Row(adapter="qwthn"), controls=[{"circuit": "none"}, {"train_angles": False}])
    assert "survives" not in some.rests_on
    assert "It is better than its controls in 1 comparisons; 1 more have not run." in some.rests_on
