"""The page of the methods that have none of their own: an equation and a paragraph each, from what they state.

Of ours the paragraph is the first that follows the equation at the head of the module; of a library's it is the comment
that its yaml begins with, and its card.
"""

import importlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from qft.adapters import methods

ROOT = Path(__file__).parent.parent
PAGE = "methods/more.md"
INTRODUCTION = """\
# More methods

<!-- Written by scripts/build_docs.py from the adapters' modules and yamls; change those. -->

One equation and one paragraph each; the head of the module named beside a method says what was published, what is
inferred, and what is wrong in the authors' code. W is the layer's weight, c its bias, and s = alpha / r.
[All methods](../adapters.md) compares them in one table.
"""


def page(specs: Iterable[dict[str, Any]]) -> str:
    """The whole page, for the methods whose yamls these are, but for those that another page is about."""
    written = "".join(p.read_text("utf-8") for p in (ROOT / "docs" / "methods").glob("*.md") if p.name != "more.md")
    return "\n".join([INTRODUCTION, *(section(spec) for spec in specs if f"adapter={spec['name']}`" not in written)])


def section(spec: dict[str, Any]) -> str:
    """A heading, the equation, the paragraph and where the rest stands."""
    card, name = methods.of(spec).describe(), spec["name"]
    module = str(spec["_target_"]).rpartition(".")[0]
    if module.startswith("qft."):
        title, text = head(importlib.import_module(module).__doc__ or "")
        rest = f"`adapter={name}`, `{module.replace('.', '/')}.py`."
    else:
        yaml = (ROOT / "configs" / "adapter" / f"{name}.yaml").read_text(encoding="utf-8")
        title, text = yaml.partition("\n")[0].removeprefix("# "), f"Trained: {card.parameters}. Start: {card.start}."
        rest = f"`adapter={name}`, {card.source}."
    return "\n\n".join([f"## {name}", plain(title), f"$$\n{card.equation}\n$$", plain(text), rest]) + "\n"


def head(docstring: str) -> tuple[str, str]:
    """The first line of a module's docstring, and the first paragraph after its equation.

    Raises ValueError where there is none: a module opens with a title, its equation and a paragraph.
    """
    title, *blocks = re.split(r"\n\s*\n", docstring.strip())
    return title, next(paragraphs(blocks), "") or _missing(title)


def paragraphs(blocks: list[str]) -> Iterator[str]:
    """Blocks of text that are not indented, as equations are."""
    return (block for block in blocks if not block.startswith(" "))


def plain(text: str) -> str:
    """Text that says the same in Markdown: code in single quotes; no emphasis, no tags."""
    return text.replace("``", "`").replace("*", r"\*").replace("<", "&lt;")


def _missing(title: str) -> str:
    raise ValueError(f"no paragraph follows: {title}")
