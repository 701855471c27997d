"""Help texts, made from the yaml files themselves so that they cannot go stale."""

import ast
import re
import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path

from qft.compose import configs

Key = tuple[str, str, str]  # name, default, comment
NOT_SHOWN = ("_target_", "card", "config", "defaults", "hydra", "knob", "lr_scale", "published", "service", "supports")
DEFAULT_WIDTH = 20
_DEFAULT = re.compile(r"^  - (\w+): (\w+)", flags=re.M)
_KEY = re.compile(r"^( *)\"?(\w+)\"?:(?: +(?!#)(.*?))?(?: +# (.*))?$")

FLAGS = """\
  -m, --multirun      run every combination of comma-separated values, e.g. adapter=lora,qwthn seed=0,1,2
  --cfg job           print the composed configuration and stop (with --resolve: interpolations filled in)
  --info searchpath   print where configs are looked for
  --debug             show the traceback of an error (or set QFT_DEBUG=1)"""


def docstring(name: str) -> str:
    """Read the docstring of a command's file without importing it."""
    return (ast.get_docstring(_source(name)) or "").replace("``", "")


def _usage(name: str) -> str:
    """The words of its own that a command takes, as its file's USAGE says."""
    for node in _source(name).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "USAGE":
            return f"{ast.literal_eval(node.value)} "
    return ""


def _source(name: str) -> ast.Module:
    return ast.parse(Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8"))


def overview(names: list[str]) -> str:
    """Text of ``qft --help``."""
    lines = ["qft: quantum-enhanced parameter-efficient fine-tuning of language models", ""]
    lines += ["usage: qft COMMAND [group=choice] [key=value] [-m] [--cfg job] [--help]", "", "commands:"]
    for name in names:
        lines.append(f"  {name:<8} {docstring(name).splitlines()[0]}")
    lines += ["", "groups and their choices:", *_choices()]
    lines += ["", "flags:", FLAGS, "", "examples:"]
    lines += ["  qft train                                    embedded model, data and adapter"]
    lines += ["  qft train adapter=lora data=cpsycoun n=600 data.path=DIR model.path=DIR eval=true"]
    lines += ["  qft eval RUN                                 answers and scores of a finished run"]
    lines += ["  qft score RUN                                score its answers again, without a model"]
    lines += ["", "qft COMMAND --help lists the keys of a command, qft train adapter=lora --help those of a choice;"]
    lines += ["your own ./configs win over the packaged ones."]
    return "\n".join(lines)


def command(name: str, doc: str, args: Sequence[str] = ()) -> str:
    """Text of ``qft NAME ARGS --help``: what it does, its groups, its keys; of the choices made in ``args``."""
    main = configs.find(name)
    text = main.read_text(encoding="utf-8") if main else ""
    used = dict(_DEFAULT.findall(text))
    for group, choice in _chosen(args).items():
        if group in configs.groups() and group.partition("/")[0] in used:
            configs.check_choice(group, choice)
            used[group] = choice
    lines = [doc.strip(), "", f"usage: qft {name} {_usage(name)}[group=choice] [key=value]"]
    if any(group in configs.groups() for group in used):
        lines += ["", "groups (marked *: what the keys below are of):", *_choices(used)]
    keys = _keys(text)
    for group, choice in used.items():
        if group != "sweep":  # its yaml holds a plan, no keys
            keys += _keys_of(group, choice, used)
    if any(key == "metric" for key, _, _ in keys):  # chosen by evaluation.metrics, not as a group
        keys += [key for metric in configs.groups()["metric"] for key in _metric_keys(metric)]
    return "\n".join([*lines, "", "keys and their defaults:", *_table(keys), "", "flags:", FLAGS])


def _chosen(args: Sequence[str]) -> dict[str, str]:
    """Group -> choice, as the words of a command line name them; of several values the first."""
    pairs = [a.partition("=")[::2] for a in args if "=" in a]
    found = {key.replace(".", "/"): value.partition(",")[0].strip("'\"") for key, value in pairs}
    return found if "model" in found or "model/path" not in found else found | {"model": "local"}


def _keys_of(group: str, choice: str, used: dict[str, str]) -> list[Key]:
    """The keys of a choice, those of the groups within it included."""
    file = configs.find(f"{group}/{choice}")
    text = file.read_text(encoding="utf-8") if file else ""
    keys = _keys(text, group.replace("/", ".") + ".")
    for inner, default in _DEFAULT.findall(text):
        inner = f"{group}/{inner}"
        keys += _keys_of(inner, used.get(inner, default), used)
    return keys


def _metric_keys(metric: str) -> list[Key]:
    file = configs.find(f"metric/{metric}")
    return _keys(file.read_text(encoding="utf-8") if file else "", f"metric.{metric}.")


def _keys(text: str, prefix: str = "") -> list[Key]:
    """The keys of a yaml text with their defaults and comments; of nested ones those that hold a value."""
    found: list[Key] = []
    path: list[tuple[int, str]] = []
    for line in text.splitlines():
        match = _KEY.match(line)
        if match is None:
            continue
        indent, key, value, comment = len(match[1]), match[2], (match[3] or "").strip(), match[4] or ""
        path = [(depth, name) for depth, name in path if depth < indent] + [(indent, key)]
        if path[0][1] not in NOT_SHOWN and not (value == "" and comment == ""):
            found.append((prefix + ".".join(name for _, name in path), value, comment))
    return found


def _table(keys: Sequence[Key]) -> list[str]:
    """Three columns: key, default, comment; a long default is cut short, a long comment continues below."""
    if not keys:
        return ["  none"]
    first = max(len(key) for key, _, _ in keys)
    second = min(DEFAULT_WIDTH, max(len(value) for _, value, _ in keys))
    width = max(40, shutil.get_terminal_size((120, 24)).columns - first - second - 6)
    lines = []
    for key, value, comment in keys:
        shown = value if len(value) <= second else value[: second - 1] + "…"
        head, *more = textwrap.wrap(comment, width) or [""]
        lines.append(f"  {key:<{first}}  {shown:<{second}}  {head}".rstrip())
        lines += [" " * (first + second + 6) + line for line in more]
    return lines


def _choices(used: dict[str, str] | None = None) -> list[str]:
    lines = []
    for group, choices in configs.groups().items():
        if used is not None and group.partition("/")[0] not in used:
            continue
        marked = [c + "*" if used and used.get(group) == c else c for c in choices]
        head = f"  {group.replace('/', '.'):<13} "
        lines.append(textwrap.fill(", ".join(marked), 120, initial_indent=head, subsequent_indent=" " * len(head)))
    return lines
