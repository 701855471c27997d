"""The loss of each held-out sample against the model asked one row at a time; what a file of them may hold."""

import pytest
import tiny
import torch
from test_loss import Padding

from qft.data.messages import Message, Sample
from qft.data.template import Encoded
from qft.errors import Diverged, QftError
from qft.evaluation.heldout import measure
from qft.records import HeldoutLoss, mean_loss, read_heldout, write_heldout


def part() -> tuple[list[Sample], Encoded]:
    samples, rows = [], []
    for n, cut in ((9, 4), (5, 1), (7, 6), (3, 1)):
        samples.append(Sample(f"s{n}", (Message("user", f"q{n}"), Message("assistant", "a")), family=f"f{n % 2}"))
        ids = tiny.tokens(1, n, seed=n)[0].tolist()
        rows.append({"input_ids": ids, "labels": [-100] * cut + ids[cut:]})
    return samples, Encoded(rows, [s.id for s in samples])


def test_each_loss_in_the_order_of_the_samples() -> None:
    model, (samples, encoded) = tiny.build("llama"), part()
    expected = []
    for sample, row in zip(samples, encoded.rows, strict=True):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([row["input_ids"]])).logits[0].log_softmax(-1)
        places = [k for k, label in enumerate(row["labels"]) if label != -100 and k > 0]
        loss = -sum(float(logits[k - 1, row["labels"][k]]) for k in places)
        expected.append((sample.digest(), sample.family, pytest.approx(loss, rel=1e-5), len(places)))
    for size in (1, 3, 8):
        rows = [{key: list(value) for key, value in row.items()} for row in encoded.rows]
        found = measure(model, Padding(), Encoded(rows, encoded.ids), samples, size)
        assert [(r.sample, r.family, r.loss, r.tokens) for r in found] == expected
        assert mean_loss(found) == sum(r.loss for r in found) / sum(r.tokens for r in found)
    assert measure(model, Padding(), Encoded(), [], 8) == [] and mean_loss([]) is None


def test_a_loss_that_is_no_number_is_refused() -> None:
    model, (samples, encoded) = tiny.build("llama"), part()
    with torch.no_grad():
        model.get_input_embeddings().weight.fill_(torch.nan)
    with pytest.raises(Diverged, match="held-out sample s9 is not a number"):
        measure(model, Padding(), encoded, samples, 2)


ROWS = [HeldoutLoss("a1", "en-x", 0.1 + 0.2, 3), HeldoutLoss("b2", "", 1e-300, 1), HeldoutLoss("c3", 'a,"b"', 2.0, 7)]


def test_the_file_holds_the_very_numbers(tmp_path) -> None:
    write_heldout(tmp_path / "h.csv", ROWS)
    assert read_heldout(tmp_path / "h.csv") == ROWS
    assert (tmp_path / "h.csv").read_text().splitlines()[:2] == ["sample,family,loss,tokens", f"a1,en-x,{0.1 + 0.2},3"]
    assert read_heldout(tmp_path / "none.csv") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cut off"),
        ("sample,loss\n", "does not begin"),
        ("sample,family,loss,tokens\na,f,1.0,3", "cut off"),
        ("sample,family,loss,tokens\na,f,1.0\n", "row 2"),
        ("sample,family,loss,tokens\na,f,nan,3\n", "not finite"),
        ("sample,family,loss,tokens\na,f,1.0,0\n", "of no token"),
        ("sample,family,loss,tokens\na,f,1.0,9999999999999999\n", "of too many"),
        ("sample,family,loss,tokens\na,f,1e308,1\nb,f,1e308,1\n", "row 2: the loss is not finite"),
        ("sample,family,loss,tokens\na,f,1.0,3\na,f,1.0,3\n", "a sample twice"),
        ('sample,family,loss,tokens\na,"f,1.0,3\n', "damaged"),
    ],
)
def test_a_damaged_file_is_refused(text, words, tmp_path) -> None:
    (tmp_path / "h.csv").write_text(text)
    with pytest.raises(QftError, match=words):
        read_heldout(tmp_path / "h.csv")
