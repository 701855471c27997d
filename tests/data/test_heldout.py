"""The held-out part: apart from all others whatever n is, the same for every n that leaves enough rows."""

import os
import random
from pathlib import Path

import pytest

from qft.data import prepare
from qft.data.datasets import cpsycoun, demo, r1_distill_sft
from qft.data.datasets.base import Source
from qft.data.duplicates import question
from qft.data.heldout import held_out
from qft.data.messages import Message, Sample
from qft.errors import QftError

SHARED = Path(os.environ.get("QFT_SHARED") or Path(__file__).parents[2] / "../shared") / "data"
SIZES = (300, 600, 1000)


def sample(k: int, asks: int | None = None) -> Sample:
    return Sample(f"s{k}", (Message("user", f"q{k if asks is None else asks}"), Message("assistant", f"a{k}")))


def ids(samples):
    return [s.id for s in samples]


@pytest.mark.parametrize("task", ["talk", "math", None])
def test_the_same_256_rows_whatever_n_and_apart_from_all_others(task):
    source = demo.load(task=task)
    parts = {n: prepare.split(source, n, {"name": "demo"}) for n in SIZES}
    for n, part in parts.items():
        others = [*part.train, *part.validation, *part.test]
        assert len(part.heldout) == len({s.digest() for s in part.heldout}) == part.summary.heldout == 256
        assert not {question(s) for s in part.heldout} & {question(s) for s in others}
        assert ids(part.heldout) == ids(parts[300].heldout), f"n={n} holds out other rows"
        assert all(s.family for s in part.heldout)
    assert len({part.summary.heldout_rows for part in parts.values()}) == 1


def test_the_rows_are_known_by_their_digest():
    # the same on every machine: computed once, and part of what a held-out loss means
    assert prepare.split(demo.load(task="talk"), 300, {"name": "demo_talk"}).summary.heldout_rows.startswith(
        "8bd47615e84094d7"
    )
    assert prepare.split(demo.load(task="math"), 300, {"name": "demo_math"}).summary.heldout_rows.startswith(
        "86ac6c09dc0e7868"
    )
    assert sample(1).digest() == "37417ee8a172c25d"


def test_families_are_those_of_the_sentences():
    pool = {task: {s.family for s in demo.load(task=task).pool} for task in ("talk", "math")}
    assert pool["talk"] == {f"{language}-reflect-{k}" for language in ("en", "zh") for k in range(3)}
    assert {"en-boxes", "en-market"} < pool["math"] and len(pool["math"]) == 12


def test_fewer_where_the_pool_leaves_fewer():
    rows = [sample(k) for k in range(40)]
    assert ids(held_out(rows, 10, 256)) == [f"s{k}" for k in reversed(range(10, 40))]
    assert ids(held_out(rows, 10, 8)) == ids(held_out(rows, 30, 8)) == [f"s{k}" for k in reversed(range(32, 40))]
    assert ids(held_out(rows, 35, 8)) == ids(held_out(rows, 10, 8))[:5]
    assert held_out(rows, 40, 8) == held_out(rows, 10, 0) == []


def test_no_question_of_another_part_is_held_out():
    rows = [sample(0), sample(1), sample(2), sample(3), sample(4, asks=1), sample(5, asks=3), sample(6)]
    assert ids(held_out(rows, 2, 99)) == ["s6", "s3", "s5", "s2"], "s4 asks what s1 asks, which is trained on"
    assert ids(held_out(rows, 4, 99)) == ["s6"]


def test_a_text_is_held_out_once():
    twice = [sample(0), sample(1), Sample("copy", sample(1).messages)]
    assert ids(held_out(twice, 1, 99)) == ["s1"]


def test_the_order_of_the_pool_does_not_matter():
    pool = [sample(k) for k in range(400)]
    shuffled = random.Random(1).sample(pool, len(pool))
    spec = {"name": "mine", "heldout": 20}
    first, second = (prepare.split(Source(p, []), 100, spec).heldout for p in (pool, shuffled))
    assert ids(first) == ids(second) and len(first) == 20


@pytest.mark.parametrize(
    ("spec", "words"),
    [({"heldout": -1}, "data.heldout=-1"), ({"heldout": "x"}, "data.heldout=x"), ({"heldout": 1.5}, "whole"),
     ({"heldout": True}, "data.heldout=True"), ({"margin": 0}, "data.margin=0"), ({"margin": "x"}, "data.margin=x")],
)  # fmt: skip
def test_what_is_no_size_or_margin_is_refused(spec, words):
    with pytest.raises(QftError, match=words):
        prepare.split(demo.load(), 20, {"name": "demo", **spec})


def test_a_margin_is_recorded():
    summary = prepare.split(demo.load(), 20, {"name": "demo", "margin": 0.003}).summary
    assert summary.margin == 0.003
    assert prepare.split(demo.load(), 20, {"name": "demo"}).summary.margin is None


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared (data/cpsycoun and data/r1_distill_sft_gsm8k)")
def test_real_sets_hold_out_rows_that_their_base_has_not_seen():
    talks = cpsycoun.load(str(SHARED / "cpsycoun"), rows="0:1000")
    for n, held in ((300, 256), (600, 256), (900, 100), (1000, 0)):
        assert len(prepare.split(talks, n, {"name": "cpsycoun"}).heldout) == held
    numbers = [int(s.id.removeprefix("case_")) for s in prepare.split(talks, 300, {"name": "cpsycoun"}).heldout]
    assert max(numbers) < 1000, "the small base has read the clients of 1000 and after"
    problems = r1_distill_sft.load(str(SHARED / "r1_distill_sft_gsm8k"), rows="0:2000")
    parts = [prepare.split(problems, n, {"name": "gsm8k"}) for n in SIZES]
    assert all(len(p.heldout) == 256 and ids(p.heldout) == ids(parts[0].heldout) for p in parts)
    assert max(int(s.id.removeprefix("row_")) for s in parts[0].heldout) < 2000


def test_further_training_subsets_are_disjoint_and_beside_the_same_held_out_rows():
    source = demo.load(task="talk")
    parts = [prepare.split(source, 300, {"name": "demo", "subset": k}) for k in range(3)]
    chosen = [{s.id for s in (*p.train, *p.validation)} for p in parts]
    assert [len(c) for c in chosen] == [300] * 3 and not chosen[0] & chosen[1] | chosen[0] & chosen[2] | chosen[
        1
    ] & chosen[2]
    assert len({p.summary.subset for p in parts}) == 3 and len({p.summary.heldout_rows for p in parts}) == 1
    assert ids(parts[0].train) == ids(prepare.subset(source.pool, 300)[0]), "the first is what it was"
    for p in parts:
        assert not {question(s) for s in p.heldout} & {question(s) for s in (*p.train, *p.validation)}


def test_where_the_pool_is_too_small_they_are_drawn_anew_or_refused():
    source = demo.load(task="math")
    first, second, third = (prepare.split(source, 600, {"name": "demo", "subset": k}) for k in range(3))
    for one, other in ((first, second), (first, third), (second, third)):
        shared = {s.id for s in one.train} & {s.id for s in other.train}
        assert 0 < len(shared) < 540
    assert not {question(s) for s in third.heldout} & {question(s) for s in (*third.train, *third.validation)}
    pool = Source([sample(k) for k in range(40)], [])
    with pytest.raises(QftError, match=r"data\.subset=1: n=40 takes all 40 samples"):
        prepare.split(pool, 40, {"name": "mine", "subset": 1})
    with pytest.raises(QftError, match=r"data\.subset=-1"):
        prepare.split(pool, 20, {"name": "mine", "subset": -1})


def test_what_chose_the_rate_of_a_smaller_run_is_not_held_out():
    pool = Source([sample(k) for k in range(400)], [])
    search = prepare.split(pool, 300, {"name": "mine", "heldout": 0})
    small = prepare.split(pool, 60, {"name": "mine", "searched": 300})
    seen = {s.id for s in (*search.train, *search.validation)}
    assert len(small.heldout) == 100 and not seen & set(ids(small.heldout))
    assert ids(small.heldout) == ids(prepare.split(pool, 300, {"name": "mine"}).heldout)
    assert ids(small.train) == ids(prepare.split(pool, 60, {"name": "mine"}).train)
    with pytest.raises(QftError, match=r"data\.searched=-1"):
        prepare.split(pool, 60, {"name": "mine", "searched": -1})
