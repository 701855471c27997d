"""Writes a report's files: DIR/report.html and DIR/tables/NAME.{md,csv,tex}, each whole or not at all."""

from pathlib import Path

from qft.errors import QftError
from qft.process.files import write_text
from qft.reports.document import Report
from qft.reports.render import page, table

FORMS = {"md": table.markdown, "csv": table.csv_text, "tex": table.latex}


def everything(report: Report) -> list[Path]:
    """All files of one report; tables of an earlier one that no longer exist are removed."""
    sweep = report.analysis.sweep
    folder = sweep.path / "tables"
    if folder.is_symlink():
        raise QftError(f"{folder} is a link: what a report writes must lie in the sweep's directory.")
    written = [sweep.path / "report.html"]
    text(written[0], page.page(report))
    for each in report.tables:
        for suffix, form in FORMS.items():
            written.append(folder / f"{each.name}.{suffix}")
            text(written[-1], form(each))
    for old in set(folder.iterdir()) - set(written):
        forms = [old.with_suffix(f".{suffix}") for suffix in FORMS]
        if old.suffix[1:] in FORMS and all(path.is_file() for path in forms):  # a note of the user's has one form
            for path in forms:
                path.unlink()
    return written


def text(path: Path, content: str) -> None:
    """One file, its directory made first."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise QftError(f"{path.parent} cannot be created: {error.strerror}.") from error
    write_text(path, content)
