"""How long samples are: a histogram as text and as a picture."""

import io
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from qft.process.files import write_bytes

BARS = 40  # characters of the longest bar
COLORS = ("#08519c", "#d94801", "#9ecae1", "#fdbe85")


def bins(lengths: Sequence[int], limit: int = 12) -> list[int]:
    """Edges of at most ``limit`` equal bins, from 0 past the longest; their width is 1, 2 or 5 times 10^k."""
    longest = max(lengths) + 1
    power = 10 ** max(0, math.floor(math.log10(longest / limit)))
    width = next(w * power for w in (1, 2, 5, 10) if w * power * limit >= longest)
    return list(range(0, longest + width, width))


def histogram(lengths: Sequence[int], mark: int | None = None) -> str:
    """A line per bin: range of tokens, number of samples, a bar. ``mark``, in tokens, adds a line after its bin."""
    edges = bins(lengths)
    counts = [sum(low <= n < high for n in lengths) for low, high in pairwise(edges)]
    wide = len(str(edges[-1]))
    lines = []
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        bar = "█" * math.ceil(BARS * count / max(counts))
        lines.append(f"  {low:>{wide}} - {high - 1:<{wide}}  {count:>6}  {bar}".rstrip())
        if mark is not None and low < mark <= high and mark < max(lengths):
            lines.append(f"  {'-' * (2 * wide + 3)} max_seq_len={mark} {'-' * BARS}")
    return "\n".join(lines)


def draw(lengths: Mapping[str, Sequence[int]], mark: int, title: str, path: Path) -> Path:
    """Write a stacked histogram as a PNG.

    Args:
        lengths: Name of a part -> tokens of each of its samples.
        mark: ``max_seq_len``, drawn as a line.
        title: Of the picture.
        path: Where to write it.

    Returns:
        ``path``.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    edges = bins([n for part in lengths.values() for n in part], 40)
    labels = [f"{name} ({len(part)})" for name, part in lengths.items()]
    axes.hist(list(lengths.values()), bins=edges, stacked=True, label=labels, color=COLORS[: len(lengths)])
    if mark <= edges[-1]:
        axes.axvline(mark, color="black", linewidth=1, linestyle="--", label=f"max_seq_len={mark}")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("tokens of a sample, prompt and answers together")
    axes.set_ylabel("samples")
    axes.set_title(title, fontsize=10, loc="left", parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    content = io.BytesIO()
    figure.savefig(content, dpi=150, format="png")
    write_bytes(path, content.getvalue())
    return path
