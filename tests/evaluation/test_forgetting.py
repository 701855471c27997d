"""Forgetting by hand: losses of a small model, their difference and interval, and what other runs of a base read."""

import json
from pathlib import Path

import pytest
import tiny
import torch

from qft import records
from qft.data.general import GeneralText
from qft.errors import Diverged, QftError
from qft.evaluation import forgetting
from qft.evaluation.forgetting import GeneralLoss
from qft.records import GeneralRow, RunDirectory, UntunedLosses

TEXT = GeneralText(("3 4 5 6 7", "9 8 11", "12 13 14 15", "20"))


class Numbers:
    """Token ids written as numbers; pads like a tokenizer."""

    padding_side = "right"

    def __call__(self, text: str) -> dict:
        return {"input_ids": [int(word) for word in text.split()]}

    def pad(self, features: list[dict], **kwargs: object) -> dict:
        assert len(features) == 1, "a text is read by itself"
        return {key: torch.tensor([features[0][key]]) for key in features[0]}


def encoded(text: GeneralText = TEXT, max_len: int = 64) -> GeneralLoss:
    return forgetting.encode(text, Numbers(), max_len)


def by_hand(model: torch.nn.Module, text: str) -> float:
    ids = torch.tensor([[int(word) for word in text.split()]])
    with torch.no_grad():
        logits = model(input_ids=ids).logits[0].log_softmax(-1)
    return -sum(float(logits[k - 1, ids[0, k]]) for k in range(1, ids.shape[1]))


def test_the_difference_is_over_all_tokens_of_all_texts(tmp_path: Path) -> None:
    base, tuned = tiny.build("qwen2", seed=1), tiny.build("qwen2", seed=2)
    general = encoded()
    general.of_base(base, "f" * 64, tmp_path)
    found = general.of_tuned(tuned, tmp_path)
    texts = TEXT.texts[:3]  # a text of one token predicts nothing
    before, after = ([by_hand(model, text) for text in texts] for model in (base, tuned))
    assert (found.tokens, found.texts, found.truncated, found.sha256) == (9, 3, 0, TEXT.sha256)
    assert found.before == pytest.approx(sum(before) / 9, rel=1e-5)
    assert found.after == pytest.approx(sum(after) / 9, rel=1e-5)
    rows = RunDirectory(tmp_path).general()
    assert [(row.id, row.tokens) for row in rows] == [("1", 4), ("2", 2), ("3", 3)]
    assert [row.after for row in rows] == pytest.approx([a / n for a, n in zip(after, (4, 2, 3))], rel=1e-5)
    low, high = found.interval
    each = [row.after - row.before for row in rows]
    assert min(each) <= low < found.after - found.before < high <= max(each)


def test_a_model_that_has_not_changed_has_forgotten_nothing(tmp_path: Path) -> None:
    general = encoded()
    general.of_base(tiny.build("llama"), "f", tmp_path)
    same = general.of_tuned(tiny.build("llama"), tmp_path)
    assert same.before == same.after and same.interval == (0, 0)
    alone = general.of_none()
    assert (alone.before, alone.after, alone.interval) == (same.before, same.after, None)


def test_long_texts_are_cut_and_counted(tmp_path: Path) -> None:
    general = encoded(max_len=3)
    general.of_base(tiny.build("llama"), "f", tmp_path)
    assert (general.truncated, general.of_none().tokens) == (2, 6)
    with pytest.raises(QftError, match="no text has two tokens"):
        encoded(GeneralText(("5", "6")))


def test_the_base_is_measured_once_unless_anything_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tiny.build("qwen2")
    first = encoded()
    first.of_base(base, "f", tmp_path)
    (file,) = tmp_path.glob("untuned-*.json")
    with monkeypatch.context() as patch:
        patch.setattr(forgetting, "sample_losses", lambda *_: pytest.fail("it is known"))
        again = encoded()
        again.of_base(base, "f", tmp_path)
        assert again.before == first.before
    other = GeneralText(TEXT.texts[:2])
    for changed, fingerprint, model in (
        (encoded(), "g", base),
        (encoded(max_len=4), "f", base),
        (encoded(other), "f", base),
    ):
        changed.of_base(model, fingerprint, tmp_path)
    assert len(list(tmp_path.glob("untuned-*.json"))) == 4
    for damage in ("{", json.dumps({"settings": {}, "losses": [[1.0, 4], [1.0, 2], [1.0, 3]]})):
        file.write_text(damage)
        repaired = encoded()
        repaired.of_base(base, "f", tmp_path)
        assert repaired.before == first.before and records.read(file, UntunedLosses).losses == first.before


def test_a_loss_that_is_not_finite_is_said_before_anything_is_written(tmp_path: Path) -> None:
    broken = tiny.build("qwen2")
    broken.lm_head.weight.data.fill_(float("nan"))
    general = encoded()
    with pytest.raises(Diverged, match="general text"):
        general.of_base(broken, "f", tmp_path)
    general.of_base(tiny.build("qwen2"), "f", tmp_path)
    with pytest.raises(Diverged):
        general.of_tuned(broken, tmp_path)
    assert records.read_lines(tmp_path / records.GENERAL, GeneralRow) == []
