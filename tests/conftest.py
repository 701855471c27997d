"""What every test shares: one thread, a fixed torch seed, and no quiet skips in CI."""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # tests import their helpers by name: tiny, plain, program
sys.path.insert(0, str(Path(__file__).parent / "quantum/hardware"))  # ... and service, the emulator of the cloud
sys.path.append(
    str(Path(__file__).parent.parent / "scripts")
)  # ... and the programs that make pages: build_docs, house
torch.set_num_threads(1)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background; what is tested hears Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # started by nohup; what is tested hears its terminal go
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# the only reasons for which a test may be skipped where CI=true
ALLOWED_SKIPS = ("needs ../shared", "needs a GPU", "needs a Slurm cluster", "needs a C++ compiler")


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def consoles() -> Iterator[None]:
    """A test leaves no handler that writes to its own standard error: that file is closed when the next one logs."""
    before = _consoles()
    yield
    left = [handler for handler in _consoles() if handler not in before]
    for handler in left:
        logging.getLogger().removeHandler(handler)
    assert not left, "qft was run in this process without tests/program.py, and its logging stayed"


def _consoles() -> list[logging.Handler]:
    return [handler for handler in logging.getLogger().handlers if type(handler) is logging.StreamHandler]


@pytest.fixture(autouse=True, scope="session")
def state(tmp_path_factory: pytest.TempPathFactory):
    """What the program keeps of its user between runs lies elsewhere than in the home of who tests it."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def emulator():
    """The quantum cloud on this machine, in a process of its own."""
    import service

    with service.start() as running:
        running.set(key=service.KEY)
        yield running


@pytest.fixture
def qcloud_options(emulator, tmp_path, monkeypatch):
    """What backend=qcloud needs in the contract suite: a service, its key, and a journal."""
    import service

    emulator.set(delay=0, reorder=1, polls=0, exact=False, online=True, faults=[])
    monkeypatch.setenv("QFT_QCLOUD_KEY", service.KEY)
    return {
        "url": emulator.url,
        "journal": str(tmp_path / "journal.sqlite"),
        "poll": 0.02,
        "shots": 2000,
        "fresh_shots": True,
    }


@pytest.fixture(scope="session")
def ibm_emulator():
    """IBM's service on this machine, in a process of its own."""
    pytest.importorskip("qiskit_ibm_runtime", reason="needs the extra ibm")
    import service

    with service.start(name="ibm_emulator.py") as running:
        yield running


@pytest.fixture
def ibm(ibm_emulator, monkeypatch):
    """The same with nothing wrong, and an account there in the environment."""
    import service

    ibm_emulator.set(key=service.KEY, faults=[], polls=0, late=0, online=True, forget=True)
    for name, value in service.ibm_account(ibm_emulator.url).items():
        monkeypatch.setenv(name, value)
    return ibm_emulator


@pytest.fixture
def ibm_options(ibm, tmp_path):
    """What backend=ibm needs in the contract suite: a service, an account, and a journal."""
    journal = str(tmp_path / "journal.sqlite")
    return {"chip": "ibm_test", "journal": journal, "poll": 0.02, "shots": 2000, "fresh_shots": True}


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skip for any other reason fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") != "true" or reporter is None:
        return
    reasons = [str(report.longrepr[-1]) for report in reporter.stats.get("skipped", [])]
    if bad := [r for r in reasons if not any(allowed in r for allowed in ALLOWED_SKIPS)]:
        reporter.write_line(f"skips that CI does not allow: {bad}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
