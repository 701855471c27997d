"""Print the figures of the house: how large its files and functions are, how much is guessed, and who imports whom.

    python scripts/house.py            # the figures
    python scripts/house.py --list     # and what is counted, with file and line
    python scripts/house.py --check    # exit code 1 where a figure is above its ceiling; `make lint` runs this

The length of a function is counted without its docstring. Imports under ``TYPE_CHECKING`` and inside functions count
like any other.
"""

import argparse
import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import grimp

PACKAGE = Path(__file__).parent.parent / "qft"
LONG_FILE, LONG_FUNCTION = 200, 50
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Figure:
    """One line of the output: a number, the most it may be, and the places it was counted at."""

    title: str
    value: int
    ceiling: int | None  # None: printed, not checked
    places: list[str]

    @property
    def too_high(self) -> bool:
        return self.ceiling is not None and self.value > self.ceiling


def length(function: Function) -> int:
    """Lines from ``def`` to the end, less those of the docstring."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        docstring = function.body[0]
        assert docstring.end_lineno is not None
        lines -= docstring.end_lineno - docstring.lineno + 1
    return lines


def functions(tree: ast.AST) -> Iterator[Function]:
    """Functions and methods, nested ones too."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def is_any(node: ast.AST) -> bool:
    """``Any``, as a name or an attribute of typing."""
    return ast.unparse(node) in ("Any", "typing.Any") if isinstance(node, ast.Name | ast.Attribute) else False


def is_untyped_dict(node: ast.AST) -> bool:
    """``dict[str, Any]``."""
    return isinstance(node, ast.Subscript) and ast.unparse(node) == "dict[str, Any]"


def is_guess(node: ast.AST) -> bool:
    """A call of getattr or hasattr."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "hasattr")


def cycles(imports: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other, by Tarjan's algorithm.

    Args:
        imports: the modules that each module imports.

    Returns:
        The strongly connected components of more than one module, in an order in which what is imported comes first.
    """
    return [group for group in components(imports) if len(group) > 1]


def components(imports: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected components; a component comes after those that it imports."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    done: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for target in sorted(imports[module]):
            if target not in index:
                visit(target)
            if target in stack:
                low[module] = min(low[module], low[target])
        if low[module] == index[module]:
            start = stack.index(module)
            done.append(sorted(stack[start:]))
            del stack[start:]

    for module in sorted(imports):
        if module not in index:
            visit(module)
    return done


def longest_chain(imports: dict[str, set[str]], start: str, goal: str) -> list[str]:
    """The longest chain of imports from a module below ``start`` to one below ``goal``; a cycle counts once."""
    chain: dict[str, list[str]] = {}  # of each module, the longest chain from it to the goal
    for group in components(imports):
        after = [chain[target] for module in group for target in imports[module] if target in chain]
        longest = max(after, key=len, default=[])
        for module in group:
            if longest or module.startswith(goal + "."):
                chain[module] = [module, *longest]
    return max((c for module, c in chain.items() if module.startswith(start + ".")), key=len, default=[])


@cache
def import_graph() -> dict[str, set[str]]:
    """Of every module of the package, the modules of the package that it imports."""
    sys.path.insert(0, str(PACKAGE.parent))
    graph = grimp.build_graph(PACKAGE.name, exclude_type_checking_imports=False, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def figures() -> list[Figure]:
    """All figures of the package as it is."""
    sources = {path: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
    trees = {path: ast.parse(text) for path, text in sources.items()}

    def name(path: Path) -> str:
        return str(path.relative_to(PACKAGE.parent))

    lines = {path: text.count("\n") for path, text in sources.items()}
    long_files = [f"{name(path)}: {n} lines" for path, n in lines.items() if n > LONG_FILE]
    sized = [(length(f), f"{name(path)}:{f.lineno} {f.name}") for path, tree in trees.items() for f in functions(tree)]
    long_functions = [f"{place}: {n} lines" for n, place in sized if n > LONG_FUNCTION]
    commands = [(n, place) for n, place in sized if place.startswith("qft/cli/") and not place.startswith("qft/cli/_")]
    nodes = [(node, f"{name(path)}:{node.lineno}") for path, tree in trees.items() for node in expressions(tree)]
    rings = cycles(import_graph())
    chain = longest_chain(import_graph(), "qft.cli", "qft.quantum.backends")
    return [
        Figure("files", len(lines), None, []),
        Figure("lines", sum(lines.values()), None, []),
        Figure(f"files over {LONG_FILE} lines", len(long_files), None, long_files),
        Figure(f"functions over {LONG_FUNCTION} lines", len(long_functions), 4, long_functions),
        counted("Any", [place for node, place in nodes if is_any(node)], None),
        counted("dict[str, Any]", [place for node, place in nodes if is_untyped_dict(node)], 50),
        counted("getattr and hasattr", [place for node, place in nodes if is_guess(node)], 30),
        Figure("import cycles", len(rings), 0, [" <-> ".join(ring) for ring in rings]),
        Figure("longest import chain from a command to a backend", len(chain), None, [" -> ".join(chain)]),
        Figure("lines of the longest function in a command's file", *longest(commands)),
    ]


def expressions(tree: ast.AST) -> list[ast.expr]:
    """The expressions of a module by line."""
    return sorted((node for node in ast.walk(tree) if isinstance(node, ast.expr)), key=lambda node: node.lineno)


def counted(title: str, places: list[str], ceiling: int | None) -> Figure:
    """How many places there are."""
    return Figure(title, len(places), ceiling, places)


def longest(sized: list[tuple[int, str]]) -> tuple[int, int, list[str]]:
    """Length of the longest function, the ceiling of commands, and the functions above it."""
    ceiling = 40
    above = [f"{place}: {n} lines" for n, place in sorted(sized, reverse=True) if n > ceiling]
    return max((n for n, _ in sized), default=0), ceiling, above


def main(arguments: list[str] | None = None) -> int:
    """Print the figures; with ``--check``, exit code 1 where one is above its ceiling."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="also print what is counted")
    parser.add_argument("--check", action="store_true", help="fail where a figure is above its ceiling")
    options = parser.parse_args(arguments)
    house = figures()
    for figure in house:
        limit = "" if figure.ceiling is None else f"  (at most {figure.ceiling})"
        print(f"{figure.value:7,}  {figure.title}{limit}{'  TOO MANY' if figure.too_high else ''}")
        if options.list or (options.check and figure.too_high):
            print(*(f"           {place}" for place in figure.places), sep="\n")
    return int(options.check and any(figure.too_high for figure in house))


if __name__ == "__main__":
    sys.exit(main())
