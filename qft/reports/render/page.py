"""The report as one HTML page: styles, script and pictures inside, nothing fetched, light and dark."""

import time
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from qft.names import slug
from qft.reports.analysis import facts
from qft.reports.document import Figure, Panel, Report, Section, Table
from qft.reports.render import answers, svg
from qft.reports.render.table import csv_text, escape, html_text
from qft.reports.sweep import Sweep, ordered
from qft.version import __version__


def page(report: Report) -> str:
    """The whole document. Its links are relative to the sweep's directory, where it belongs."""
    sweep = report.analysis.sweep
    return document(
        f"qft: {sweep.name}, scale {sweep.scale}",
        f"<h1>Sweep <code>{escape(sweep.name)}</code>, scale {escape(sweep.scale)}</h1>",
        _tiles(sweep),
        report.sections,
        "This page loads nothing; its links lead to the runs and tables in this directory.",
        beside=True,
    )


def comparison(sweep: Sweep, sections: Sequence[Section]) -> str:
    """The document of runs held against each other, which belongs to no directory."""
    rows = ordered(c.row for c in sweep.cells)
    bases = [(name, f"base, {size:,} parameters") for name, size in facts.bases(sweep)]
    heading = " against ".join(f"<code>{escape(row)}</code>" for row in reversed(rows[:2]))
    heading += f" and {len(rows) - 2} more" if len(rows) > 2 else ""
    tiles = [(str(len(sweep.cells)), "runs"), *bases]
    footnote = "This page loads nothing; its tables are in it as CSV."
    return document("qft: comparison", f"<h1>{heading}</h1>", tiles, sections, footnote)


def document(
    title: str,
    heading: str,
    tiles: Sequence[tuple[str, str]],
    sections: Sequence[Section],
    footnote: str,
    beside: bool = False,
) -> str:
    """Sections as one page.

    Args:
        title: Of the browser's window.
        heading: HTML, an h1.
        tiles: Numbers at the top, (number, what it is).
        sections: In order; those of one title share a heading.
        footnote: The last sentence.
        beside: Whether the tables lie beside the page as tables/NAME.csv; else their CSV is in it.
    """
    folder = Path(__file__)
    style, script = (folder.with_name(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    taken = [section.table.name for section in sections if section.table is not None]
    links, bodies = "", ""
    for words, group in groupby(sections, key=lambda section: section.title):
        if body := "".join(_section(section, beside) for section in group):
            name = slug(words.casefold(), taken)
            taken.append(name)
            links += f'<a href="#{name}">{escape(words)}</a>'
            bodies += f'<section aria-labelledby="{name}"><h2 id="{name}">{escape(words)}</h2>{body}</section>'
    items = "".join(f"<li><b>{escape(value)}</b><span>{escape(words)}</span></li>" for value, words in tiles)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body>"
        f'<header>{heading}<ul class="tiles">{items}</ul><nav aria-label="Sections">{links}</nav></header>'
        f"<main>{bodies}</main><footer>qft {__version__}, {time.strftime('%Y-%m-%d')}. {escape(footnote)}</footer>"
        f"<script>{script}</script></body></html>\n"
    )


def _section(section: Section, beside: bool) -> str:
    """Lead, notes, then the figure or the table in short, then the whole table, then answers; empty if nothing is."""
    out = f'<div class="answer"><p>{escape(section.lead)}</p></div>' if section.lead else ""
    out += f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in section.notes)}</ul>" if section.notes else ""
    if section.figure is not None:
        out += _figure(section.figure())
    elif section.short is not None:
        out += html_text(section.short, _csv(section.table or section.short, beside))
    if section.table is not None:
        whole = html_text(section.table, _csv(section.table, beside))
        summary = f"<summary>{escape(section.folded)}</summary>"
        out += f'<details class="tall">{summary}{whole}</details>' if section.folded else whole
    return out + (answers.html_text(section.answers) if section.answers is not None else "")


def _csv(table: Table, beside: bool) -> str:
    """The address of a table as CSV: its file beside the page, or all of it."""
    if beside:
        return f"tables/{table.name}.csv"
    return f"data:text/csv;charset=utf-8,{quote(csv_text(table))}"


def _tiles(sweep: Sweep) -> list[tuple[str, str]]:
    tiles = [(str(count), state) for state, count in facts.counts(sweep).items() if count or state == "done"]
    tiles.append((str(len(sweep.cells)), "planned runs"))
    seeds = {c.seed for c in sweep.final() if c.role != "base"}
    tiles.append((str(len(seeds)), "seed" if len(seeds) == 1 else "seeds"))
    return tiles + [(name, f"base, {size:,} parameters") for name, size in facts.bases(sweep)]


def _figure(figure: Figure | None) -> str:
    if figure is None:
        return ""
    wide = " wide" if figure.wide else " large" if figure.scrolls else ""
    panels = "".join(
        f'<figure class="panel"><figcaption>{escape(p.title)}</figcaption>{_picture(p, figure.scrolls)}</figure>'
        for p in figure.panels
    )
    sizes = Counter(panel.row for panel in figure.panels)
    most = 2 if wide else _columns(list(sizes.values()))
    grids = f'<div class="panels{wide}" style="--columns: {min(most, len(figure.panels))}">{panels}</div>'
    caption = f'<p class="note">{escape(figure.caption)}</p>'
    return f"<h3>{escape(figure.title)}</h3>{_legend(figure.legend)}{grids}{caption}"


def _columns(rows: Sequence[int]) -> int:
    """How many panels stand beside each other at most, by how many each row has: few places stay empty."""
    if len(set(rows)) == 1 and rows[0] in (3, 4):
        return rows[0]
    total = sum(rows)
    return total if total <= 4 else min((4, 3), key=lambda columns: -total % columns)


def _picture(panel: Panel, scrolls: bool) -> str:
    if not scrolls:
        return panel.svg
    return f'<div class="slide" tabindex="0" role="region" aria-label="{escape(panel.title)}">{panel.svg}</div>'


def _legend(series: Sequence[tuple[int, str]]) -> str:
    items = "".join(f"<li>{_swatch(k)}{escape(words)}</li>" for k, words in series)
    return f'<ul class="legend">{items}</ul>' if items else ""


def _swatch(k: int) -> str:
    """A piece of the line that a series is drawn with."""
    return (
        f'<svg viewBox="0 0 44 16" aria-hidden="true"><line x1="0" x2="44" y1="8" y2="8" stroke-width="3" '
        f'stroke="var(--c{k % svg.SERIES})" stroke-dasharray="{svg.dash_array(k)}"/></svg>'
    )
