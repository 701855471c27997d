"""What every dataset must do. The members are found by a walk: a new module is tested without an edit here."""

import importlib
import pkgutil
from pathlib import Path

import pytest
import yaml

import qft.data.datasets
from qft.data.duplicates import question
from qft.data.messages import Message
from qft.data.prepare import STATED, subset

NAMES = [m.name for m in pkgutil.iter_modules(qft.data.datasets.__path__) if m.name != "base"]
CONFIGS = Path(__file__).parents[2] / "configs" / "data"


@pytest.fixture(params=NAMES)
def module(request):
    return importlib.import_module(f"qft.data.datasets.{request.param}")


def load_example(module, folder, files=None):
    """Write the files in the order given and load them; a generated set has none and takes no path."""
    files = module.EXAMPLE if files is None else files
    if not files:
        return module.load()
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content.encode())
    return module.load(path=str(folder))


def some_text(source, files):
    """A piece of a training sample as it stands in one of the files."""
    for sample in source.pool:
        for message in sample.messages:
            piece = message.content.splitlines()[0][:12]
            for name, content in files.items():
                if piece in content:
                    return name, piece
    raise AssertionError("no text of the pool occurs in EXAMPLE")


def test_there_are_datasets():
    assert NAMES


def test_every_sample_keeps_the_contract(module, tmp_path):
    source = load_example(module, tmp_path / "a")
    assert source.pool and source.test
    for sample in source.pool + source.test:
        assert sample.problem() is None, sample.id
        assert all(type(m) is Message for m in sample.messages)


def test_ids_are_unique_and_the_parts_share_nothing(module, tmp_path):
    source = load_example(module, tmp_path / "a")
    ids = [s.id for s in source.pool + source.test]
    assert len(ids) == len(set(ids))
    assert not {s.messages for s in source.pool} & {s.messages for s in source.test}
    assert not {question(s) for s in source.pool} & {question(s) for s in source.test}


def test_the_fingerprint_stays_on_a_second_load_and_in_another_listing_order(module, tmp_path):
    first = load_example(module, tmp_path / "a").fingerprint()
    assert load_example(module, tmp_path / "b").fingerprint() == first
    turned = dict(reversed(module.EXAMPLE.items()))
    assert load_example(module, tmp_path / "c", turned).fingerprint() == first


def test_the_fingerprint_changes_with_the_text(module, tmp_path):
    if not module.EXAMPLE:
        return  # generated: there is no text to change
    source = load_example(module, tmp_path / "a")
    name, piece = some_text(source, module.EXAMPLE)
    changed = module.EXAMPLE | {name: module.EXAMPLE[name].replace(piece, "改" + piece)}
    assert load_example(module, tmp_path / "b", changed).fingerprint() != source.fingerprint()


def test_counts_are_named_numbers(module, tmp_path):
    for kind, number in load_example(module, tmp_path / "a").counts.items():
        assert isinstance(kind, str) and isinstance(number, int) and number >= 0


def test_rows_select_from_the_pool_and_leave_the_test_set_alone(module, tmp_path):
    source = load_example(module, tmp_path / "a")
    path = {"path": str(tmp_path / "a")} if module.EXAMPLE else {}
    part = module.load(rows="0:5", **path)
    assert {s.id for s in part.pool} <= {s.id for s in source.pool}
    assert 0 < len(part.pool) <= 5
    assert part.test == source.test


def test_subsets_are_disjoint_and_nested(module, tmp_path):
    source = load_example(module, tmp_path / "a")
    large, small = len(source.pool), len(source.pool) // 2
    parts = {n: [{s.id for s in p} for p in subset(source.pool, n)] for n in (small, large)}
    for n, (training, validation) in parts.items():
        assert training and validation and not training & validation
        asked = [{question(s) for s in part} for part in subset(source.pool, n)]
        assert not asked[0] & asked[1]
    if small >= 10:  # below ten the one validation sample may be a training sample of the larger subset
        assert all(a <= b for a, b in zip(parts[small], parts[large], strict=True))


def test_each_has_its_yaml(module):
    name = module.__name__.rpartition(".")[2]
    config = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))
    assert config["_target_"] == f"{module.__name__}.load"
    assert {"metrics", "overlong", "heldout", "margin"} <= set(config)
    assert set(config) - {"_target_", *STATED} <= set(
        module.load.__code__.co_varnames[: module.load.__code__.co_argcount]
    )
