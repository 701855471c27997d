"""Help texts, made from the yaml files themselves so that they cannot go stale."""

import ast
import re
from pathlib import Path

from qft.cli import _configs

FLAGS = """\
  -m, --multirun      run every combination of comma-separated values, e.g. adapter=lora,qwthn seed=0,1,2
  --cfg job           print the composed configuration and stop (with --resolve: interpolations filled in)
  --info searchpath   print where configs are looked for
  --debug             show the traceback of an error (or set QFT_DEBUG=1)"""


def docstring(name: str) -> str:
    """What a command's file says of it, read without importing what the command needs."""
    source = Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(source)) or ""


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
    lines += ["  qft eval run=outputs/RUN                     answers and scores of a finished run"]
    lines += ["  qft score run=outputs/RUN                    its scores once more, without a model"]
    lines += ["", "qft COMMAND --help lists the keys of a command; your own ./configs win over the packaged ones."]
    return "\n".join(lines)


def command(name: str, doc: str) -> str:
    """Text of ``qft NAME --help``: what it does, its groups, its keys with their comments."""
    main = _configs.find(name)
    text = main.read_text(encoding="utf-8") if main else ""
    used = dict(re.findall(r"^  - (\w+): (\w+)$", text, flags=re.M))
    lines = [doc.strip(), "", f"usage: qft {name} [group=choice] [key=value]", "", "groups (default marked *):"]
    lines += _choices(used)
    lines += ["", "keys:"]
    lines += [f"  {m[0]:<30} {m[1]}" for m in re.findall(r"^(\w+: \S.*?)\s+# (.*)$", text, flags=re.M)]
    for group, choice in used.items():
        file = _configs.find(f"{group}/{choice}")
        for key, comment in re.findall(r"^(\w+: .*?)\s+# (.*)$", file.read_text("utf-8") if file else "", flags=re.M):
            lines.append(f"  {group + '.' + key:<30} {comment}")
    return "\n".join([*lines, "", "flags:", FLAGS])


def _choices(used: dict[str, str] | None = None) -> list[str]:
    lines = []
    for group, choices in _configs.groups().items():
        if used is not None and group.partition("/")[0] not in used:
            continue
        marked = [c + "*" if used and used.get(group) == c else c for c in choices]
        lines.append(f"  {group.replace('/', '.'):<13} {', '.join(marked)}")
    return lines
