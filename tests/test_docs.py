"""The pages: those that are generated are current, their commands can be composed, their links lead somewhere."""

import re
import shlex
from pathlib import Path

import build_docs
import pytest
from program import qft_here

from qft.cli.main import load_command
from qft.compose.typed import compose
from qft.errors import QftError

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.M | re.S)
INLINE = re.compile(r"(?<!`)`(qft [^`]+)`(?!`)")
YAML = re.compile(r"^`(?:\./)?(configs/[\w/]+\.yaml)`:\n\n```yaml\n(.*?)^```$", re.M | re.S)
EXAMPLES = {"adapter": "qwthn", "model": "demo", "data": "demo", "backend": "noisy"}
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


@pytest.mark.parametrize("name", sorted(build_docs.PAGES))
def test_generated_pages_are_current(name: str) -> None:
    written = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert written == build_docs.PAGES[name](), "run: python scripts/build_docs.py"


def commands() -> list[str]:
    """Every `qft ...` of the pages once, without comments; those that leave something out (...) are no commands."""
    lines = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for language, block in BLOCK.findall(text):
            if language in ("", "sh", "bash"):
                lines += block.replace("\\\n", " ").splitlines()
        lines += INLINE.findall(BLOCK.sub("", text).replace("\n", " "))
    stripped = {re.sub(r"\s+#.*$", "", line.strip().removeprefix("$ ")) for line in lines}
    return sorted(line for line in stripped if re.match(r"qft [a-z]+ \S|qft --", line) and "..." not in line)


def concrete(command: str) -> list[str]:
    """The words of a command with something in the place of every NAME; of several values the first."""
    words = []
    for word in shlex.split(command)[1:]:
        key, equals, value = word.partition("=")
        if "NAME" in value:
            value = value.replace("NAME", EXAMPLES.get(key, "x"))
        if key in ("job", "samples", "budget") and value == "N":
            value = "1"
        if not value.startswith(("[", "{")):
            value = value.partition(",")[0]
        if word != "-m" and not (equals and not value):
            words.append(key + equals + value)
    return words


@pytest.fixture(scope="module")
def pages_own_choices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the yamls that the pages tell their readers to write."""
    folder = tmp_path_factory.mktemp("reader")
    for page in PAGES:
        for name, text in YAML.findall(page.read_text(encoding="utf-8")):
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("command", commands())
def test_every_command_can_be_composed(command: str, pages_own_choices: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(pages_own_choices)
    name, *words = concrete(command)
    if {"--help", "--version"} & {name, *words} or name == "help":
        assert qft_here(name, *words) == 0, capsys.readouterr().err
    else:
        composed(name, words)


def composed(name: str, words: list[str]) -> None:
    """What the program does before it runs a command; raises QftError as it does."""
    command = load_command(name)
    compose(name, command.config, command.arguments([w for w in words if w not in ("--cfg", "job")]))


def test_a_wrong_command_would_be_noticed() -> None:
    with pytest.raises(QftError, match=r"adapter\.rank"):
        composed("train", ["adapter=lora", "adapter.rank=4"])


def anchors(page: Path) -> set[str]:
    """The ids of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", page.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in (a or b for a, b in LINK.findall(BLOCK.sub("", page.read_text(encoding="utf-8")))):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{page.name}: {link}"
