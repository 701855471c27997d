"""The cloud service on the loopback interface, in a process of its own (the real client holds the GIL).

    python emulator.py [SECONDS]        prints its port, then serves until standard input closes

Speaks what pyqpanda3.qcloud sends: submit, taskDetail, cancelTask, the list of chips. Submitted OriginIR runs on
pyqpanda3's own simulator. ``POST /control`` sets how it behaves, ``GET /control`` says what it has seen:

    {"key": "k", "delay": 0.1, "reorder": 4, "polls": 2, "exact": true, "online": true,
     "forget": true, "faults": [{"where": "submit", "what": "lose_reply", "rate": 1.0, "times": 1}]}

where: list, submit, detail, cancel. what: drop (before it is handled), lose_reply (after), a status such as 401, 429
(in the service's own words) or 500, answer (``body`` in Latin-1, with ``status`` and ``type``), refuse (success:
false), garbage (no JSON), short (one result too few), broken (results that are no counts), few (counts that do not add
up), state (one that does not exist), fail (job failed), stuck (never finishes), no_id, other_id (of another job).
"""

import json
import os
import random
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler
from typing import Any

import numpy as np
import until_alone
from pyqpanda3.core import CPUQVM
from pyqpanda3.intermediate_compiler import convert_originir_string_to_qprog

PATHS = {
    "/oqcs/task/getResourceList.json": "list",
    "/oqcs/task/origin/submit.json": "submit",
    "/oqcs/task/origin/taskDetail.json": "detail",
    "/oqcs/task/cancelTask.json": "cancel",
}


class Service:
    """What the emulator knows: its settings, its jobs and what was asked of it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.settings: dict[str, Any] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.circuits: Counter[str] = Counter()  # submissions of each circuit text
        self.requests: Counter[str] = Counter()
        self.shapes: list[int] = []  # circuits in each submission
        self.random = random.Random(1)
        self.name = f"TASK{os.getpid()}"

    def set(self, settings: dict[str, Any]) -> None:
        if settings.pop("forget", False):  # counts start afresh; numbers of jobs go on
            self.circuits, self.requests, self.shapes = Counter(), Counter(), []
        self.settings |= settings
        if "seed" in settings:
            self.random = random.Random(settings["seed"])

    def fault(self, where: str) -> dict[str, Any]:
        """The fault that strikes this request, {} if none does."""
        for fault in self.settings.get("faults", []):
            if fault["where"] != where or fault.get("times", 1) == 0 or self.random.random() >= fault.get("rate", 1):
                continue
            if "times" in fault:
                fault["times"] -= 1
            return fault
        return {}

    def submit(self, body: dict[str, Any]) -> str:
        texts = body["QProg"] if isinstance(body["QProg"], list) else [body["QProg"]]
        number = len(self.jobs)
        delay, block = self.settings.get("delay", 0.0), self.settings.get("reorder", 1)
        task = f"{self.name}-{number:05d}"
        self.circuits.update(texts)
        self.shapes.append(len(texts))
        self.jobs[task] = {
            "texts": texts,
            "shots": body["Configuration"]["shot"],
            "configuration": body["Configuration"],
            "chip": body["ChipID"],
            "ready": time.monotonic() + delay * (block - number % block),
            "polls": 0,
            "state": None,
        }
        return task

    def detail(self, task: str, what: str | None) -> dict[str, Any]:
        job = self.jobs[task]
        job["polls"] += 1
        if what == "fail" and job["state"] is None:
            job["state"] = "4"
        waiting = time.monotonic() < job["ready"] or job["polls"] <= self.settings.get("polls", 0)
        if job["state"] is None and not waiting and what != "stuck":
            job["results"] = [self.run(text, job["shots"]) for text in job["texts"]]
            job["state"] = "3"
        state = job["state"] or ("5" if job["polls"] < 2 else "2")
        other = f"{self.name}-99999"
        answer: dict[str, Any] = {"taskId": other if what == "other_id" else task}
        answer["taskState"] = "9" if what == "state" else state
        if state == "4":
            answer |= {"errorMessage": "calibration was lost", "errorDetail": "calibration was lost"}
        if answer["taskState"] == "3":
            results = job["results"][: -1 if what == "short" else None]
            counts = [json.dumps({"key": list(c), "value": list(c.values())}) for c in results]
            if what == "broken":
                counts = [c[: len(c) // 2] for c in counts]
            if what == "few":
                counts = [json.dumps({"key": list(c)[:1], "value": [1]}) for c in results]
            probabilities = [
                json.dumps({"key": list(c), "value": [v / job["shots"] for v in c.values()]}) for c in results
            ]
            answer |= {"taskResult": probabilities, "probCount": counts, "measureQubitSize": [4] * len(counts)}
        return answer

    def run(self, text: str, shots: int) -> dict[str, int]:
        machine = CPUQVM()
        prog = convert_originir_string_to_qprog(text)
        machine.run(prog, 1 if self.settings.get("exact") else shots)
        if not self.settings.get("exact"):
            counts = machine.result().get_counts()
        else:  # the expected numbers of counts, rounded so that they add up
            bare = "\n".join(line for line in text.splitlines() if not line.startswith("MEASURE"))
            lines = [line.split()[1] for line in text.splitlines() if line.startswith("MEASURE")]
            measured = [int(part.split("[")[1].split("]")[0]) for part in lines]  # qubit of c[0], c[1], ...
            machine.run(convert_originir_string_to_qprog(bare), 1)
            p = np.abs(np.array(machine.result().get_state_vector())) ** 2
            sums: Counter[str] = Counter()
            for index, value in enumerate(p):
                sums["".join(str(index >> q & 1) for q in reversed(measured))] += value
            share = {k: int(v * shots) for k, v in sums.items()}
            share[max(sums, key=lambda k: sums[k])] += shots - sum(share.values())
            counts = {k: v for k, v in share.items() if v}
        return {hex(int(k, 2)): v for k, v in counts.items()}

    def seen(self) -> dict[str, Any]:
        return {
            "requests": dict(self.requests),
            "circuits": dict(self.circuits),
            "shapes": self.shapes,
            "jobs": {
                t: {k: j[k] for k in ("texts", "shots", "chip", "state", "polls", "configuration")}
                for t, j in self.jobs.items()
            },
        }


SERVICE = Service()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def reply(self, content: Any, status: int = 200, kind: str = "application/json") -> None:
        body = content.encode("latin-1") if isinstance(content, str) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.answer({})

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(json.loads(text or b"{}"))

    def answer(self, body: dict[str, Any]) -> None:
        with SERVICE.lock:
            if os.environ.get("EMULATOR_DUMP"):
                print(self.command, self.path, dict(self.headers), json.dumps(body)[:3000], file=sys.stderr, flush=True)
            if self.path == "/control":
                SERVICE.set(body)
                return self.reply(SERVICE.seen())
            where = PATHS.get(self.path)
            if where is None:
                return self.reply({"success": False, "code": 404, "message": f"no such address {self.path}"}, 404)
            SERVICE.requests[where] += 1
            fault = SERVICE.fault(where)
            what = fault.get("what")
            if what == "drop":
                return self.hang_up()
            if what == "answer":
                return self.reply(fault["body"], fault.get("status", 200), fault.get("type", "application/json"))
            if what == "429":
                return self.reply({"success": False, "code": 10429, "message": "too many requests", "obj": None}, 429)
            if what and what.isdecimal():
                return self.reply({"message": f"error {what} for {self.headers.get('Authorization')}"}, int(what))
            if what == "garbage":
                return self.reply('{"success": tru')
            key = SERVICE.settings.get("key")
            if what == "refuse" or (key and self.headers.get("Authorization") != f"oqcs_auth={key}"):
                message = f"apiToken {self.headers.get('Authorization')} is not valid"  # echoes the key: worst case
                return self.reply({"success": False, "code": 10001, "message": message, "obj": None})
            try:
                obj = getattr(self, where)(body, what)
            except Exception as error:
                return self.reply({"success": False, "code": 10002, "message": f"{type(error).__name__}: {error}"})
            if what == "lose_reply":
                return self.hang_up()
            return self.reply(obj if where == "list" else {"success": True, "code": 10000, "message": "", "obj": obj})

    def hang_up(self) -> None:
        self.close_connection = True

    def list(self, body: dict[str, Any], what: str | None) -> Any:
        return [{"machineType": 5, "onlineFlag": SERVICE.settings.get("online", True), "sinanChipId": "72"}]

    def submit(self, body: dict[str, Any], what: str | None) -> Any:
        task = SERVICE.submit(body)
        return {"taskId": {"no_id": "", "other_id": list(SERVICE.jobs)[-2:][0]}.get(what or "", task)}

    def detail(self, body: dict[str, Any], what: str | None) -> Any:
        return SERVICE.detail(body["taskId"], what)

    def cancel(self, body: dict[str, Any], what: str | None) -> Any:
        job = SERVICE.jobs[body["taskId"]]
        if job["state"] is not None:
            raise ValueError("the task has ended")
        job["state"] = "4"
        return {}


if __name__ == "__main__":
    until_alone.serve(Handler)
