"""Jobs at a quantum cloud: list, wait for, fetch and cancel them, and decide about those whose answer was lost.

``qft jobs RUN`` (or ``run=RUN``, a name below outputs or a path) lists what the run's journal holds. ``action=``

    list      number, state and the service's id of each job; needs neither key nor network
    wait      until every open job has ended, storing results
    fetch     ask about every open job once
    find      ask the service for jobs whose answer was lost, where it can look them up
    cancel    the open jobs, or ``job=N``; one that was never sent is dropped
    attach    the service has ``job=N`` under the id ``task=ID``
    detach    take the id of ``job=N`` away again: a wrong one, or of a job that the service has forgotten
    resubmit  send the circuits of ``job=N`` that have no result (again); what was lost may then be paid for twice
    forget    give ``job=N`` up; its circuits are sent again only if a run needs them
    devices   list the service's chips; needs no run
"""

import time
from pathlib import Path
from typing import Any

from qft.cli._command import Command
from qft.cli._output import log, show
from qft.compose import configs
from qft.compose.words import words_as
from qft.config import JobsConfig
from qft.errors import QftError, nearest
from qft.names import shortened
from qft.progress import start_logging
from qft.runs import stored

ACTIONS = ("list", "wait", "fetch", "find", "cancel", "attach", "detach", "resubmit", "forget", "devices")
DECISIONS = ("attach", "detach", "resubmit", "forget")
# states in which each action of a single job makes sense; docs/hardware.md says where it leads
TAKES = {
    "wait": ("submitted",),
    "fetch": ("submitted",),
    "find": ("unknown",),
    "cancel": ("submitted", "planned"),
    "attach": ("planned", "unknown", "failed", "cancelled", "dropped"),
    "detach": ("submitted",),  # and whatever came of an id given by hand
    "resubmit": ("planned", "unknown", "failed", "cancelled", "dropped"),
    "forget": ("planned", "unknown"),
}

USAGE = "[RUN]"


def arguments(args: list[str]) -> list[str]:
    """``qft jobs DIR`` is ``qft jobs run=DIR``."""
    return words_as("run", args)


def run(config: JobsConfig) -> None:
    """Open the journal, do what ``action`` says, show the jobs."""
    start_logging()
    if configs.service(config.backend["name"]) is None:
        raise QftError(f"backend={config.backend['name']} sends no jobs; leave it out.")
    if config.action not in ACTIONS:
        raise QftError(f"action={config.action} does not exist.{nearest(config.action, ACTIONS)}")
    if config.action in DECISIONS and config.job is None:
        raise QftError(f"action={config.action} needs a job: job=N, as qft jobs lists it.")
    if (config.action == "attach") != (config.task is not None):
        raise QftError("task=ID, the service's id of a job, goes with action=attach, and action=attach needs it.")
    if config.action in ("devices", "find"):
        from qft.quantum.hardware import clients

        client = clients.of(config.backend["name"])
        if config.action == "devices":
            return _show_devices(config, client.connect(config.backend))
        if not client.finds:
            raise QftError(
                f"backend={config.backend['name']} cannot look a job up: find it on the pages of the service, then "
                "action=attach."
            )
    path = _path(config)
    from qft.quantum.hardware.journal import Journal

    journal = Journal(path, write=config.action != "list", moved=config.backend["moved"])
    try:
        if config.action in DECISIONS:
            _decide(config, journal, _chosen(config, journal))
        elif config.action != "list":
            jobs = [_chosen(config, journal)] if config.job is not None else journal.jobs(*TAKES[config.action])
            _ask(config, journal, jobs)
        _show(config, journal)
    finally:
        journal.close()


def _path(config: JobsConfig) -> Path:
    from qft.quantum.hardware.journal import file_of

    given = config.journal or config.backend["journal"]
    if given:
        return Path(given)
    if config.run is None:
        raise QftError("Name the jobs to list: run=DIR of an evaluated run, or journal=FILE.")
    run, name = stored.find(config.run, config.output_dir), config.backend["name"]
    others = sorted(file.stem for file in run.glob("*.sqlite") if configs.service(file.stem))
    if name not in others and others:
        raise QftError(f"{run} has no jobs of backend={name}; say backend={others[0]}.")
    return run / file_of(name)


def _chosen(config: JobsConfig, journal: Any) -> Any:
    """Find the job that ``job=`` names. Raises QftError where the action does not apply to its state."""
    job, action = journal.job(config.job), config.action
    possible = [a for a in TAKES if job.state in TAKES[a]]
    if job.by_hand and job.task and "detach" not in possible:
        possible.append("detach")
    if action not in possible:
        rest = f"possible: {', '.join(possible)}" if possible else "there is nothing to do"
        raise QftError(f"Job {job.id} is {job.state}, so action={action} does not apply; {rest}.")
    return job


def _decide(config: JobsConfig, journal: Any, job: Any) -> None:
    if config.action == "attach":
        _attach(config, journal, job)
    elif config.action == "detach":
        journal.detach(job.id)
    elif config.action == "forget":
        _give_up(journal, job)
    else:
        runner = _job_runner(config, journal, job.url)  # before anything is given up: it may lack the key
        keys = [key for key, _ in journal.programs(job.id)]
        if job.state != "planned":
            _give_up(journal, job)
            if missing := journal.missing(keys):
                journal.plan(missing, len(missing))
        for planned in [j for j in journal.open_jobs(keys) if j.state == "planned"]:
            runner.submit(planned)


def _attach(config: JobsConfig, journal: Any, job: Any) -> None:
    from qft.quantum.hardware import clients

    clients.of(config.backend["name"]).check_task(str(config.task))
    journal.attach_by_hand(job.id, config.task, config.backend.get("url") or job.url)


def _give_up(journal: Any, job: Any) -> None:
    """Stop waiting for the result of a job."""
    if job.state == "planned":
        journal.set_state(job.id, "dropped", "never sent, given up by the user")
    elif job.state == "unknown":
        journal.set_state(job.id, "failed", "given up by the user")


def _ask(config: JobsConfig, journal: Any, jobs: list[Any]) -> None:
    """wait, fetch, find or cancel these jobs."""
    for job in jobs if config.action == "cancel" else []:
        if job.state == "planned":
            _give_up(journal, job)
    jobs = [j for j in jobs if j.state == ("unknown" if config.action == "find" else "submitted")]
    if not jobs:
        log.info("There is no job to %s.", config.action)
        return
    from qft.quantum.hardware.clients.base import Faulty

    runner = _job_runner(config, journal, jobs[0].url)
    poller = runner.poller
    try:
        if config.action == "find":
            _find(config, runner, jobs)
        elif config.action == "wait":
            poller.wait(jobs)
        elif config.action == "cancel":
            poller.cancel(jobs)
        else:
            for job in jobs:
                try:
                    log.info("job %d: %s", job.id, poller.fetch(job).state)
                except Faulty as error:
                    log.warning("job %d: no useful answer (%s)", job.id, error)
    finally:
        poller.close()


def _find(config: JobsConfig, runner: Any, jobs: list[Any]) -> None:
    for job in jobs:
        if not runner.look_up(job):
            log.info("%s does not list job %d.", runner.client.service, job.id)


def _show_devices(config: JobsConfig, client: Any) -> None:
    devices = client.devices()
    rows = [[d.name, "yes" if d.online else "no", d.qubits, d.waiting, ", ".join(d.aliases)] for d in devices]
    columns = ["chip", "online", "qubits", "jobs waiting", "also called"]
    show(config.format, {"devices": [vars(d) for d in devices]}, f"chips of {client.service}", columns, rows)


def _job_runner(config: JobsConfig, journal: Any, sent_to: str | None) -> Any:
    """To the address the user gives now: the journal's own may be a stranger's, and would be sent the key."""
    from qft.quantum.hardware import clients
    from qft.quantum.hardware.job_runner import JobRunner
    from qft.quantum.hardware.poller import Waiting

    b = config.backend
    if b.get("url") is None and sent_to is not None:
        raise QftError(
            f"The journal says that the job was sent to {shortened(sent_to, 200)}. The key goes only where "
            "you say: if you know that address, repeat it as backend.url=ADDRESS."
        )
    client = clients.of(b["name"]).connect(b)
    return JobRunner(journal, client, Waiting(b["deadline"], b["poll"], b["poll_max"]))


def _show(config: JobsConfig, journal: Any) -> None:
    jobs = journal.jobs()
    positions, results = journal.served()
    document = {
        "journal": str(journal.path),
        "experiment": journal.experiment,
        "jobs": [vars(j) for j in jobs],
        "states": journal.state_counts(),
        "circuits_sent": journal.circuits_sent(),
        "results": results,
        "readouts": positions,
    }
    rows = [[j.id, j.state, j.circuits, j.task, _when(j.changed), j.note] for j in jobs]
    columns = ["job", "state", "circuits", "id at the service", "since", "note"]
    show(config.format, document, str(journal.path), columns, rows)
    if config.format == "table":
        print(f"  {journal.circuits_sent():,} circuits sent, {results:,} results for {positions:,} read-outs")
    if unknown := [j.id for j in jobs if j.state == "unknown"]:
        log.warning(
            "Whether the service has job %s is unknown: look there, then action=attach task=ID, resubmit or forget "
            "with job=%d.",
            ", ".join(map(str, unknown)),
            unknown[0],
        )


def _when(seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    except (OverflowError, ValueError, OSError):  # of a journal that says so
        return "?"


COMMAND = Command(JobsConfig, run, arguments)
