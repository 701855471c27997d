"""Jobs at the quantum cloud: list, wait for, fetch and cancel them, and decide about those whose answer was lost.

``qft jobs run=outputs/RUN`` lists what the run's journal holds. ``action=``

    list      number, state and the service's id of each job; needs neither key nor network
    wait      until every open job has ended, storing results
    fetch     ask about every open job once
    cancel    the open jobs, or ``job=N``
    attach    the service has ``job=N``, whose answer was lost, under the id ``task=ID``
    resubmit  the service has not got ``job=N``: send its circuits again
    forget    give ``job=N`` up; its circuits are sent again only if a run needs them
"""

import time
from pathlib import Path
from typing import Any

from qft.cli._output import log, show, start_logging
from qft.config import JobsConfig
from qft.errors import QftError, nearest

ACTIONS = ("list", "wait", "fetch", "cancel", "attach", "resubmit", "forget")
DECISIONS = ("attach", "resubmit", "forget")


def run(config: JobsConfig, overrides: list[str]) -> None:
    """Open the journal, do what ``action`` says, show the jobs."""
    start_logging()
    if config.action not in ACTIONS:
        raise QftError(f"action={config.action} does not exist.{nearest(config.action, ACTIONS)}")
    if config.action in DECISIONS and config.job is None:
        raise QftError(f"action={config.action} needs a job: job=N, as qft jobs lists it.")
    if (config.action == "attach") != (config.task is not None):
        raise QftError("task=ID, the service's id of a job, goes with action=attach, and action=attach needs it.")
    path = _path(config)
    from qft.quantum.journal import Journal

    journal = Journal(path, write=config.action != "list")
    try:
        if config.action in DECISIONS:
            _decide(config, journal)
        elif config.action != "list":
            jobs = [journal.job(config.job)] if config.job is not None else journal.jobs()
            _ask(config, journal, [j for j in jobs if j.state == "submitted"])
        _show(config, journal)
    finally:
        journal.close()


def _path(config: JobsConfig) -> Path:
    from qft.quantum.journal import FILE

    given = config.journal or config.backend["journal"]
    if given:
        return Path(given)
    if config.run is None:
        raise QftError("Whose jobs? Write run=DIR of an evaluated run, or journal=FILE.")
    return Path(config.run) / FILE


def _decide(config: JobsConfig, journal: Any) -> None:
    job = journal.job(config.job)
    if job.state != "unknown":
        raise QftError(f"Job {job.id} is {job.state}: action={config.action} is for jobs whose answer was lost.")
    if config.action == "attach":
        journal.attach(job.id, config.task, "id given by the user")
        return
    # before anything is given up: it may lack the key
    courier = _courier(config, journal, job.url) if config.action == "resubmit" else None
    keys = [key for key, _ in journal.slots(job.id)]
    journal.move(job.id, "failed", "given up by the user")
    if courier is not None:
        if missing := journal.missing(keys):
            journal.plan(missing, len(missing))
        for planned in [j for j in journal.jobs_of(keys) if j.state == "planned"]:
            courier.send(planned)


def _ask(config: JobsConfig, journal: Any, jobs: list[Any]) -> None:
    """wait, fetch or cancel these jobs."""
    from qft.quantum.cloud import Faulty

    if not jobs:
        log.info("There is no such job to %s.", config.action)
        return
    courier = _courier(config, journal, jobs[0].url)
    try:
        if config.action == "wait":
            courier.wait(jobs)
        elif config.action == "cancel":
            courier.cancel(jobs)
        else:
            for job in jobs:
                try:
                    log.info("job %d: %s", job.id, courier.look(job).state)
                except Faulty as error:
                    log.warning("job %d: no useful answer (%s)", job.id, error)
    finally:
        courier.close()


def _courier(config: JobsConfig, journal: Any, url: str | None) -> Any:
    """To the address given, else to that of the jobs."""
    from qft.quantum.cloud import Cloud
    from qft.quantum.courier import Courier, Patience

    b = config.backend
    return Courier(journal, Cloud(b["url"] or url), Patience(b["deadline"], b["poll"], b["poll_max"]))


def _show(config: JobsConfig, journal: Any) -> None:
    jobs = journal.jobs()
    positions, results = journal.served()
    document = {
        "journal": str(journal.path),
        "experiment": journal.experiment,
        "jobs": [vars(j) for j in jobs],
        "states": journal.counts(),
        "circuits_sent": journal.sent(),
        "results": results,
        "readouts": positions,
    }
    rows = [
        [j.id, j.state, j.circuits, j.task, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(j.changed)), j.note]
        for j in jobs
    ]
    columns = ["job", "state", "circuits", "id at the service", "since", "note"]
    show(config.format, document, str(journal.path), columns, rows)
    if config.format == "table":
        print(f"  {journal.sent():,} circuits sent, {results:,} results for {positions:,} read-outs")
    if unknown := [j.id for j in jobs if j.state == "unknown"]:
        log.warning(
            "Whether the service has job %s is unknown: look there, then action=attach task=ID, resubmit or forget "
            "with job=%d.",
            ", ".join(map(str, unknown)),
            unknown[0],
        )
