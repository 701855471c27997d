"""A stranger adds one of everything from the pages alone, to an installed wheel, and sees it in a report.

Files that a page names below ``qft/`` go into the installed package, all others into the stranger's directory.
"""

import re
from pathlib import Path

import pytest
import wheels

DOCS = wheels.ROOT / "docs"
FILE = re.compile(r"^`([\w/.]+)`[^\n]*:\n\n```\w+\n(.*?)^```$", re.M | re.S)
PAGES = ("add-an-adapter.md", "add-a-dataset.md", "add-a-backend.md", "add-a-metric.md")
SWEEP = """\
# One row for everything that was added.
rows:
  lora: {label: LoRA r=4, adapter: lora}
  own_vera: {label: VeRA, adapter: own_vera}
  waist: {label: Waist, adapter: waist, evaluate: {dense: {set: [backend=dense], variant: {backend: dense}}}}
  waist_r2: {of: waist, set: [adapter.r=2]}
scales:
  smoke:
    data: {hints: [model=demo]}
    n: [20]
    seeds: [0]
    search: {n: 20, lr: [1.0e-2]}
    set:
      - trainer.max_steps=2
      - trainer.batch_size=4
      - evaluation.limit=2
      - evaluation.max_new_tokens=8
      - evaluation.metrics=[rouge,cer]
"""

pytestmark = [pytest.mark.extended, pytest.mark.xdist_group("wheel")]


def example(page: str) -> dict[str, str]:
    """The files that a page tells its reader to write: name -> text."""
    return dict(FILE.findall((DOCS / page).read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> wheels.Installed:
    """An installed wheel with the files of all pages in it."""
    installed = wheels.install(wheels.build(tmp_path_factory.mktemp("wheel")), tmp_path_factory.mktemp("stranger"))
    for page in PAGES:
        for name, text in example(page).items():
            file = installed.package.parent / name if name.startswith("qft/") else installed.place / name
            assert not file.exists(), f"{name} is there already: {page} needs another example"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    rows = installed.run(
        "-c", "from qft.data.datasets.hints import EXAMPLE; print(EXAMPLE['hints.csv'], end='')"
    ).stdout
    (installed.place / "hints.csv").write_text(rows, encoding="utf-8")  # what the page's commands read
    return installed


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_the_page_work(stranger: wheels.Installed, page: str) -> None:
    commands = wheels.commands(DOCS / page)
    assert commands, f"{page} shows nothing to run"
    for words in commands:
        stranger.qft(*words)


def test_everything_is_visible_in_the_report(stranger: wheels.Installed) -> None:
    sweep = stranger.place / "configs" / "sweep" / "mine.yaml"
    sweep.parent.mkdir(parents=True, exist_ok=True)
    sweep.write_text(SWEEP, encoding="utf-8")
    stranger.qft("sweep", "mine", "scale=smoke", "paths.hints=hints.csv")
    folder = Path("outputs/sweeps/mine-smoke")
    stranger.qft("report", str(folder))
    page = (stranger.place / folder / "report.html").read_text(encoding="utf-8")
    for added in ("VeRA", "Waist", "r=2", "hints", "dense", "Character error rate"):
        assert added in page, added
