"""Which code computed a cell: comments and strangers to it change nothing, a constant does."""

import hashlib
import sys
from pathlib import Path

import pytest

from qft.errors import QftError
from qft.sweeps.code import canonical, computing, module_of

SOURCE = '''"""What it does."""
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import colorsys


class A:
    """A class."""

    scale: float = 2.0  # a comment

    def f(self, x, *, y=None, **more):
        """A function."""
        return f"{x!r:>{self.scale}} {y}" if x else [x for x in more if x is not None]
'''


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("  # a comment", "", True),
        ('"""A function."""', '"""Another\n        function."""', True),
        ('        """A function."""\n', "", True),
        ("return f", "return  f", True),
        ("2.0", "2.5", False),
        ("2.0", "2", False),
        ("y=None", "y=0", False),
        ("is not", "is", False),
        ("def f", "def g", False),
        ("!r", "", False),
    ],
)
def test_what_code_says(old: str, new: str, same: bool) -> None:
    assert old in SOURCE
    assert (canonical(SOURCE.replace(old, new)) == canonical(SOURCE)) is same


def test_every_version_of_python_writes_the_same() -> None:
    written = hashlib.sha256(canonical(SOURCE).encode()).hexdigest()
    assert written[:16] == "6ce3fb70e842c275", "the digests of every finished sweep have changed"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe that calls a helper, a plug-in that it does not know, and a neighbour of the plug-in."""
    files = {
        "__init__.py": "",
        "recipe.py": "def run():\n    from strange import helper\n    return helper.NUMBER\n",
        "helper.py": "import json\nimport numpy\nimport tqdm\nNUMBER = 1\n",
        "plugins/__init__.py": "",
        "plugins/mine.py": "from ..helper import NUMBER\nclass Mine: ...\n",
        "plugins/other.py": "NUMBER = 2\n",
    }
    for name, text in files.items():
        file = tmp_path / "strange" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "strange"


def test_modules_are_found_by_their_imports_and_nothing_is_imported(package: Path) -> None:
    roots = ["strange.recipe", module_of("strange.plugins.mine.Mine")]
    before = computing(roots, True)
    expected = {"strange", "strange.recipe", "strange.helper", "strange.plugins", "strange.plugins.mine"}
    assert set(before.modules) == expected and before.packages["numpy"]
    assert {"json", "tqdm"}.isdisjoint(before.packages) and "strange" not in sys.modules
    for name in ("helper.py", "plugins/mine.py"):
        (package / name).write_text((package / name).read_text() + "# a remark\n")
    (package / "plugins/other.py").write_text("NUMBER = 3\n")
    assert computing(roots, True) == before
    (package / "helper.py").write_text((package / "helper.py").read_text().replace("NUMBER = 1", "NUMBER = 7"))
    after = computing(roots, True).modules
    assert [name for name in after if after[name] != before.modules[name]] == ["strange.helper"]


def test_a_module_that_cannot_be_read_is_one_sentence(package: Path) -> None:
    with pytest.raises(QftError, match=r"The module strange\.nowhere cannot be found"):
        computing(["strange.nowhere"], True)
    (package / "recipe.py").write_text("def run(:\n")
    with pytest.raises(QftError, match=r"recipe\.py cannot be read as Python"):
        computing(["strange.recipe"], True)
