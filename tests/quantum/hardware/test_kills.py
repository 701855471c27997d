"""A hundred deaths by SIGKILL, twenty at each of five points: nothing sent twice, no id lost, nothing re-posted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import service
from program import PATIENCE

JOBS = 20


def test_kills_lose_nothing_and_send_nothing_twice(tmp_path: Path) -> None:
    with service.start() as cloud:
        cloud.set(key=service.KEY)
        script = str(Path(__file__).with_name("kills.py"))
        done = subprocess.run(
            [sys.executable, script, cloud.url, str(tmp_path)],
            env={**os.environ, "OMP_NUM_THREADS": "1", "QFT_QCLOUD_KEY": service.KEY},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        seen = cloud.seen()
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert set(report) == {"post", "reply", "commit", "poll", "result"}
    for point, found in report.items():
        assert found["deaths"] == JOBS, point
        assert found["ids"] == JOBS and found["lost"] == 0, point
        assert found["states"]["done"] == JOBS, point
        # each lost answer was shown, once, before anything else was sent
        lost = JOBS if point in ("post", "reply", "commit") else 0
        assert len(set(found["unknown"])) == len(found["unknown"]) == found["stops"] == lost, point
    # as the service counts: every job once, every circuit once
    assert seen["requests"]["submit"] == 5 * JOBS
    assert len(seen["circuits"]) == 2 * 5 * JOBS and set(seen["circuits"].values()) == {1}
