"""Figures as inline SVG whose colours are the page's own, so that one picture serves light and dark.

matplotlib draws with stand-in colours; each is replaced by a CSS variable (--ink, --line, --c0 ...). Text stays text.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qft.reports.document import Figure, Panel
from qft.reports.render.table import escape

SERIES = 8  # colours the page has: Okabe and Ito's, told apart by colour-blind readers
INK, LINE = "#010101", "#020202"
DASHES: list[tuple[float, ...]] = [(), (5, 1.5), (1.5, 1.2), (6, 1.5, 1.5, 1.5)]  # told apart without colour
MARKERS = "osD^vPX*"


def colour(k: int) -> str:
    """The stand-in colour of series ``k``."""
    return f"#0304{k % SERIES:02x}"


def dash(k: int) -> Any:
    """The dashes of series ``k`` as matplotlib takes them."""
    return (0, DASHES[k % len(DASHES)])


def dash_array(k: int) -> str:
    """The dashes of series ``k`` as SVG writes them."""
    return " ".join(f"{3 * d:g}" for d in DASHES[k % len(DASHES)]) or "none"


@contextmanager
def canvas(alt: str, x: str, y: str, height: float = 3.0, width: float = 4.2) -> Iterator[tuple[Any, list[str]]]:
    """Axes to draw on; the finished SVG is in the list after the block."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure as Canvas

    out: list[str] = []
    ink = {"text.color": INK, "axes.edgecolor": LINE, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK}
    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "text.parse_math": False,  # a $ in a name is a $
        "svg.hashsalt": "qft",
        "font.size": 11,
        "grid.color": LINE,
        **ink,
    }
    with matplotlib.rc_context(settings):
        figure = Canvas(figsize=(width, height), layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(linewidth=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        yield axes, out
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None})
    out.append(_themed(text.getvalue(), alt))


def hint(text: str) -> str:
    """A gid that becomes the title of what is drawn with it: the words shown where it is pointed at."""
    return f"hint-{text.encode().hex()}"


def whole_steps(axes: Any) -> None:
    """Ticks of the horizontal axis at whole numbers: half a step is none."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, steps=[1, 2, 5, 10]))


def _themed(svg: str, alt: str) -> str:
    """Only the <svg> element, sized by its frame, coloured and lettered by the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(
        r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.S
    )  # a style would be the whole page's
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    label = f' role="img" aria-label="{escape(alt)}"'
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', lambda m: m[1] + label, svg, count=1)
    svg = svg.replace(INK, "var(--ink)").replace(LINE, "var(--line)")
    svg = re.sub(r"#0304(\d\d)", lambda m: f"var(--c{int(m[1], 16)})", svg)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    titled = r'<g id="hint-([0-9a-f]*)">'
    svg = re.sub(titled, lambda m: f"<g><title>{escape(bytes.fromhex(m[1]).decode())}</title>", svg)
    return re.sub(r"\s*\n\s*", " ", svg)


def figure(
    name: str,
    title: str,
    caption: str,
    panels: list[Panel],
    legend: Sequence[tuple[int, str]] = (),
    wide: bool = False,
    scrolls: bool = False,
) -> Figure | None:
    """The panels as one figure; None where there is none. Names inside a panel become unlike those of any other."""
    for k, panel in enumerate(panels):
        panel.svg = re.sub(r'\bid="', f'id="{name}{k}-', panel.svg)
        panel.svg = re.sub(r'(url\(#|href="#)', rf"\1{name}{k}-", panel.svg)
    return Figure(name, title, caption, panels, list(legend), wide, scrolls) if panels else None


def standalone(picture: str) -> str:
    """A picture as a file of its own, with the page's colours, light and dark."""
    css = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    colours = css[: css.index("* {")]
    style = f"<style>{colours} svg {{ background: var(--paper) }} text {{ font-family: sans-serif }}</style>"
    return picture.replace(">", f">{style}", 1) + "\n"
