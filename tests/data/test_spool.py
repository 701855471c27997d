"""Sets too large for memory are those that are held in it, and memory does not grow with them."""

import json
import tracemalloc
from pathlib import Path

import pytest

from qft.data import prepare, spool
from qft.data.messages import Message, Sample
from qft.errors import QftError

SPEC = {"_target_": "qft.data.datasets.jsonl.load", "name": "jsonl", "heldout": 20}


def write(file: Path, rows: int, letters: int = 3) -> dict[str, object]:
    """Rows of all kinds: reasoning, stated answers, repeated questions, dialogues that go on."""
    with file.open("w") as out:
        for k in range(rows):
            row: dict[str, object] = {"question": f"问 {k % (rows - 7)} " + "x" * letters, "answer": f"{k}\n#### {k}"}
            if k % 5 == 1:
                row = {"prompt": f"问 {k}", "response": f"“{k}”", "reasoning_content": "so"}
            elif k % 5 == 2:
                row = {"instruction": "more", "output": "b", "history": [[f"ask {k // 10}", "a"]][: k % 2]}
            out.write(json.dumps(row) + "\n")
    return SPEC | {"path": str(file)}


@pytest.mark.parametrize("held", [0, 2000])
def test_a_set_in_a_file_is_the_one_in_memory(held: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = write(tmp_path / "rows.jsonl", 300)
    source = prepare.load(spec)
    assert isinstance(source.pool, list)
    monkeypatch.setattr(spool, "HELD", held)
    spooled = prepare.load(spec)
    assert isinstance(spooled.pool, spool.SpooledSamples)
    assert list(spooled.pool) == source.pool and spooled.test == source.test
    assert list(spooled.usable) == list(source.usable)
    assert spooled.fingerprint() == source.fingerprint()
    for n, more in ((50, {}), (50, {"subset": 1}), (100, {"heldout": 0}), (50, {"split": "test"})):
        assert prepare.split(spooled, n, spec | more) == prepare.split(source, n, spec | more)
    assert list(spooled.pool[3:5]) == source.pool[3:5] and spooled.pool[-1] == source.pool[-1]


def test_memory_does_not_grow_with_the_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = write(tmp_path / "rows.jsonl", 150, letters=20_000) | {"heldout": 0}

    def most(held: int) -> int:
        """Bytes that Python held at most."""
        monkeypatch.setattr(spool, "HELD", held)
        tracemalloc.start()
        try:
            assert prepare.split(prepare.load(spec), 5, spec).summary.train == 4
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    most(0)  # what is imported meanwhile does not count
    assert 2 * most(100_000) < most(10**9)


def test_a_full_disk_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def seek(self, *_: int) -> None: ...
        def close(self) -> None: ...
        def write(self, _: bytes) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool, "HELD", 0)
    monkeypatch.setattr(spool.tempfile, "TemporaryFile", Full)
    with pytest.raises(QftError, match=r"cannot hold the rows \(No space left on device\).*data\.rows, or .* TMPDIR"):
        spool.Spool().add(Sample("row_0", (Message("user", "q"), Message("assistant", "a"))))
