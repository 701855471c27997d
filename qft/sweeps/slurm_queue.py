"""Jobs in the queue of a cluster: what squeue says of them, and which job was submitted for a cell."""

import logging
import os
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import Any, ClassVar

import submitit
from submitit.core.core import InfoWatcher

from qft.records import Document

log = logging.getLogger(__name__)

ENDED = {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT", "GONE"}


@dataclass
class Note(Document):
    """NAME.json: the job that was submitted for a cell."""

    ADVICE: ClassVar[str] = "remove it where no such job is in the queue"

    job: str
    cell: str  # its id


class Queue(InfoWatcher):
    """States of all jobs of this user that are in the queue or left it lately; one that is not there is GONE."""

    def __init__(self) -> None:
        super().__init__(delay_s=30)  # seconds between two polls, at most; the first ones follow more closely
        self._lock = threading.Lock()
        self._silent = False

    def update(self) -> None:
        with self._lock:
            command = ["squeue", "--noheader", "--states=all", f"--user={os.getuid()}", "--format=%i %T"]
            done = subprocess.run(command, capture_output=True, text=True)
            self._last_status_check = time.time()
            if done.returncode:
                if not self._silent:
                    log.warning("squeue does not answer (%s); waiting for it", done.stderr.strip().partition("\n")[0])
                self._silent = True
                return
            self._silent = False
            found = dict(line.split() for line in done.stdout.splitlines())
            self._info_dict = {job: {"State": found.get(job, "GONE")} for job in self._registered}

    def get_state(self, job_id: str, mode: str = "standard") -> str:
        return self.get_info(job_id, mode).get("State", "UNKNOWN")

    def is_done(self, job_id: str, mode: str = "standard") -> bool:
        return self.get_state(job_id, mode) in ENDED


class QueuedJob(submitit.SlurmJob[Any]):
    """A job whose state squeue tells."""

    watcher: Any = Queue()
