"""Which code computed a cell: modules, found by following imports, and a digest of what each of them says.

The digest is over the syntax tree without comments and docstrings, written out in a form of our own: ``ast.dump``
differs between versions of Python. It changes with a constant and not with a comment.
"""

import ast
import hashlib
import importlib.metadata
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path

from qft.errors import QftError

# modules that only read, write, refuse, show or start, and do not compute results
WITHOUT_NUMBERS = (
    *("qft.cli", "qft.compose", "qft.config", "qft.errors", "qft.names", "qft.process", "qft.progress", "qft.ranges"),
    *("qft.records", "qft.reports", "qft.runs.checks", "qft.runs.directories", "qft.runs.stored", "qft.sweeps"),
    *("qft.training.curve", "qft.training.model_card", "qft.trust", "qft.version"),
)
PACKAGES_WITHOUT_NUMBERS = (
    *("filelock", "huggingface_hub", "matplotlib", "psutil", "rich", "tqdm", "yaml"),
    *("datasets", "modelscope", "pyarrow"),  # read data, whose fingerprint says what was read
)
EVALUATION = ("qft.evaluation", "qft.runs.evaluate", "qft.runs.score")  # plays no part where the test set is untouched
BEHIND_OTHERS = ("accelerate", "tokenizers")  # compute within transformers
TEMPLATES = "qft.data.template"  # the chat templates lie beside it
KERNEL = "qft.quantum.native.library"  # the source it compiles lies beside it
IGNORED = ("ctx", "kind", "type_comment", "type_ignores")  # fields that say nothing, or not in every version


@dataclass(frozen=True)
class Module:
    """A source file: the digest of what it says, and the modules it may import."""

    digest: str
    imports: tuple[str, ...]


@dataclass(frozen=True)
class Code:
    """``modules``: name -> digest; ``packages``: of others that they import -> version, None where not installed."""

    modules: dict[str, str]
    packages: dict[str, str | None]


def computing(roots: Iterable[str], evaluated: bool) -> Code:
    """The code reached from ``roots``, names of modules; ``evaluated``: whether the test set is.

    Imports are followed within qft and within the packages of the roots, which may be a user's own plug-ins. Raises
    QftError for a root that cannot be found or read.
    """
    roots = list(roots)
    if missing := next((root for root in roots if _file(root) is None), None):
        raise QftError(f"The module {missing} cannot be found.")
    left = [parent for root in roots for parent in _lineage(root)]
    ours = {name.partition(".")[0] for name in roots} | {"qft"}
    skipped = WITHOUT_NUMBERS if evaluated else (*WITHOUT_NUMBERS, *EVALUATION)
    modules: dict[str, str] = {}
    packages = {*BEHIND_OTHERS}
    while left:
        name = left.pop()
        file = _file(name)
        if name in modules or file is None or name == "qft" or _within(name, skipped):
            continue
        module = _read(file, name)
        modules[name] = module.digest
        for found in module.imports:
            top = found.partition(".")[0]
            if top in ours:
                left += [parent for parent in _lineage(found) if _file(parent) is not None]
            elif top not in sys.stdlib_module_names and top not in PACKAGES_WITHOUT_NUMBERS:
                packages.add(top)
    if TEMPLATES in modules and (file := _file(TEMPLATES)):
        modules |= {f"template {f.stem}": _short(f.read_bytes()) for f in sorted(file.parent.glob("templates/*.jinja"))}
    if KERNEL in modules and (file := _file(KERNEL)):
        modules |= {f"kernel {f.name}": _short(f.read_bytes()) for f in file.parent.glob("*.cpp")}
    return Code(dict(sorted(modules.items())), {name: _version(name) for name in sorted(packages)})


def module_of(target: str) -> str:
    """``package.module.Class`` -> package.module, the longest part of the name that is a source file."""
    return next((name for name in reversed(_lineage(target)) if _file(name)), target)


def canonical(source: str) -> str:
    """The syntax tree of a module as text: the same for the same code in every version of Python."""
    return _written(ast.parse(source))


def _written(node: object) -> str:
    if isinstance(node, list):  # Python 3.12 puts empty texts into f-strings
        return "[" + ",".join(_written(n) for n in node if not (isinstance(n, ast.Constant) and n.value == "")) + "]"
    if not isinstance(node, ast.AST):
        return f"{type(node).__name__}:{node!r}"
    parts = []
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            value = value[1:] if ast.get_docstring(node, clean=False) is not None else value
        if value not in (None, []) and name not in IGNORED:
            parts.append(f"{name}={_written(value)}")
    return f"{type(node).__name__}({','.join(parts)})"


_known: dict[Path, tuple[tuple[int, int], Module]] = {}  # file -> time and size when it was read, what it says


def _read(file: Path, name: str) -> Module:
    try:
        status = file.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        if (known := _known.get(file)) and known[0] == stamp:
            return known[1]
        tree = ast.parse(file.read_bytes())
    except (OSError, ValueError, SyntaxError) as error:
        raise QftError(f"{file} cannot be read as Python: {error}.") from error
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    found = Module(_short(_written(tree).encode()), tuple(sorted({*_imported(tree, package)})))
    _known[file] = (stamp, found)
    return found


def _imported(node: ast.AST, package: str) -> Iterator[str]:
    """Every name that the code imports, at its top or in a function; those for type checkers are none."""
    if isinstance(node, ast.If) and _last_name(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
        base = ".".join(filter(None, (above, node.module)))
        yield from (f"{base}.{alias.name}" for alias in node.names)  # a module, or something within ``base``
        yield base
    elif isinstance(node, ast.Call) and _last_name(node.func) in ("import_module", "find_spec") and node.args:
        first = node.args[0].values[0] if isinstance(node.args[0], ast.JoinedStr) else node.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value.rstrip(".")
    for child in ast.iter_child_nodes(node):
        yield from _imported(child, package)


def _last_name(node: ast.expr) -> str:
    """``importlib.import_module`` -> import_module."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _lineage(name: str) -> list[str]:
    """``a.b.c`` -> a, a.b, a.b.c: importing the last runs them all."""
    parts = name.split(".")
    return [".".join(parts[: k + 1]) for k in range(len(parts))]


def _file(module: str) -> Path | None:
    """The source file of a module, found without importing anything; None where there is none."""
    return _located(module, tuple(sys.path))[0]


@cache
def _located(module: str, places: tuple[str, ...]) -> tuple[Path | None, tuple[str, ...]]:
    """The source file of a module, and where modules within it lie."""
    parent, _, _ = module.rpartition(".")
    within = _located(parent, places)[1] if parent else places
    spec = PathFinder.find_spec(module, list(within)) if within else None
    if spec is None:
        return None, ()
    file = Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    return file, tuple(spec.submodule_search_locations or ())


def _within(name: str, rooms: Iterable[str]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())


def _version(package: str) -> str | None:
    """The version of an imported package, or None where an extra is not installed."""
    try:
        return importlib.metadata.version(_distributions().get(package, [package])[0])
    except importlib.metadata.PackageNotFoundError:
        return None


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
