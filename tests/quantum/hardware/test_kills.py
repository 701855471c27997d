"""Deaths by SIGKILL at each of five points, at each job in turn: nothing sent twice, no id lost, nothing re-posted."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import service
from program import PATIENCE

POINTS = ("post", "reply", "commit", "poll", "result")


def kill(vendor: str, jobs: int, cloud: service.Emulator, folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    script = str(Path(__file__).with_name("kills.py"))
    done = subprocess.run(
        [sys.executable, script, vendor, str(jobs), cloud.url, str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report: dict[str, Any] = json.loads(done.stdout)
    assert tuple(report) == POINTS
    for point, found in report.items():
        assert found["deaths"] == jobs, point
        assert found["ids"] == jobs and found["lost"] == 0, point
        assert found["states"]["done"] == jobs, point
    return report


def test_a_service_that_looks_nothing_up(tmp_path: Path) -> None:
    """Each lost answer is shown, once, before anything else is sent, and the user decides."""
    jobs = 20
    with service.start() as cloud:
        cloud.set(key=service.KEY)
        report = kill("qcloud", jobs, cloud, tmp_path, {"QFT_QCLOUD_KEY": service.KEY})
        seen = cloud.seen()
    for point, found in report.items():
        lost = jobs if point in ("post", "reply", "commit") else 0
        assert len(set(found["unknown"])) == len(found["unknown"]) == found["stops"] == lost, point
    # as the service counts: every job once, every circuit once
    assert seen["requests"]["submit"] == len(POINTS) * jobs
    assert len(seen["circuits"]) == 2 * len(POINTS) * jobs and set(seen["circuits"].values()) == {1}


@pytest.mark.parametrize("jobs", [2, pytest.param(20, marks=pytest.mark.extended)])
def test_a_service_that_looks_jobs_up(jobs: int, tmp_path: Path) -> None:
    """The user is never asked: what was taken is found by our token, what was not is sent again."""
    with service.start(name="ibm_emulator.py") as cloud:
        cloud.set(key=service.KEY)
        report = kill("ibm", jobs, cloud, tmp_path, service.ibm_account(cloud.url))
        seen = cloud.seen()
    assert all(found["stops"] == 0 and set(found["states"]) == {"done"} for found in report.values())
    tokens = [tag for job in seen["jobs"].values() for tag in job["tags"]]
    assert seen["requests"]["submit"] == len(tokens) == len(set(tokens)) == len(POINTS) * jobs
