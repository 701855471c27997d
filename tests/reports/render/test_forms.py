"""A table as Markdown, CSV, LaTeX and HTML."""

import csv
import io
import re

from qft.reports import report
from qft.reports.document import Entry, Table
from qft.reports.render import table
from qft.reports.sections import published_tables


def test_markdown_csv_and_latex_hold_the_same_cells(first, compared) -> None:
    whole = report.make(first.path).tables
    assert {"losses-demo", "scores-cpsycoun-n600", "claims", "reduction", "lora", "choices", "cost", "runs"} <= {
        made.name for made in whole
    }
    for made in whole:
        assert {len(row) for row in made.rows} == {len(made.columns)}
        assert not made.groups or sum(span for _, span in made.groups) == len(made.columns)
        lines = [x for x in table.markdown(made).splitlines() if x.startswith("|")]
        assert len(lines) == len(made.rows) + 2
        assert {len(re.split(r"(?<!\\)\|", x)) for x in lines} == {len(made.columns) + 2}
        rows = list(csv.reader(io.StringIO(table.csv_text(made))))
        assert len(rows) == len(made.rows) + 1 and len({len(r) for r in rows}) == 1
        text = table.latex(made)
        body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
        assert body.count(r"\\") == len(made.rows) and r"\toprule" in text
        assert {len(re.split(r"(?<!\\)&", x)) for x in body.splitlines()[1:]} == {len(made.columns)}
    row = next(r for r in csv.DictReader(io.StringIO(table.csv_text(published_tables.loss_tables(first, compared)[1]))))
    assert float(row["Small (300): train sd"]) > 0 and row["Small (300): train seeds"] == "3"
    assert float(row["parameters"]) == 1000


def test_text_that_means_something_to_a_format_is_escaped() -> None:
    made = Table("x", "a_b & 5 %", ["A|B", "C"], [[Entry("<i>|\\$"), Entry("−1 ± 2", -1.0)]])
    assert "&lt;i>\\|" in table.markdown(made)
    assert r"\textbackslash{}\$" in table.latex(made) and r"a\_b \& 5 \%" in table.latex(made)
    assert "&lt;i&gt;" in table.html_text(made) and "<i>" not in table.html_text(made)
