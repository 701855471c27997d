"""docs/adapters.md is what scripts/build_docs.py makes of the code as it is."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_table_of_methods_is_current() -> None:
    spec = importlib.util.spec_from_file_location("build_docs", ROOT / "scripts" / "build_docs.py")
    assert spec is not None and spec.loader is not None
    build_docs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build_docs)
    assert build_docs.PAGE.read_text(encoding="utf-8") == build_docs.page(), "run: python scripts/build_docs.py"
