"""The histogram of lengths, as text and as a picture."""

import random
from pathlib import Path

import pytest

from qft.data.lengths import bins, draw, histogram


@pytest.mark.parametrize("lengths", [[1], [11], [12], [5, 185], [1024], [9_999, 3], [123_456], list(range(700))])
def test_bins_are_round_few_and_hold_everything(lengths):
    edges = bins(lengths)
    width = edges[1]
    assert str(width).rstrip("0") in ("1", "2", "5")
    assert edges[0] == 0 and edges[-1] > max(lengths) >= edges[-2]
    assert len(edges) - 1 <= 12


def test_every_sample_is_in_one_line():
    lengths = random.Random(0).sample(range(3000), 500)
    lines = histogram(lengths, mark=1024).splitlines()
    marked = [k for k, line in enumerate(lines) if "max_seq_len=1024" in line]
    assert len(marked) == 1
    low, _, high, _ = lines[marked[0] - 1].split()[:4]
    assert int(low) < 1024 <= int(high) + 1
    del lines[marked[0]]
    assert sum(int(line.split()[3]) for line in lines) == 500
    assert max(line.count("█") for line in lines) == 40
    assert "max_seq_len" not in histogram(lengths, mark=4000), "nothing is behind it"


def test_the_picture_is_a_png(tmp_path: Path):
    path = draw(
        {"training": [3, 4, 90], "validation": [5], "test": [7, 8], "held out": [9]}, 64, "t", tmp_path / "x.png"
    )
    assert path.read_bytes().startswith(b"\x89PNG") and [f.name for f in tmp_path.iterdir()] == ["x.png"]
