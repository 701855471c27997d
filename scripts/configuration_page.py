"""docs/configuration.md: every key of every yaml in configs/, with its default and its comment."""

import re
from pathlib import Path

CONFIGS = Path(__file__).parent.parent / "configs"
INTERNAL = ("_target_", "card", "config", "defaults", "hydra", "knob", "lr_scale", "published", "service", "supports")
_KEY = re.compile(r"^( *)\"?(\w+)\"?:(?: +(?!#)(.*?))?(?: *# (.*))?$")
INTRODUCTION = """\
# Configuration

<!-- Written by scripts/build_docs.py from configs/; change the yamls and run it again. -->

Every key that a command takes, with its default and what it does. Any of them can be given on the command line as
`key=value`, those of a group as `group.key=value`: `qft train n=600 trainer.lr=0.001 adapter=lora adapter.r=8`.
`qft train adapter=lora --help` prints the same for the choices of one command line, and `--cfg job` the configuration
that would run.

A file of the same name in `./configs` wins over the packaged one; a new file there is a new choice.
`null` means that no value was given. `${...}` takes the value of another key.

The rows of a sweep are described in [sweeps.md](sweeps.md).
"""
GROUPS = {
    "adapter": "Which method is trained. See [All methods](adapters.md).",
    "backend": "Where the circuit is evaluated. See [Choose where the circuit runs](circuits.md).",
    "backend/noise": "The numbers of a noisy chip, for `backend=noisy`.",
    "data": "What is trained on. See [Your own data](add-a-dataset.md).",
    "evaluation": "How answers are written and scored. See [Evaluate and score](evaluate.md).",
    "metric": "Options of the metrics. `evaluation.metrics` says which are computed. See [Metrics](metrics.md).",
    "model": "The base model. See [Your own model](your-model.md).",
    "trainer": "How it is trained. See [Train a model](train.md).",
}


def keys(text: str) -> list[tuple[str, str, str]]:
    """The options of a yaml text: dotted key, default, comment. What is not the user's to set is left out.

    A mapping without a comment of its own is represented by the keys in it.
    """
    options: list[tuple[str, str, str]] = []
    path: list[tuple[int, str]] = []
    for line in text.splitlines():
        match = _KEY.match(line)
        if match is None:
            continue
        indent, key, default, comment = len(match[1]), match[2], (match[3] or "").strip(), match[4] or ""
        path = [(depth, name) for depth, name in path if depth < indent] + [(indent, key)]
        if path[0][1] not in INTERNAL and (default or comment):
            options.append((".".join(name for _, name in path), default, comment))
    return options


def table(file: Path, prefix: str) -> list[str]:
    """The options of a file as a table, each with the name it has on the command line."""
    options = keys(file.read_text(encoding="utf-8"))
    if not options:
        return ["No options.", ""]
    rows = [f"| `{prefix}{key}` | {code(default)} | {escaped(comment)} |" for key, default, comment in options]
    return ["| Key | Default | Meaning |", "|---|---|---|", *rows, ""]


def code(text: str) -> str:
    """A default as code; nothing where the key holds a mapping."""
    return f"`{text}`".replace("|", "\\|") if text else ""


def escaped(text: str) -> str:
    """A comment as text of a table."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("$", "\\$").replace("*", "\\*").replace("_", "\\_")


def heading(file: Path) -> str:
    """The comment that a file opens with, without the name of a command."""
    text = re.sub(r"^# (qft \w+( [A-Z]+)?: )?", "", file.read_text(encoding="utf-8").splitlines()[0])
    return escaped(text[0].upper() + text[1:])


def page() -> str:
    """The whole page."""
    lines = [INTRODUCTION, "## Commands", ""]
    for file in sorted(CONFIGS.glob("*.yaml")):
        lines += [f"### qft {file.stem}", "", heading(file), "", *table(file, "")]
    for group, sentence in GROUPS.items():
        lines += [f"## {group.replace('/', '.')}", "", sentence, ""]
        for file in sorted((CONFIGS / group).glob("*.yaml")):
            prefix = f"{group.replace('/', '.')}." + (f"{file.stem}." if group == "metric" else "")
            lines += [f"### {group.replace('/', '.')}={file.stem}", "", heading(file), "", *table(file, prefix)]
    return "\n".join(lines).rstrip() + "\n"
