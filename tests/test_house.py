"""The figures that scripts/house.py prints are counted right, on sources that are small enough to count by hand."""

import ast

import house
import pytest


def test_a_docstring_is_not_part_of_a_functions_length() -> None:
    tree = ast.parse(
        'def f():\n    """One.\n\n    Two.\n    """\n    x = 1\n    return x\n\n\nclass C:\n    def g(self): pass'
    )
    assert [house.length(f) for f in house.functions(tree)] == [3, 1]


def test_what_is_guessed_and_untyped_is_counted() -> None:
    nodes = house.expressions(ast.parse("def f(x: dict[str, Any], y: Any) -> dict[str, int]: return getattr(x, 'y')"))
    assert sum(map(house.is_any, nodes)) == 2
    assert sum(map(house.is_untyped_dict, nodes)) == 1
    assert sum(map(house.is_guess, nodes)) == 1


def test_modules_that_import_each_other_are_a_cycle() -> None:
    imports = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"a"}}
    assert house.cycles(imports) == [["a", "b", "c"]]


def test_the_longest_chain_is_found_and_a_cycle_does_not_make_it_endless() -> None:
    imports = {"cli.x": {"m", "n"}, "m": {"n", "back.y"}, "n": {"m", "k"}, "k": {"back.y"}, "back.y": set(), "o": {"m"}}
    start, cycle, *rest = house.longest_chain(imports, "cli", "back")
    assert start == "cli.x" and cycle in ("m", "n") and rest == ["k", "back.y"]


def test_a_figure_above_its_ceiling_fails_the_check(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    figures = [house.Figure("rooms", 3, 2, ["here: 3"]), house.Figure("doors", 9, None, [])]
    monkeypatch.setattr(house, "figures", lambda: figures)
    assert house.main(["--check"]) == 1
    assert "here: 3" in capsys.readouterr().out
    assert house.main([]) == 0
    monkeypatch.setattr(house, "figures", lambda: figures[1:])
    assert house.main(["--check"]) == 0
