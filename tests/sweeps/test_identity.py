"""What decides a cell's result decides whether it is run again, and a refusal says what is different."""

from pathlib import Path
from typing import Any

import pytest
from test_cells import cell

from qft.errors import QftError
from qft.quantum.native import library
from qft.records import Cell, Identity
from qft.sweeps import cells, identity
from qft.sweeps.attempt import held
from qft.sweeps.identity import changed, digest, plug_ins, settle

CONFIG = {
    "model": {"path": "/here", "template": "auto", "name": "m"},
    "data": {"_target_": "qft.data.datasets.demo.load", "path": "/there", "rows": None},
    "adapter": {"_target_": "qft.adapters.qwthn.QWTHNConfig", "r": 4},
    "backend": {"name": "statevector"},
    "trainer": {"lr": 0.1},
    "evaluation": {"limit": 3, "metrics": ["bleu"]},
    "n": 20,
    "seed": 0,
    "output_dir": "outputs",
}


def of(config: dict[str, Any] = CONFIG, run: Cell | None = None, **changes: Any) -> Identity:
    given: dict[str, Any] = {"model": "m", "data": "d", "threads": 1, "device": "cpu", "after": []} | changes
    return identity.identity(run or cell(), config, **given)


def test_what_decides_a_result_decides_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = of()
    assert digest(plain) == digest(of()) and len(digest(plain)) == 64
    for changes in ({"model": "n"}, {"data": "e"}, {"threads": 2}, {"device": "cuda"}, {"after": ["x"]}):
        assert digest(of(**changes)) != digest(plain), changes
    for key, value in (("seed", 1), ("n", 30), ("trainer", {"lr": 0.2}), ("evaluation", {"metrics": ["rouge"]})):
        assert digest(of(CONFIG | {key: value})) != digest(plain), key


def test_places_and_the_settings_of_no_evaluation_do_not() -> None:
    moved = CONFIG | {
        "output_dir": "x",
        "model": CONFIG["model"] | {"path": "/b", "name": "other"},  # type: ignore[operator]
        "data": CONFIG["data"] | {"path": "c"},  # type: ignore[operator]
    }
    assert digest(of(moved)) == digest(of())
    judged = CONFIG | {"data": CONFIG["data"] | {"margin": 0.02}}  # type: ignore[operator]
    assert digest(of(judged)) == digest(of()), "a margin judges a result and decides none"
    worded = CONFIG | {"adapter": CONFIG["adapter"] | {"card": {"source": "elsewhere"}}}  # type: ignore[operator]
    assert digest(of(worded)) == digest(of())
    search = cell(test=False)
    assert digest(of(CONFIG | {"evaluation": {}}, search)) == digest(of(run=search))


def test_general_text_is_what_it_says_and_not_where_it_lies(tmp_path: Path) -> None:
    def forgetting(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        evaluation = CONFIG["evaluation"] | {"forgetting": str(tmp_path / name)}  # type: ignore[operator]
        return digest(of(CONFIG | {"evaluation": evaluation}))

    assert forgetting("a.txt", "one") == forgetting("b.txt", "one") != forgetting("a.txt", "two")


def test_the_code_is_that_of_the_recipe_and_of_what_the_config_names() -> None:
    found = of().code
    assert {"qft.runs.train", "qft.adapters.qwthn", "qft.evaluation.metrics.bleu", "template qwen2"} <= set(found)
    assert not [
        name for name in found if name.startswith(("qft.cli", "qft.reports", "qft.errors", "qft.sweeps", "qft.version"))
    ]
    others = {
        "qft.adapters.sora",
        "qft.data.datasets.alpaca",
        "qft.evaluation.metrics.rouge",
        "qft.quantum.backends.qcloud",
    }
    assert others.isdisjoint(found)
    nothing_held_out = CONFIG | {"data": CONFIG["data"] | {"heldout": 0}}  # type: ignore[operator]
    search = of(nothing_held_out, cell(test=False)).code
    assert "qft.training.trainer" in search and not [name for name in search if "evaluat" in name]
    assert "qft.evaluation.loss" in of(run=cell(test=False)).code, "what is held out is measured"
    assert {"torch", "transformers", "peft", "sacrebleu"} <= set(of().packages)
    assert "sacrebleu" not in of(run=cell(test=False)).packages
    peft = CONFIG | {"adapter": {"_target_": "peft.LoraConfig"}}
    assert plug_ins(peft, evaluated=False) == ["qft.data.datasets.demo", "qft.quantum.backends.statevector"]


def test_the_kernel_and_its_compiler_are_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its results are torch's to rounding, and so are those of two compilers."""
    monkeypatch.setattr(library, "description", lambda: "c++ 1 -O3")
    one = of()
    assert one.packages["C++ compiler"] == "c++ 1 -O3" and "kernel circuit.cpp" in one.code
    monkeypatch.setattr(library, "description", lambda: "c++ 2 -O3")
    assert changed(one, of()) == ["packages.C++ compiler: c++ 1 -O3 -> c++ 2 -O3"]
    never = of(CONFIG | {"backend": {"name": "statevector", "kernel": False}})
    other = of(CONFIG | {"backend": {"name": "noisy"}})
    assert "C++ compiler" not in {**never.packages, **other.packages}


def test_what_is_different_is_said() -> None:
    old, new = of(), of(CONFIG | {"n": 30})
    assert changed(old, new) == ["n: 20 -> 30"] and changed(old, old) == []
    new = of()
    new.code = new.code | {"qft.adapters.qwthn": "0", "qft.new": "1"}
    del new.code["qft.tensor.mpo"]
    assert changed(old, new) == [
        "qft.adapters.qwthn has changed",
        "qft.new is used now",
        "qft.tensor.mpo is not used any more",
    ]
    old.code = {identity.EARLIER: "0.1.0+0123"}
    assert changed(old, new) == ["the code was that of qft 0.1.0+0123"]


def test_cells_of_other_settings_are_refused_by_name_or_replaced(tmp_path: Path) -> None:
    one, before, after = cell(id="1"), {"a": of(threads=1)}, {"a": of(threads=2)}
    settle(tmp_path, [one], before, overwrite=False)
    cells.begin(tmp_path, one)
    cells.end(tmp_path, one, "done")
    one.id = "2"
    with pytest.raises(QftError, match=r"a: threads: 1 -> 2.*overwrite=true"):
        settle(tmp_path, [one], after, overwrite=False)
    with held(tmp_path, "a"), pytest.raises(QftError, match="a is being run"):
        settle(tmp_path, [one], after, overwrite=True)
    assert cells.read_state(tmp_path, "a") is not None
    settle(tmp_path, [one], after, overwrite=True)
    assert cells.read_state(tmp_path, "a") is None
