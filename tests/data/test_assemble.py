"""Rows -> pool and test set: who is held out, what is dropped, that each row is accounted for."""

from pathlib import Path

import pytest

from qft.data.assemble import assemble
from qft.data.messages import LeftOut, Message
from qft.data.rows import ALL, Row
from qft.errors import QftError


def rows(*questions, **answers):
    return [(k, Row(Path("x.jsonl"), k + 1, {"q": q, "a": answers.get(q)})) for k, q in enumerate(questions)]


def read(row, counts):
    if not row.data["q"]:
        raise LeftOut("the question is empty", "detail")
    return (Message("user", row.data["q"]), Message("assistant", f"answer {row.line}")), row.data["a"]


PLAIN = [f"question {k}" for k in range(600)]


def put_together(numbered, pool=ALL, test=ALL, verifiable=False):
    source = assemble("x", numbered, read, pool, test, verifiable)
    return source.pool, source.test, source.counts, source.left_out


def test_fifty_are_held_out_and_a_tenth_of_small_sets():
    for total, held in ((600, 50), (500, 50), (100, 10), (11, 1), (2, 1)):
        pool, test, counts, left_out = put_together(rows(*PLAIN[:total]))
        assert (len(pool), len(test), left_out) == (total - held, held, [])
        assert counts == {"rows read": total, "rows kept for training": total - held, "rows kept for the test": held}


def test_the_test_set_depends_on_neither_order_nor_the_rows_trained_on():
    _, test, _, _ = put_together(rows(*PLAIN))
    _, turned, _, _ = put_together(rows(*reversed(PLAIN)))
    pool, narrow, _, _ = put_together(rows(*PLAIN), pool=range(100))
    assert {s.messages[0] for s in test} == {s.messages[0] for s in turned}
    assert narrow == test and all(int(s.id[4:]) < 100 for s in pool)
    assert 0 < 100 - len(pool) < 50  # those of the hundred that are held out


def test_only_rows_at_test_rows_are_held_out():
    pool, test, _, _ = put_together(rows(*PLAIN), test=range(200))
    assert len(test) == 20 and all(int(s.id[4:]) < 200 for s in test)
    assert len(pool) == 580


def test_no_question_is_in_two_parts():
    _, test, _, _ = put_together(rows(*PLAIN))
    asked = test[0].messages[0].content
    spaced = "  " + asked.replace(" ", "\n ")
    pool, again, counts, _ = put_together(rows(*PLAIN, spaced, asked, "question 1", "question\t1"))
    assert {s.messages[0] for s in again} == {s.messages[0] for s in test}
    assert asked not in {" ".join(s.messages[0].content.split()) for s in pool}
    assert counts["rows with the question of a test row dropped"] == 2
    assert counts["rows with the question of an earlier row dropped"] == 2
    assert counts["rows read"] == len(pool) + len(again) + 4


def test_of_verifiable_sets_only_rows_with_an_answer_are_held_out():
    answers = {q: "7" for q in PLAIN[::5]}
    pool, test, _, _ = put_together(rows(*PLAIN, **answers), verifiable=True)
    assert len(test) == 50 and all(s.answer == "7" for s in test)
    assert len(pool) == 550
    few = {q: "7" for q in PLAIN[:49]}
    with pytest.raises(QftError, match=r"49 different verifiable rows at data\.test_rows, but the test set needs 50"):
        put_together(rows(*PLAIN, **few), verifiable=True)


def test_each_row_left_out_is_counted_and_named():
    found = rows(*PLAIN[:20], "", "")
    _, _, counts, left_out = put_together(found)
    assert counts["rows left out: the question is empty"] == 2
    assert left_out == [f"x.jsonl, line {k}: the question is empty: detail" for k in (21, 22)]


def test_nothing_to_train_on_is_an_error():
    with pytest.raises(QftError, match="leaves nothing to train on: 1 usable rows"):
        put_together(rows("only one"))
    with pytest.raises(QftError, match=r"2 rows were left out, such as x\.jsonl, line 1: the question is empty"):
        put_together(rows("", ""))


def turn_by_turn(dialogue, turns):
    """Rows of one dialogue, each with all before it."""
    told = [t for k in range(turns) for t in (Message("user", f"{dialogue}: {k}?"), Message("assistant", f"{k}."))]
    return [tuple(told[: 2 * k + 2]) for k in range(turns)]


def test_rows_of_one_dialogue_are_one_sample_and_in_one_part():
    talks = [turn_by_turn(f"talk {k}", 1 + k % 4) for k in range(100)]
    flat = [row for talk in talks for row in talk]
    whole = {talk[-1] for talk in talks}
    for order in (flat, flat[::-1], sorted(flat, key=str)):
        found = [(k, Row(Path("x.jsonl"), k + 1, {"m": m})) for k, m in enumerate(order)]
        source = assemble("x", found, lambda row, _: (row.data["m"], None), ALL, ALL)
        pool, test, counts = source.pool, source.test, source.counts
        assert {s.messages for s in pool + test} == whole and (len(pool), len(test)) == (90, 10)
        shorter = "rows that a longer one of their dialogue holds dropped"
        dropped = counts[shorter] + counts["rows of a test dialogue dropped"]
        assert counts["rows read"] == len(flat) == len(whole) + dropped

    # the test set is drawn from 30 rows, which end within a dialogue: what continues it is not trained on
    source = assemble("x", found, lambda row, _: (row.data["m"], None), ALL, range(30))
    for tested in source.test:
        assert not [s for s in source.pool if s.messages[0] == tested.messages[0]]
    assert source.counts["rows of a test dialogue dropped"] > 0


def test_a_question_in_other_letters_is_the_same_question():
    asked = ["What is 2+2?", "what  is 2+2？", "ＷHAT is 2＋2?", "What is 2-2?", "What is 22?"]
    pool, _, counts, _ = put_together(rows(*asked, *PLAIN[:20]), test=range(5, 25))
    assert [s.messages[0].content for s in pool[:3]] == [asked[0], asked[3], asked[4]]
    assert counts["rows with the question of an earlier row dropped"] == 2
