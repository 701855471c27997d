"""Writes a forecast: forecast.json, and the same as a page (forecast.html) and as Markdown with its pictures."""

import time
from pathlib import Path

from qft.errors import QftError
from qft.names import visible
from qft.records import Forecast, write
from qft.reports.document import Figure, Section
from qft.reports.forecast import sections
from qft.reports.render import markdown, page, svg
from qft.reports.render.table import escape, md
from qft.reports.render.write import text
from qft.version import __version__


def everything(folder: Path, made: Forecast) -> list[Path]:
    """All files of a forecast, each whole or not at all; those of an earlier one in this place are replaced."""
    if folder.is_symlink() or folder.parent.is_symlink():
        raise QftError(f"{folder} is a link, or lies in one: what a forecast writes must lie in its own directory.")
    parts = sections(made)
    drawn = [(part, part.figure() if part.figure else None) for part in parts]
    pictures = {}
    for _, figure in drawn:
        for k, panel in enumerate(figure.panels if figure else []):
            pictures[f"{panel.row}{k + 1 if figure and len(figure.panels) > 1 else ''}.svg"] = svg.standalone(panel.svg)
    files = {
        **pictures,
        "forecast.md": _markdown(made, drawn),
        "forecast.html": _page(made, parts),
    }
    for name, content in files.items():
        text(folder / name, content)
    write(folder / Forecast.FILE, made)  # the last: where it is, the rest is
    return [folder / name for name in (Forecast.FILE, "forecast.html", "forecast.md")]


def _page(made: Forecast, parts: list[Section]) -> str:
    tiles = [
        (f"{made.loss.mean:.4f}", f"{made.part} loss on the chip"),
        (f"{made.ideal:.4f}", "without noise"),
        (f"{made.shots:,}", "shots a circuit"),
        (f"{made.costs[-1 if made.mode == 'surrogate' else 0].circuits:,}", "circuits"),
    ]
    heading = f"<h1>{escape(made.adapter)} on {escape(made.chip)}, forecast</h1><p><code>{escape(made.run)}</code></p>"
    title = f"qft: {made.adapter} on {made.chip}"
    return page.document(title, heading, tiles, parts, "Nothing was sent. This page loads nothing.")


def _markdown(made: Forecast, drawn: list[tuple[Section, Figure | None]]) -> str:
    when = time.strftime("%Y-%m-%d")
    lines = [f"# {md(made.adapter)} on {md(made.chip)}, forecast", ""]
    lines += [f"Of `{visible(made.run).replace('`', '')}`, by qft {__version__} on {when}. Nothing was sent.", ""]
    for part, figure in drawn:
        lines += [f"## {md(part.title)}", ""]
        for k, panel in enumerate(figure.panels if figure else []):
            name = f"{panel.row}{k + 1 if figure and len(figure.panels) > 1 else ''}.svg"
            lines += [f"![{md(panel.title)}]({name})", ""]
        if figure and figure.legend:
            lines += ["Colours: " + ", ".join(f"{COLOURS[k]}: {md(of)}" for k, of in figure.legend) + ".", ""]
        lines += [line for line in markdown.section(part)]
    return "\n".join(lines).rstrip() + "\n"


COLOURS = ("blue", "orange", "green")
