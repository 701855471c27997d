"""IBM's service on the loopback interface, in a process of its own: what qiskit-ibm-runtime 0.51 is seen to send.

    python ibm_emulator.py [SECONDS]        prints its port, then serves until standard input closes

A chip ``ibm_test`` of five qubits runs without noise. ``POST /control`` and ``GET /control`` as for ``emulator.py``,
with "late" besides: how many look-ups do not list a job yet. where of a fault: token, backends, usage, submit, jobs,
job, results, cancel. what: drop (before it is handled), lose_reply (after), taken_500 (after, an error), a status,
garbage, no_id, other_tag (of a listed job), few (of the results), state, fail, cancelled, stuck, other_id.
"""

import base64
import importlib.resources
import json
import os
import random
import re
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import until_alone
from qiskit.primitives import BackendSamplerV2
from qiskit_aer import AerSimulator
from qiskit_ibm_runtime import RuntimeDecoder, RuntimeEncoder

CHIP = "ibm_test"
MANILA = importlib.resources.files("qiskit_ibm_runtime.fake_provider.backends.manila")
ROUTES = [
    (r"POST /identity/token", "token"),
    (r"GET /experimental/backends", "backends"),
    (r"GET /experimental/backends/(\w+)/(configuration|properties|status)", "chip"),
    (r"GET /experimental/instances/usage", "usage"),
    (r"POST /experimental/jobs", "submit"),
    (r"GET /experimental/jobs", "jobs"),
    (r"GET /experimental/jobs/([\w-]+)", "job"),
    (r"GET /experimental/jobs/([\w-]+)/results", "results"),
    (r"POST /experimental/jobs/([\w-]+)/cancel", "cancel"),
]


class Service:
    """What the emulator knows: its settings, its jobs and what was asked of it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.settings: dict[str, Any] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.requests: Counter[str] = Counter()
        self.random = random.Random(1)
        self.name = f"job{os.getpid()}"

    def set(self, settings: dict[str, Any]) -> None:
        if settings.pop("forget", False):
            self.requests, self.jobs = Counter(), {}
        self.settings |= settings

    def fault(self, where: str) -> dict[str, Any]:
        for fault in self.settings.get("faults", []):
            if fault["where"] != where or fault.get("times", 1) == 0 or self.random.random() >= fault.get("rate", 1):
                continue
            if "times" in fault:
                fault["times"] -= 1
            return fault
        return {}

    def submit(self, body: dict[str, Any]) -> str:
        task = f"{self.name}-{len(self.jobs):05d}"
        self.jobs[task] = {
            "params": body["params"],
            "tags": body.get("tags", []),
            "chip": body["backend"],
            "state": None,
        }
        self.jobs[task] |= {"polls": 0, "program": body["program_id"]}
        return task

    def described(self, task: str, what: str | None = None) -> dict[str, Any]:
        job = self.jobs[task]
        if job["state"] is None and what in ("fail", "cancelled"):
            job["state"] = {"fail": "Failed", "cancelled": "Cancelled"}[what]
        state = "Strange" if what == "state" else job["state"] or "Queued"
        reason = {"Failed": "calibration was lost"}.get(state)
        tags = ["another"] if what == "other_tag" else job["tags"]
        return {
            **{"id": "other" if what == "other_id" else task, "backend": job["chip"], "tags": tags},
            **{"state": {"status": state, "reason": reason}, "status": state, "program": {"id": "sampler"}},
        }

    def job(self, task: str, what: str | None) -> dict[str, Any]:
        job = self.jobs[task]
        job["polls"] += 1
        if job["state"] is None and job["polls"] > self.settings.get("polls", 0) and what is None:
            job["state"] = "Completed"
        return self.described(task, what)

    def results(self, task: str, what: str | None) -> str:
        """Run when asked for, once."""
        job = self.jobs[task]
        if job["state"] == "Failed":
            return "calibration was lost"
        if "answer" not in job:
            pubs = json.loads(json.dumps(job["params"]), cls=RuntimeDecoder)["pubs"]
            seed = len(self.jobs)
            sampler = BackendSamplerV2(backend=AerSimulator(seed_simulator=seed))
            result = sampler.run([(pub[0], pub[1], pub[2]) for pub in pubs]).result()
            job["answer"] = json.dumps(result, cls=RuntimeEncoder)
        if what == "few":
            parts = json.loads(job["answer"])
            parts["__value__"]["pub_results"] = parts["__value__"]["pub_results"][:-1]
            return json.dumps(parts)
        return str(job["answer"])

    def seen(self) -> dict[str, Any]:
        jobs = {task: {k: job[k] for k in ("tags", "chip", "state", "polls")} for task, job in self.jobs.items()}
        return {"requests": dict(self.requests), "jobs": jobs}


SERVICE = Service()


def access_token() -> str:
    parts = ({"alg": "RS256", "typ": "JWT"}, {"iat": int(time.time()), "exp": int(time.time()) + 3600})
    texts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*texts, "c2lnbmVk"])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def reply(self, content: Any, status: int = 200) -> None:
        body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.answer("")

    def do_POST(self) -> None:
        self.answer(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())

    def answer(self, body: str) -> None:
        with SERVICE.lock:
            address = urlsplit(self.path)
            if address.path == "/control":
                SERVICE.set(json.loads(body or "{}"))
                return self.reply(SERVICE.seen())
            for pattern, where in ROUTES:
                if found := re.fullmatch(pattern, f"{self.command} {address.path}"):
                    return self.route(where, found.groups(), parse_qs(address.query), body)
            return self.reply({"errors": [{"code": 404, "message": f"no such address {self.path}"}]}, 404)

    def route(self, where: str, parts: tuple[str, ...], query: dict[str, list[str]], body: str) -> None:
        SERVICE.requests[where] += 1
        what = SERVICE.fault(where).get("what")
        if what == "drop":
            self.close_connection = True
            return
        echo = f"for {self.headers.get('Authorization')} and {SERVICE.settings.get('key')}"  # the worst case
        if what == "garbage":
            return self.reply('{"jobs": [')
        if what and what.isdecimal():
            return self.reply({"errors": [{"code": int(what), "message": f"error {what} {echo}"}]}, int(what))
        try:
            content = self.content(where, parts, query, body, what)
        except KeyError as error:
            return self.reply({"errors": [{"code": 1291, "message": f"not found: {error}"}]}, 404)
        if what == "lose_reply":
            self.close_connection = True
            return
        self.reply(content, 500 if what == "taken_500" else 200)

    def content(
        self, where: str, parts: tuple[str, ...], query: dict[str, list[str]], body: str, what: str | None
    ) -> Any:
        if where == "token":
            if parse_qs(body)["apikey"] != [SERVICE.settings.get("key")]:
                raise KeyError("the key")
            return {"access_token": access_token(), "expires_in": 3600, "token_type": "Bearer"}
        if where == "backends":
            return {"devices": [{"name": CHIP, "class": "real"}]}
        if where == "usage":
            return {"usage_consumed_seconds": 1}
        if where == "chip":
            return self.chip(*parts)
        if where == "submit":
            task = SERVICE.submit(json.loads(body))
            return {"backend": CHIP} if what == "no_id" else {"id": task, "backend": CHIP}
        if where == "jobs":
            return self.listed(query.get("tags", []), what)
        if where == "job":
            return SERVICE.job(parts[0], what)
        if where == "results":
            return SERVICE.results(parts[0], what)
        job = SERVICE.jobs[parts[0]]
        job["state"] = "Cancelled"
        return {}

    def listed(self, tags: list[str], what: str | None) -> Any:
        if SERVICE.settings.get("late"):
            SERVICE.settings["late"] -= 1
            return {"jobs": [], "count": 0}
        tasks = [task for task, job in SERVICE.jobs.items() if set(tags) <= set(job["tags"])]
        return {"jobs": [SERVICE.described(task, what) for task in tasks], "count": len(tasks)}

    def chip(self, name: str, part: str) -> Any:
        if name != CHIP:
            raise KeyError(name)
        if part == "status":
            return {"state": SERVICE.settings.get("online", True), "status": "active", "length_queue": 3}
        short = {"configuration": "conf", "properties": "props"}[part]
        return json.loads((MANILA / f"{short}_manila.json").read_text()) | {"backend_name": CHIP}


if __name__ == "__main__":
    until_alone.serve(Handler)
