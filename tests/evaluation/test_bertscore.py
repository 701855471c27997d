"""BERTScore with a tiny random BERT made here; against the definition, written out."""

import functools
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from qft.errors import QftError
from qft.evaluation.metrics.base import Pair
from qft.evaluation.metrics.bertscore import score


@functools.cache
def tiny_bert() -> str:
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = Path(tempfile.mkdtemp())
    characters = sorted(
        set("我明白你的感受，能再多说一些吗？们可以试每天散步半小时。abcdefghijklmnopqrstuvwxyz0123456789.,\\{}<>/+=*")
    )
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]))
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    sizes = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        BertModel(BertConfig(vocab_size=5 + len(characters), max_position_embeddings=64, **sizes)).save_pretrained(
            folder
        )
    return str(folder)


def contract_options() -> dict:
    """The contract suite judges this metric with a model."""
    return {"model": tiny_bert()}


def test_against_the_definition() -> None:
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(tiny_bert()), AutoModel.from_pretrained(tiny_bert()).eval()

    def vectors(text: str) -> torch.Tensor:
        with torch.no_grad():
            out = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        return torch.nn.functional.normalize(out, dim=-1)

    pairs = [Pair("我明白你的感受", "你能说一些吗"), Pair("每天散步", "每天散步半小时。")]
    (found,) = score(pairs, model=tiny_bert())
    for pair, value in zip(pairs, found.per_sample, strict=True):
        similar = vectors(pair.prediction) @ vectors(pair.reference).T
        # the marks around a text are matched with, but weigh nothing themselves
        p, r = similar.max(1).values[1:-1].mean(), similar.max(0).values[1:-1].mean()
        assert value == pytest.approx(100 * float(2 * p * r / (p + r)), abs=1e-3)
    assert found.value == pytest.approx(sum(found.per_sample) / 2)
    assert "layer:2|idf:no" in found.signature


def test_long_texts_are_cut_to_the_models_length() -> None:
    (found,) = score([Pair("感受" * 200, "感受" * 200)], model=tiny_bert())
    assert found.value == pytest.approx(100, abs=1e-3)


def test_without_a_model_it_is_left_out_and_says_so() -> None:
    (found,) = score([Pair("a", "a")])
    assert found.value is None and found.per_sample == [None]
    assert found.signature == "left out: no model: name one with metric.bertscore.model=DIR"
    (found,) = score([Pair("a", "a")], model="no/such-model")  # a hub id, and no network
    assert found.value is None and "no/such-model is not at hand" in found.signature


def test_wrong_models_and_a_missing_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(QftError, match=r"model=\./nowhere is not an existing"):
        score([Pair("a", "a")], model="./nowhere")
    with pytest.raises(QftError, match=f"{tmp_path} cannot be loaded"):
        score([Pair("a", "a")], model=str(tmp_path))
    with pytest.raises(QftError, match="layer=9 does not fit"):
        score([Pair("a", "a")], model=tiny_bert(), layer=9)
    monkeypatch.setitem(sys.modules, "bert_score", None)
    with pytest.raises(QftError, match=r"pip install 'qft\[bertscore\]'"):
        score([Pair("a", "a")], model=tiny_bert())
