"""A pytest plugin that runs PEFT's own tests over our methods: what they are parametrised by is replaced.

Nothing of PEFT's tests is changed but the few helpers named in ``_HELPERS``, which look a method up in lists of
PEFT's own. Tests that are not parametrised by a method are about one of PEFT's and are left out.
"""

import re
import sys
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cases
import pytest
import torch
from skips import REASONS, SKIPS

from qft.adapters import QftConfig, QftTuner

_start = SimpleNamespace(random=False)  # whether adapters start at random weights instead of a delta of zero
_create = QftTuner._create_and_replace
_skipped: Counter[str] = Counter()
_unlisted: list[str] = []

if "diffusers" not in sys.modules:  # PEFT's tests ask whether a model is one of its pipelines
    diffusers = ModuleType("diffusers")
    diffusers.StableDiffusionPipeline = type("StableDiffusionPipeline", (), {})  # type: ignore[attr-defined]
    sys.modules["diffusers"] = diffusers


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--models", type=Path, help="folder of the stand-ins for models of the hub")


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Put our rows in the place of PEFT's, before pytest reads them."""
    file, models = Path(metafunc.definition.path).stem, metafunc.config.getoption("--models")
    marks = metafunc.definition.own_markers
    for place, mark in enumerate(marks):
        if mark.name != "parametrize":
            continue
        given = mark.args[0]
        names = tuple(n.strip() for n in given.split(",")) if isinstance(given, str) else tuple(given)
        if "config" not in " ".join(names) and "model_id" not in names:
            continue
        if (rows := cases.values(file, metafunc.function.__name__, names, models)) is not None:
            ids = [_label(row) for row in rows]
            marks[place] = pytest.mark.parametrize(",".join(names), rows, ids=ids).mark


def _label(row: Any) -> str:
    """Name of a row, as the list of failures should show it."""
    if isinstance(row, str):
        return Path(row).name
    if isinstance(row, QftConfig):
        return row.method
    if isinstance(row, type):
        return row.__name__
    if isinstance(row[0], str):
        return row[0]
    options = "-".join(str(v) for k, v in row[1].items() if k != "task_type")
    return f"{row[0].method}-{options}"


def _about_ours(item: Any) -> bool:
    """Whether a test is parametrised by a config of ours."""
    params = getattr(item, "callspec", SimpleNamespace(params={})).params
    ours = [
        v for v in params.values() if isinstance(v, QftConfig) or (isinstance(v, type) and issubclass(v, QftConfig))
    ]
    return bool(ours) and cases.fits(params)


def pytest_collection_modifyitems(config: pytest.Config, items: list[Any]) -> None:
    dropped = [item for item in items if not _about_ours(item)]
    config.hook.pytest_deselected(items=dropped)
    items[:] = [item for item in items if _about_ours(item)]
    for item in items:
        for pattern, reason in SKIPS.items():
            if re.search(pattern, item.nodeid):
                item.add_marker(pytest.mark.skip(reason=reason))


def _start_at_random(config_cls: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    _start.random = True
    return kwargs.copy()


def _skip_what_cannot_be_merged(model_id: str, config_cls: Any, kwargs: dict[str, Any]) -> None:
    config = config_cls(**{k: v for k, v in kwargs.items() if k != "task_type"})
    config.resolve([(32, 32)])
    with torch.device("meta"):
        delta = config.delta_class(32, 32, config, None)
    if not delta.linear:
        pytest.skip("not linear")
    if delta.has_bias and model_id.endswith(("LlamaForCausalLM", "T5ForConditionalGeneration")):
        pytest.skip("adds a constant to layers without bias")


_HELPERS = {
    "set_init_weights_false": _start_at_random,
    "hub_online_once": lambda model_id: nullcontext(),
    "_skip_if_merging_not_supported": _skip_what_cannot_be_merged,
    "_skip_if_conv1d_not_supported": lambda *args: None,  # lists of PEFT's methods: ours are all tested on GPT-2
    "_skip_if_not_conv1d_supported": lambda *args: None,
}
# what libraries say where a test asks the hub for rows, a model or a tokenizer
_OF_THE_HUB = ("on the Hub (Offline", "We couldn't connect to", "Couldn't instantiate the backend tokenizer")
_RANDOM_FROM_THE_START = ("TestMultipleActiveAdapters", "TestMixedAdapterBatches", "test_adapter_name_makes_no_diff")


@pytest.fixture(autouse=True)
def ours(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """PEFT's helpers replaced, and a random start where PEFT's tests would pass init_weights=False."""
    common: Any = sys.modules["tests.testing_common"]
    for module in (common, request.module):
        for name, helper in _HELPERS.items():
            if hasattr(module, name):
                monkeypatch.setattr(module, name, helper)
    if "mixed_adapter_batches" in request.node.name and "config_cls" in request.node.callspec.params:
        for module in (common, request.module):  # those tests are for LoraConfig alone
            monkeypatch.setattr(module, "LoraConfig", request.node.callspec.params["config_cls"])
    if "test_parameters_after_loading_model" in request.node.name:  # at most of PEFT's rates our weights diverge too
        monkeypatch.setattr(request.module, "VBLoRAConfig", request.node.callspec.params["config_cls"])
    _start.random = any(name in request.node.nodeid for name in _RANDOM_FROM_THE_START)
    torch.manual_seed(0)

    def create(self: Any, config: Any, adapter_name: str, target: Any, target_name: str, parent: Any, **more: Any):
        _create(self, config, adapter_name, target, target_name, parent, **more)
        if _start.random:
            with torch.no_grad():
                for parameter in getattr(parent, target_name).qft_delta[adapter_name].parameters():
                    parameter.add_(torch.randn_like(parameter) * 0.1)

    monkeypatch.setattr(QftTuner, "_create_and_replace", create)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: Any) -> Any:
    """A test that fetches data or a tokenizer itself has no stand-in here."""
    try:
        return (yield)
    except Exception as error:
        if any(words in str(error) for words in _OF_THE_HUB):
            pytest.skip("fetches from the hub")
        raise


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped:
        said = str(report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr)
        said = said.removeprefix("Skipped: ")
        found = next((why for pattern, why in REASONS.items() if re.search(pattern, said)), None)
        _skipped[found or said] += 1
        if found is None:
            _unlisted.append(f"{report.nodeid}: {said}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A skip for a reason that skips.py does not list fails the run."""
    if _unlisted:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    count = {name: len(terminalreporter.stats.get(name, [])) for name in ("passed", "failed", "error", "skipped")}
    terminalreporter.section("PEFT's own tests over our methods")
    terminalreporter.write_line(", ".join(f"{number} {name}" for name, number in count.items()))
    for reason, number in _skipped.most_common():
        terminalreporter.write_line(f"  {number} skipped: {reason}")
    for line in _unlisted[:20]:
        terminalreporter.write_line(f"not in skips.py: {line}", red=True)
