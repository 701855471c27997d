"""Kills a process that sends jobs at a chosen point of each job in turn: python kills.py VENDOR JOBS URL FOLDER.

One process that imports everything once and forks a child for each start of the program, which dies by SIGKILL.
After every death the next start must find the journal whole. Where it finds a job whose answer was lost it looks the
job up, if the service can do that; if not, it stops, and the user's part is played here: what the service has is
attached, what it has not is sent again.

Prints for each point, as JSON: deaths, unknown (jobs that became so), acknowledged and lost (ids the journal had once
and has no more), counts.
"""

import json
import os
import re
import signal
import sqlite3
import sys
import traceback
import urllib.request
from pathlib import Path
from typing import Any

from connections import noted

from qft.errors import QftError
from qft.quantum.backends import ibm, qcloud
from qft.quantum.hardware import clients
from qft.quantum.hardware.chip import CZ, BoundU3
from qft.quantum.hardware.clients.base import Client, Program, canonical
from qft.quantum.hardware.job_runner import JobRunner
from qft.quantum.hardware.journal import Journal
from qft.quantum.hardware.poller import Waiting

VENDOR, JOBS = sys.argv[1], int(sys.argv[2])
CLIENT = clients.of(VENDOR)
CHIP, OPTIONS = {"qcloud": ("origin_wukong", qcloud.OPTIONS), "ibm": ("ibm_test", ibm.OPTIONS)}[VENDOR]
POINTS = ["post", "reply", "commit", "poll", "result"]
DONE, STOPPED = 0, 3


def account(url: str) -> Client:
    return CLIENT.connect({"url": url, "plain_http": False, "chip": CHIP, "account": None, "instance": None})


def circuits(point: str) -> list[Program]:
    """Two circuits a job, others at each point, so that the service's counts tell them apart."""
    number = POINTS.index(point)
    u3s = [BoundU3(0, 1 + number + k / 100, 0.1, 0.2) for k in range(2 * JOBS)]
    texts = [CLIENT.write(2, (u3, CZ((0, 1))), [0, 1], 6) for u3 in u3s]
    return [Program(text, CHIP, 200, canonical(OPTIONS)) for text in texts]


def die(*args: Any, **kwargs: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str, done: int, opened: list[sqlite3.Connection]) -> None:
    """Die at ``point``, at the first job that reaches it; ``done`` deaths were there before, ``opened`` fills later."""
    if point == "post":  # marked on disk, not yet posted
        post = CLIENT.submit
        spared = [CLIENT.finds and done > 0]  # what the death before left is sent first

        def before(*args: Any) -> str:
            if not spared.pop():
                die()
            spared.append(False)
            return post(*args)

        CLIENT.submit = before  # type: ignore[method-assign]
    elif point == "reply":  # the service has it, its answer has not arrived
        submit = CLIENT.submit

        def lost(*args: Any) -> str:
            submit(*args)
            die()
            raise AssertionError

        CLIENT.submit = lost  # type: ignore[method-assign]
    elif point == "commit":  # the answer has arrived, the id is written but not committed
        attach = Journal.attach

        def attached(self: Journal, *args: Any) -> None:
            opened[-1].set_trace_callback(lambda sql: die() if sql == "COMMIT" else None)
            attach(self, *args)

        Journal.attach = attached  # type: ignore[method-assign]
    elif point == "poll":  # jobs are out; every start gets one further
        poll, first = CLIENT.poll, [done > 0]

        def asked(*args: Any) -> Any:
            if not first.pop():
                die()
            first.append(False)
            return poll(*args)

        CLIENT.poll = asked  # type: ignore[method-assign]
    else:  # results are written but not committed
        store = Journal.store

        def stored(self: Journal, *args: Any) -> None:
            opened[-1].set_trace_callback(lambda sql: die() if sql == "COMMIT" else None)
            store(self, *args)

        def once(self: Journal, *args: Any) -> None:  # every start gets one job further
            Journal.store = stored  # type: ignore[method-assign]
            store(self, *args)

        Journal.store = once if done else stored  # type: ignore[method-assign]


def child(url: str, path: Path, point: str, done: int | None) -> int:
    """One start of the program: killed (-9), stopped by a lost answer, or done."""
    pid = os.fork()
    if pid:
        status = os.waitpid(pid, 0)[1]
        return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    code = 1
    try:
        with noted() as opened:
            if done is not None:
                arm(point, done, opened)
            journal = Journal(path, "experiment")
        runner = JobRunner(journal, account(url), Waiting(600, 0.005, 0.05))
        counts = runner.run(circuits(point), batch_size=2, max_circuits=None)
        code = DONE if len(counts) == 2 * JOBS and all(sum(c.values()) == 200 for c in counts) else 1
    except QftError as error:
        code = STOPPED if "is unknown" in str(error) and "you decide" in str(error) else 1
        if code == 1:
            traceback.print_exc()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def seen(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/control", timeout=300) as reply:
        return json.load(reply)


def decide(url: str, path: Path) -> list[int]:
    """The user's part: look at the service, attach what it has, give up what it has not. Returns the job numbers."""
    journal = Journal(path)
    tasks = {tuple(job["texts"]): name for name, job in seen(url)["jobs"].items()}
    unknown = journal.jobs("unknown")
    for job in unknown:
        # the client writes eight decimals
        texts = tuple(re.sub(r"(\.\d{6})", r"\g<1>00", program.text) for _, program in journal.programs(job.id))
        if texts in tasks:
            journal.attach(job.id, tasks[texts])
        else:
            journal.set_state(job.id, "failed", "given up by the user")
    journal.close()
    return [job.id for job in unknown]


def run(url: str, folder: Path, point: str) -> dict[str, Any]:
    """All deaths at one point, then one start that goes through."""
    path = folder / f"{point}.sqlite"
    deaths, unknown, stops = 0, [], 0
    acknowledged: set[str] = set()
    while True:
        code = child(url, path, point, deaths if deaths < JOBS else None)
        if path.exists():
            journal = Journal(path, write=False)
            acknowledged |= {job.task for job in journal.jobs() if job.task}
            journal.close()
        if code == -signal.SIGKILL:
            deaths += 1
            # a start after the death says so and sends nothing more
            if point in ("post", "reply", "commit") and not CLIENT.finds:
                before = seen(url)["requests"].get("submit", 0)
                code = child(url, path, point, None)
                assert code == STOPPED, (point, deaths, code)
                assert seen(url)["requests"].get("submit", 0) == before
                stops += 1
                unknown += decide(url, path)
        elif code == DONE:
            break
        else:
            raise SystemExit(f"{point}: start after {deaths} deaths ended with {code}")
    journal = Journal(path, write=False)
    lost = acknowledged - {job.task for job in journal.jobs()}
    states = journal.state_counts()
    journal.close()
    return {"deaths": deaths, "unknown": unknown, "stops": stops, "ids": len(acknowledged), "lost": len(lost)} | {
        "states": states
    }


if __name__ == "__main__":
    CLIENT.settles = 0.05  # what the emulator does not list it has not
    account(sys.argv[3])  # imports what all starts need, once, before the forks
    report = {point: run(sys.argv[3], Path(sys.argv[4]), point) for point in POINTS}
    print(json.dumps(report))
