"""What the tests of reports share: one sweep that several of them only read."""

import pytest
import synthetic

from qft.reports import read
from qft.reports.analysis import comparisons
from qft.reports.sweep import Sweep


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """Table I with one run missing, one failed, and one method failed on all seeds of a cell."""
    path = tmp_path_factory.mktemp("sweep") / "t1"
    synthetic.table1(path, missing=["quanta-cpsycoun-n300-seed1"], failed=["lorar1-demo-n600-seed2", "qwthn-demo-n600"])
    return read.load(path)


@pytest.fixture(scope="session")
def compared(first: Sweep) -> list[comparisons.Comparison]:
    return comparisons.with_lora(first)
