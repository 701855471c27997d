"""The report as one HTML page: styles, script and pictures inside, nothing fetched, light and dark."""

import html
import time
from pathlib import Path

from qft import __version__
from qft.reports.analysis import contribution
from qft.reports.read import ordered
from qft.reports.render import svg
from qft.reports.render.figures import Figure
from qft.reports.render.table import Table, html_text
from qft.reports.report import Report, has_noise


def page(report: Report) -> str:
    """The whole document. Its links are relative to the sweep's directory, where it belongs."""
    here = Path(__file__)
    style, script = (here.with_name(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    drawn = {f.name: f for f in report.figures()}
    sections = [(name, title, body) for name, title, body in _sections(report, drawn) if body]
    title = f"{report.sweep.name}, scale {report.sweep.scale}"
    links = "".join(f'<a href="#{name}">{html.escape(heading)}</a>' for name, heading, _ in sections)
    bodies = "".join(
        f'<section aria-labelledby="{name}"><h2 id="{name}">{html.escape(heading)}</h2>{body}</section>'
        for name, heading, body in sections
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>qft: {html.escape(title)}</title><style>{style}</style></head><body>"
        f"<header><h1>Sweep <code>{html.escape(report.sweep.name)}</code>, scale {html.escape(report.sweep.scale)}</h1>"
        f'{_tiles(report)}<nav aria-label="Sections">{links}</nav></header><main>{bodies}</main>'
        f"<footer>qft {__version__}, {time.strftime('%Y-%m-%d')}. This page loads nothing; its links lead to the runs "
        f"in this directory.</footer><script>{script}</script></body></html>\n"
    )


def _sections(report: Report, drawn: dict[str, Figure]) -> list[tuple[str, str, str]]:
    """(name, heading, HTML); an empty one is left out."""
    noisy = has_noise(report)
    paper = "".join(map(html_text, report.paper))
    loss = _picture(drawn.get("curves")) + _table(report.reduction) + _picture(drawn.get("parameters"))
    changed = _picture(drawn.get("ablation")) + _details(report.controls_table)
    return [
        ("short", "In short", _short(report)),
        ("tables", "The papers' tables", paper),
        ("comparison", "Against LoRA", _against(report)),
        ("circuit", "What does the circuit contribute?", _circuit(report) + changed),
        ("noise", "Noise and shots", _picture(drawn.get("noise")) if noisy else ""),
        ("variants", "Controls and noise in numbers", _table(report.variants)),
        ("training", "Training", loss),
        ("rates", "Learning rates", _table(report.choices)),
        ("cost-of", "Time and memory", _table(report.cost)),
        ("all-runs", "All runs", _runs(report)),
    ]


def _tiles(report: Report) -> str:
    tiles = [(str(count), state) for state, count in report.counts.items() if count or state == "done"]
    tiles.append((str(len(report.sweep.cells)), "planned runs"))
    seeds = {c.seed for c in report.sweep.final() if c.role != "base"}
    tiles.append((str(len(seeds)), "seed" if len(seeds) == 1 else "seeds"))
    tiles += [(name, f"base, {size:,} parameters") for name, size in report.models]
    items = (f"<li><b>{html.escape(value)}</b><span>{html.escape(words)}</span></li>" for value, words in tiles)
    return f'<ul class="tiles">{"".join(items)}</ul>'


def _short(report: Report) -> str:
    return f"<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in report.short)}</ul>"


def _circuit(report: Report) -> str:
    out = f'<div class="answer"><p>{html.escape(contribution.headline(report.answers))}</p></div>'
    if len(report.answers) > 1:
        out += f"<ul>{''.join(f'<li>{html.escape(a.sentence)}</li>' for a in report.answers)}</ul>"
    return out


def _against(report: Report) -> str:
    """The claims and the measures that sentences are about in sight, every comparison folded away."""
    shown = "".join(map(_table, (report.claims_table, report.lora_short)))
    return shown + _details(report.matched_table) + _details(report.lora_table)


def _runs(report: Report) -> str:
    bad = [c for c in report.sweep.cells if c.error]
    lines = "".join(f"<li><code>{html.escape(c.name)}</code>: {html.escape(str(c.error))}</li>" for c in bad)
    failures = f"<h3>Failures</h3><ul>{lines}</ul>" if bad else ""
    words = f"All {len(report.runs.rows)} attempts"
    return f'{failures}<details class="tall"><summary>{words}</summary>{html_text(report.runs)}</details>'


def _table(table: Table | None) -> str:
    return html_text(table) if table else ""


def _details(table: Table | None) -> str:
    """A long table, closed; its verdicts counted beside it."""
    if table is None:
        return ""
    place = table.columns.index("verdict")
    verdicts = [row[place].text for row in table.rows]
    counted = ", ".join(f"{verdicts.count(v)} {v}" for v in ("better", "worse", "undecided"))
    words = html.escape(f"{table.title}: {len(verdicts)} comparisons ({counted})")
    return f'<details class="tall"><summary>{words}</summary>{html_text(table)}</details>'


def _picture(figure: Figure | None) -> str:
    if figure is None:
        return ""
    legend = "".join(f"<li>{_swatch(k)}{html.escape(words)}</li>" for k, words in figure.legend)
    wide = " wide" if figure.name == "ablation" else ""
    grids = ""
    for row in ordered(p.row for p in figure.panels):
        grids += f'<div class="panels{wide}">'
        for p in figure.panels:
            if p.row == row:
                grids += f'<figure class="panel"><figcaption>{html.escape(p.title)}</figcaption>{p.svg}</figure>'
        grids += "</div>"
    return (
        f"<h3>{html.escape(figure.title)}</h3>"
        + (f'<ul class="legend">{legend}</ul>' if legend else "")
        + f'{grids}<p class="note">{html.escape(figure.caption)}</p>'
    )


def _swatch(k: int) -> str:
    """A piece of the line and the marker a series is drawn with."""
    return (
        f'<svg viewBox="0 0 44 16" aria-hidden="true"><line x1="0" x2="44" y1="8" y2="8" stroke-width="3" '
        f'stroke="var(--c{k % svg.SERIES})" stroke-dasharray="{svg.dash_array(k)}"/></svg>'
    )
