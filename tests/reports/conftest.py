"""What the tests of reports share: quick statistics, and one sweep that several of them only read."""

from collections.abc import Iterator

import pytest
import synthetic

from qft.reports import read
from qft.reports.analysis import comparisons, statistics
from qft.reports.sweep import Sweep


@pytest.fixture(autouse=True, scope="session")
def quick_statistics() -> Iterator[None]:
    """A tenth of the resamples: what is tested here is who is compared, not how exactly (test_statistics.py)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "RESAMPLES", 999)
        yield


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """Table I with one run missing, one failed, and one method failed on all seeds of a cell."""
    path = tmp_path_factory.mktemp("sweep") / "t1"
    synthetic.table1(path, missing=["quanta-cpsycoun-n300-seed1"], failed=["lorar1-demo-n600-seed2", "qwthn-demo-n600"])
    return read.load(path)


@pytest.fixture(scope="session")
def compared(first: Sweep) -> list[comparisons.Comparison]:
    return comparisons.with_lora(first)
