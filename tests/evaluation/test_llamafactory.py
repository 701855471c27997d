"""The llamafactory variant gives what the libraries give when they are called as LLaMA-Factory calls them."""

import os
from pathlib import Path

import pytest

from qft.evaluation.metrics.base import Pair
from qft.evaluation.score import score_all

SHARED = Path(os.environ.get("QFT_SHARED") or Path(__file__).parents[3] / "shared") / "data" / "cpsycoun"
# written for this test: punctuation, numbers, Latin words, repeats, line ends, one word, nothing shared, nothing
PAIRS = [
    ("听起来你最近压力很大，能具体说说发生了什么吗？", "我听到你最近压力很大。你能多说一点发生的事情吗？"),
    ("谢谢你的信任！我们慢慢来。", "谢谢你愿意告诉我这些……我们可以慢慢来，不着急。"),
    ("你说“没有用”，是指考试，还是指和父母的关系？", "当你说“没有用”的时候，你想到的是什么？"),
    ("我建议你每天 22:30 以前关掉手机，读 20 分钟书。", "可以试试晚上十点半关掉手机，然后读二十分钟书。"),
    ("好的好的好的好的好的", "好的，我们下次再谈。"),
    ("第一，记录情绪；\n第二，和朋友聊聊；\n第三，保证睡眠。", "你可以：\n1. 写情绪日记\n2. 找朋友聊聊\n3. 睡够八小时"),
    ("嗯。", "嗯"),
    ("天气不错", "父母离婚以后他很少说话"),
    ("Your feelings matter，感受很重要。", "你的感受很重要，your feelings matter."),
    ("", "你好"),
]


def libraries(pairs: list[tuple[str, str]]) -> dict[str, float]:
    """LLaMA-Factory's own few lines (its rounding of each sample to 4 digits left out)."""
    import jieba
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
    from rouge_chinese import Rouge

    found: dict[str, list[float]] = {"rouge-1": [], "rouge-2": [], "rouge-l": [], "bleu-4": []}
    for prediction, label in pairs:
        hypothesis, reference = list(jieba.cut(prediction)), list(jieba.cut(label))
        if len(" ".join(hypothesis).split()) == 0 or len(" ".join(reference).split()) == 0:
            result = {"rouge-1": {"f": 0.0}, "rouge-2": {"f": 0.0}, "rouge-l": {"f": 0.0}}
        else:
            result = Rouge().get_scores(" ".join(hypothesis), " ".join(reference))[0]
        for kind, values in result.items():
            found[kind].append(100 * values["f"])
        smooth = SmoothingFunction().method3
        found["bleu-4"].append(100 * sentence_bleu([list(label)], list(prediction), smoothing_function=smooth))
    return {kind: sum(values) / len(values) for kind, values in found.items()}


def compare(pairs: list[tuple[str, str]]) -> None:
    ours = {s.name: s.value for s in score_all([Pair(p, r) for p, r in pairs], ["bleu", "rouge"])}
    for kind, value in libraries(pairs).items():
        assert ours[f"{kind.replace('-', '')}_llamafactory"] == pytest.approx(value, abs=1e-6), kind


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import jieba

    monkeypatch.setattr(jieba.dt, "tmp_dir", str(tmp_path))  # jieba keeps its dictionary there


def test_own_sentences() -> None:
    compare(PAIRS)


@pytest.mark.parametrize("pair", PAIRS)
def test_each_sentence(pair: tuple[str, str]) -> None:
    compare([pair])


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared")
def test_real_counselling() -> None:
    """Counsellors' turns of real dialogues, each against the next dialogue's."""
    turns = []
    for number in range(3100, 3134):
        text = (SHARED / f"case_{number}.txt").read_text(encoding="utf-8")
        turns += [t.partition("：")[2].strip() for t in text.split("\n") if t.startswith("心理咨询师")][:1]
    assert len(turns) == 34
    compare(list(zip(turns, turns[1:] + turns[:1], strict=True)))
