"""The forms of a table: Markdown, CSV, LaTeX (booktabs) and HTML. Texts may be a stranger's: none steers a reader."""

import csv
import html
import io

from qft.names import visible
from qft.reports.document import DASH, Entry, Table


def markdown(table: Table) -> str:
    """GitHub's tables, which know no merged cells: the group's words go before the column's."""
    lines = ["| " + " | ".join(md(h) for h in table.headings) + " |"]
    lines.append("|" + "|".join("---" if k == 0 else "---:" for k in range(len(table.columns))) + "|")
    for row in table.rows:
        texts = (f"**{md(_words(e))}**" if e.bold else md(_words(e)) for e in row)
        lines.append("| " + " | ".join(texts) + " |")
    return "\n".join([f"**{md(table.title)}**", "", *lines, *(f"\n{md(note)}" for note in table.notes)]) + "\n"


def csv_text(table: Table) -> str:
    """Plain numbers; a column with deviations is followed by its ``sd`` and ``seeds``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    spread = [any(row[k].seeds is not None for row in table.rows) for k in range(len(table.columns))]
    heads: list[str] = []
    for name, wide in zip(table.headings, spread):
        heads += [name, f"{name} sd", f"{name} seeds"] if wide else [name]
    writer.writerow(map(_not_computed, heads))
    for row in table.rows:
        out: list[object] = []
        for entry, wide in zip(row, spread):
            words = entry.value is None or entry.kind == "interval" or "/" in entry.text
            out.append(_not_computed(_words(entry)) if words else entry.value)
            out += [_blank(entry.sd), _blank(entry.seeds)] if wide else []
        writer.writerow(out)
    return text.getvalue()


def latex(table: Table) -> str:
    """A booktabs table; needs \\usepackage{booktabs}."""
    alignment = "l" + "r" * (len(table.columns) - 1)
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{_tex(table.title)}}}", rf"\label{{tab:{table.name}}}"]
    lines += [rf"\begin{{tabular}}{{{alignment}}}", r"\toprule"]
    if table.groups:
        words, rules, start = [], [], 1
        for title, span in table.groups:
            words.append(rf"\multicolumn{{{span}}}{{c}}{{{_tex(title)}}}" if title else " & ".join([""] * span))
            if title:
                rules.append(rf"\cmidrule(lr){{{start}-{start + span - 1}}}")
            start += span
        lines += [" & ".join(words) + r" \\", "".join(rules)]
    lines += [" & ".join(_tex(c) for c in table.columns) + r" \\", r"\midrule"]
    for row in table.rows:
        lines.append(" & ".join(rf"\textbf{{{_tex(_words(e))}}}" if e.bold else _tex(_words(e)) for e in row) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\smallskip\footnotesize {_tex(note)}" for note in table.notes]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def html_text(table: Table, csv: str = "") -> str:
    """A sortable table in a frame that scrolls sideways by itself; page.js does the sorting and searching.

    ``csv``: the address of the table as CSV; empty: it has none.
    """
    link = f' <a class="csv" href="{escape(csv)}" download="{table.name}.csv">CSV</a>' if csv else ""
    out = [f'<figure class="table" id="{table.name}"><figcaption>{escape(table.title)}{link}</figcaption>']
    out.append('<div class="scroll" tabindex="0" role="region" aria-label="' + escape(table.title) + '"><table>')
    out.append("<thead>")
    if table.groups:
        tops = (f'<th colspan="{span}" scope="colgroup">{escape(t)}</th>' for t, span in table.groups)
        out.append("<tr>" + "".join(tops) + "</tr>")
    out.append('<tr class="sortable">')
    for k, name in enumerate(table.columns):
        words = all(row[k].kind in ("text", "error", "code") and row[k].value is None for row in table.rows)
        side = ' class="text"' if words else ""
        out.append(f'<th scope="col"{side}><button type="button">{escape(name)}</button></th>')
    out.append("</tr></thead><tbody>")
    for row in table.rows:
        out.append("<tr>" + "".join(_html(e, "td" if k else "th") for k, e in enumerate(row)) + "</tr>")
    out.append("</tbody></table></div>")
    out += [f'<p class="note">{escape(note)}</p>' for note in table.notes]
    return "".join(out) + "</figure>"


def _html(entry: Entry, tag: str) -> str:
    sort = "" if entry.value is None else f' data-v="{entry.value!r}"'
    hint = f' title="{escape(entry.hint)}"' if entry.hint else ""
    text = escape(entry.text)
    if entry.bold:
        text = f"<b>{text}</b>"
    if len(entry.links) == 1 and entry.kind == "measured":
        text = f'<a href="{escape(entry.links[0][1])}">{text}</a>'
        if entry.seeds == 1:
            text += f"<small>{escape(entry.remark)}</small>"
    elif entry.links:
        seeds = (f'<a href="{escape(to)}">{escape(words)}</a>' for words, to in entry.links)
        remark = escape(f"· {entry.remark}") if entry.remark else ""
        text += f"<small>{' '.join([*seeds, remark]).strip()}</small>"
    elif entry.remark:
        text += f"<small>{escape(entry.remark)}</small>"
    scope = ' scope="row"' if tag == "th" else ""
    kind = "number" if entry.kind == "text" and (entry.value is not None or entry.text == DASH) else entry.kind
    return f'<{tag}{scope} class="{kind}"{sort}{hint}>{text}</{tag}>'


def _words(entry: Entry) -> str:
    return f"{entry.text} ({entry.remark})" if entry.remark else entry.text


def _not_computed(text: str) -> str:
    """Text that a spreadsheet shows and does not compute."""
    text = visible(text, keep="\n")
    return f"'{text}" if text[:1] in "=+-@\t\r" and text else text


def _blank(value: float | None) -> object:
    return "" if value is None else value


def escape(text: str) -> str:
    """Text of which HTML makes neither elements nor attributes."""
    return html.escape(visible(text, keep="\n"), quote=True)


def md(text: str) -> str:
    """Text of which Markdown makes neither HTML, links, pictures nor columns."""
    text = visible(text, keep="\n").replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
    return text.replace("](", "]\\(").replace("][", "]\\[").replace("`", "\\`")


def _tex(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {c: "\\" + c for c in "&%$#_{}"}
    special |= {"\n": " ", "[": "{[}", "]": "{]}"}  # a bracket after a line's end would be an option of that
    special |= {"±": r"$\pm$", "–": "--", "−": "$-$", "≥": r"$\ge$", "<": "$<$", ">": "$>$", "×": r"$\times$"}
    return "".join(special.get(c, c) for c in visible(text, keep="\n"))
