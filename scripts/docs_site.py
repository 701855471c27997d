"""What MkDocs does not do by itself when it builds the site: API pages, pages from the root folder, equations.

Named in mkdocs.yml as a hook. Equations (``$...$``) become MathML here, which browsers draw themselves, so that the
site needs no script and no font from elsewhere.
"""

import html
import logging
import re
from pathlib import Path

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Page

ROOT = Path(__file__).parent.parent
FACE = "qft"  # the modules beside the rooms
ROOMS = (
    "runs",
    "records",
    "adapters",
    "quantum",
    "tensor",
    "models",
    "data",
    "training",
    "evaluation",
    "sweeps",
    "reports",
)
COPIED = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
EQUATION = re.compile(r'<(span|div) class="arithmatex">(.*?)</\1>', re.S)
log = logging.getLogger("mkdocs.hooks.docs_site")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the API pages into the navigation."""
    (section,) = [entry for entry in config.nav or [] if "Python API" in entry]
    section["Python API"] = [{"qft": f"api/{FACE}.md"}] + [{f"qft.{room}": f"api/{room}.md"} for room in ROOMS]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    for page, source in COPIED.items():
        text = (ROOT / source).read_text(encoding="utf-8").replace("](docs/", "](")
        for other, linked in COPIED.items():
            text = text.replace(f"]({linked})", f"]({other})")
        files.append(File.generated(config, page, content=text))
    files.append(File.generated(config, f"api/{FACE}.md", content=face()))
    for room in ROOMS:
        files.append(File.generated(config, f"api/{room}.md", content=api(room)))
    return files


def face() -> str:
    """The page of what `import qft` offers and of the modules that belong to no room."""
    modules = sorted(f"qft.{p.stem}" for p in (ROOT / "qft").glob("*.py") if not p.stem.startswith("_"))
    return "\n".join(["# qft", "", "::: qft", "", *(section(name) for name in modules)])


def api(room: str) -> str:
    """The page of a room: its own words, then every public module in it."""
    folder = ROOT / "qft" / room
    names = ["qft." + ".".join((room, *p.relative_to(folder).with_suffix("").parts)) for p in folder.rglob("*.py")]
    public = sorted(n.removesuffix(".__init__") for n in names if "._" not in n.replace(".__init__", ""))
    return "\n".join([f"# qft.{room}", "", *(section(name) for name in public)])


def section(module: str) -> str:
    """A module, under a heading of its own."""
    return f"## {module}\n\n::: {module}\n"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Link the modules that the page of further methods names to their place in the API."""
    if page.file.src_uri != "methods/more.md":
        return markdown
    return re.sub(r"`qft/adapters/(\w+)\.py`", r"[`qft.adapters.\1`](../api/adapters.md#qftadapters\1)", markdown)


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the equations of a page into MathML."""
    return EQUATION.sub(lambda match: mathml(match[1], match[2], page), content)


def mathml(tag: str, tex: str, page: Page) -> str:
    """One equation; a warning, which `make docs` takes for an error, where it cannot be read."""
    tex = html.unescape(tex).strip()[2:-2].strip()  # without \( \) or \[ \]
    tex = tex.replace("{aligned}", "{split}")  # the name that the converter knows
    try:
        return convert(tex, display="block" if tag == "div" else "inline")
    except Exception as error:
        log.warning("%s: the equation %r cannot be read: %s", page.file.src_uri, tex, error)
        return tex
