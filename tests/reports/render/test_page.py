"""The page as a reader meets it: opened in a real browser, light and dark, on a desktop and on a phone."""

import io
import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic
from PIL import Image

from qft import records
from qft.reports import report
from qft.reports.analysis import facts
from qft.reports.render import page, write

pytestmark = pytest.mark.xdist_group("page")  # one browser and one sweep for all of them
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep with everything in it: several seeds, a missing and failed runs, controls, noise."""
    path = tmp_path_factory.mktemp("page") / "sweep é"
    missing, failed = ["quanta-cpsycoun-n300-seed1"], ["qwthn-demo-n600"]
    synthetic.table1(path, missing=missing, failed=failed)
    for cell in (path / "cells").iterdir():
        if (cell / "scores.jsonl").is_file():
            answers = [
                records.Prediction(
                    id=f"s{k}", turn=0, prompt=f"<|im_start|>user\nq{k}", reference="<b>r</b>", tokens=1, finished=True,
                    prediction=f"{cell.name} <script>alert(1)</script>", seconds=0.1,
                )
                for k in range(synthetic.SAMPLES)
            ]  # fmt: skip
            records.write_lines(cell / "predictions.jsonl", answers)
    write.everything(report.make(path))
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:  # in CI, where .ci/run installs one, this skip fails the run
        pytest.skip("no browser to open the page in: install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=program, args=["--no-sandbox"])  # CI runs as root
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Any, folder: Path) -> Iterator[Any]:
    """visit(width, dark) -> the page, opened; afterwards nothing may have been fetched, logged or asked."""
    noise: list[str] = []
    contexts = []

    def opened(width: int = 1280, dark: bool = False) -> Any:
        scheme = "dark" if dark else "light"
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        tab = context.new_page()
        address, runs = (folder / "report.html").as_uri(), (folder / "cells").as_uri()
        tab.on("console", lambda message: noise.append(f"console: {message.text}"))
        tab.on("pageerror", lambda error: noise.append(f"error: {error}"))
        tab.on("dialog", lambda dialog: noise.append(f"dialog: {dialog.message}"))
        tab.on("request", lambda r: noise.append(f"request: {r.url}") if not r.url.startswith((address, runs)) else 0)
        tab.goto(address)
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert [line for line in noise if not line.startswith("request: data:")] == []


@pytest.mark.extended
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 400, 768, 1400])
def test_light_and_dark_are_both_readable(visit, width: int, dark: bool) -> None:
    tab = visit(width=width, dark=dark)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    pixels = np.asarray(Image.open(io.BytesIO(tab.screenshot())).convert("L"), dtype=np.float64)
    paper = np.median(pixels)
    assert paper < 40 if dark else paper > 240
    assert np.mean(np.abs(pixels - paper) > 120) > 0.005, "there is text to be seen"
    for panel in tab.query_selector_all(".panel svg")[:2]:
        panel.scroll_into_view_if_needed()
        shot = np.asarray(Image.open(io.BytesIO(panel.screenshot())).convert("RGB"), dtype=np.float64)
        strong = np.abs(shot - np.median(shot, axis=(0, 1))).max(axis=2) > 80
        assert strong.mean() > 0.01, "curves and letters stand out from the paper"


def test_a_phone_scrolls_tables_not_the_page(visit) -> None:
    tab = visit(width=360)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    assert tab.evaluate("[...document.querySelectorAll('.scroll')].some(e => e.scrollWidth > e.clientWidth)")
    widths = tab.evaluate("[...document.querySelectorAll('.panel svg')].map(e => e.getBoundingClientRect().width)")
    assert len(widths) == 8 and min(widths) > 250, "pictures fill the width instead of shrinking beside each other"


def test_a_click_sorts_and_a_second_turns_round(visit) -> None:
    tab = visit()
    column = "#losses-cpsycoun .sortable th:nth-child(6)"
    values = "[...document.querySelectorAll('#losses-cpsycoun tbody tr')].map(r => r.cells[5].dataset.v ?? null)"
    tab.click(f"{column} button")
    up = tab.evaluate(values)
    assert up[-1] is None and [float(x) for x in up[:-1]] == sorted(float(x) for x in up[:-1])
    assert tab.get_attribute(column, "aria-sort") == "ascending"
    tab.click(f"{column} button")
    down = tab.evaluate(values)
    assert down[-1] is None and down[:-1] == up[:-1][::-1] and len(set(down)) > 2
    tab.click("#losses-cpsycoun .sortable th:first-child button")
    names = tab.evaluate("[...document.querySelectorAll('#losses-cpsycoun tbody th')].map(e => e.textContent)")
    assert names == sorted(names, key=str.casefold)


def test_every_number_leads_to_its_run(visit, folder: Path) -> None:
    tab = visit()
    links = tab.evaluate("[...document.querySelectorAll('td a, tbody th a')].map(a => a.getAttribute('href'))")
    assert all((folder / link).is_file() for link in links)
    trained = {f"cells/{p.parent.name}/record.json" for p in folder.glob("cells/final-*/record.json")}
    assert trained and trained <= set(links)
    empty = "[...document.querySelectorAll('td.measured')].filter(e => !e.querySelector('a')).length"
    assert tab.evaluate(empty) == 0
    with tab.expect_navigation():
        tab.click("#losses-demo td.measured small a")
    assert tab.url.endswith("record.json") and '"schema"' in tab.content()


def test_missing_and_failed_runs_are_on_the_page(visit, folder: Path) -> None:
    tab = visit()
    text = tab.inner_text("body")
    assert "2 of 3 seeds" in text and "failed" in text and "loss is not a number at step 7" in text
    assert "<script>alert(1)</script>" in text, "an error's text is shown, never run"
    tab.click("summary:has-text('attempts')")
    assert len(tab.query_selector_all("#runs tbody tr")) == len(list((folder / "cells").iterdir())) + 1


def test_the_page_holds_everything_itself(folder: Path) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert not [word for word in ("src=", "@import", "url(http", "fetch(", "<iframe") if word in text]
    names = [part.partition('"')[0] for part in text.split(' id="')[1:]]
    assert len(names) == len(set(names)), "no two elements share a name"
    assert "no 7B model" in text


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (partial(synthetic.ablation, seeds=1), {"curves": 1, "parameters": 1, "ablation": 4}),  # by score and by loss
        (partial(synthetic.noise, seeds=1), {"noise": 4}),
        (synthetic.survey, {"curves": 1, "parameters": 1}),
    ],
)
def test_other_sweeps_have_their_pictures(make, expected: dict[str, int], tmp_path: Path) -> None:
    made = report.make(make(tmp_path))
    assert {f.name: len(f.panels) for f in made.figures()} == expected
    text = page.page(made)
    assert text.count("<svg") >= sum(expected.values()) and not re.search(
        r"\b(nan|inf)\b", text.partition("<script>")[0], re.I
    )


def test_a_sweep_of_which_nothing_is_done_still_has_a_page(tmp_path: Path) -> None:
    made = report.make(synthetic.table1(tmp_path, sizes=(300,), seeds=1, missing=["-"]))
    text = page.page(made)
    assert facts.counts(made.analysis.sweep) == {"done": 0, "missing": 12} and made.figures() == []
    assert "12 missing" in text and ">missing<" in text


@pytest.mark.extended
def test_long_tables_are_searched_and_answers_chosen(visit, folder: Path) -> None:
    tab = visit(width=1400)
    box = tab.locator(".search input").first
    table = tab.locator("figure.table:has(.search) table").first
    before = table.locator("tbody tr:visible").count()
    box.fill("quanta 600")
    rows = table.locator("tbody tr:visible").all_inner_texts()
    assert 0 < len(rows) < before and all("QuanTA" in row and "600" in row for row in rows)
    box.fill("")
    assert table.locator("tbody tr:visible").count() == before
    block = tab.locator(".answers").first
    shown = block.locator(".sample").first.locator(".card:visible h4").all_inner_texts()
    assert len(shown) == 2 and shown[0].startswith("LoRA r=4")
    block.locator("select").nth(1).select_option("QWTHN")
    shown = block.locator(".sample").first.locator(".card:visible h4").all_inner_texts()
    assert sorted(words.split(" ROUGE")[0] for words in shown) == ["LoRA r=4", "QWTHN"]
    for link in tab.locator("a.csv").all():
        assert (folder / (link.get_attribute("href") or "")).is_file()
    tab.emulate_media(media="print")
    assert not tab.locator("nav").is_visible() and not box.is_visible()
