"""Words of Chinese text: ``words("我今天很高兴。") -> ["我", "今天", "很", "高兴"]``."""

import functools
from collections.abc import Iterable


def has_cjk(texts: Iterable[str]) -> bool:
    """True where any text holds a Chinese character (the unified ideographs and their extension A)."""
    return any("\u3400" <= c <= "\u4dbf" or "\u4e00" <= c <= "\u9fff" for text in texts for c in text)


def words(text: str) -> list[str]:
    """Cut into lower-case words by jieba; what holds no letter or digit (punctuation, spaces) is left out."""
    return [w for w in _cutter().lcut(text.lower()) if any(c.isalnum() for c in w)]


def cut(text: str) -> list[str]:
    """Cut by jieba and leave nothing out: what ``jieba.cut`` gives."""
    return _cutter().lcut(text)


@functools.cache
def _cutter():
    import jieba

    # jieba's own start-up logs to standard error and keeps its dictionary as a marshal file in the shared
    # temporary folder, where anyone may have put it. Reading the packaged dictionary takes about a second.
    cutter = jieba.Tokenizer()
    cutter.FREQ, cutter.total = cutter.gen_pfdict(cutter.get_dict_file())
    cutter.initialized = True
    return cutter
