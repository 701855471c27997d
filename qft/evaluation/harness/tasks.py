"""The tasks that ``evaluation.harness`` names, with their data: loaded before a model, so that a typo costs little.

The index of all tasks of lm-evaluation-harness is built from 12,000 files. It is passed over where the folder that a
name begins with holds the task (``gsm8k``, ``arc_easy``).
"""

import difflib
import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any

from qft.data.files import locate
from qft.errors import QftError, first_line
from qft.evaluation.harness import task_files
from qft.names import shortened

log = logging.getLogger(__name__)
SEED = 1234  # of the few shots, the harness's own
SHOWN = 8  # names that a message lists


@dataclass(frozen=True)
class Selection:
    """What ``evaluation.harness`` and its options ask for.

    Attributes:
        names: Tasks, groups and tags.
        directory: Of task yamls; None: the harness's own tasks alone.
        shots: Examples before each question; None: as each task has it.
        limit: Questions of each task; None: all.
        chat: Whether questions are put into the chat template.
        trusted: Whether code of the task yamls may run.
    """

    names: tuple[str, ...]
    directory: Path | None = None
    shots: int | None = None
    limit: int | None = None
    chat: bool = False
    trusted: bool = False


@dataclass(frozen=True)
class Tasks:
    """Loaded tasks.

    Attributes:
        selection: What was asked for.
        loaded: As ``TaskManager.load`` gives them: tasks and groups by name.
        digests: Task -> SHA-256 over its config, its questions and what else decides its scores.
    """

    selection: Selection
    loaded: Any
    digests: dict[str, str]


def select(
    names: Sequence[str], directory: str | None, shots: int | None, limit: int | None, chat: bool, trusted: bool
) -> Selection:
    """Check what can be checked without lm-evaluation-harness, which takes long to import.

    Raises:
        QftError: The extra is not installed, the directory is none, or its files may run code and are not trusted.
    """
    if util.find_spec("lm_eval") is None:
        raise QftError("evaluation.harness needs the package lm_eval; run: pip install 'qft[harness]'.")
    if empty := [name for name in names if not isinstance(name, str) or not name.strip()]:
        raise QftError(f"evaluation.harness={empty[0]!r} is no name of a task, such as gsm8k.")
    place = None
    if directory is not None:
        place = locate(directory, "a directory of task yamls", "evaluation.harness_tasks")
        if not place.is_dir():
            raise QftError(f"evaluation.harness_tasks={directory} is a file; give the directory it is in.")
        task_files.find(place)
        if not trusted:
            task_files.check(place)
    return Selection(tuple(dict.fromkeys(names)), place, shots, limit, chat, trusted)


def load(selection: Selection) -> Tasks:
    """Load tasks and their data.

    Raises:
        QftError: A name is unknown, data cannot be fetched or read, or a task runs what a model writes and is not
            trusted.
    """
    from lm_eval.tasks import TaskManager

    with guarded(selection):
        manager = _manager(TaskManager, selection)
        unknown = [name for name in selection.names if name not in manager.task_index]
        if unknown:
            close = difflib.get_close_matches(unknown[0], manager.all_tasks, n=SHOWN)
            raise QftError(
                f"evaluation.harness={shortened(unknown[0])} is no task of lm-evaluation-harness"
                f"{'' if selection.directory is None else f' or of {selection.directory}'}."
                f"{' Near it: ' + ', '.join(close) + '.' if close else ' lm_eval ls tasks lists them.'}"
            )
        loaded = manager.load(list(selection.names))
        for name, task in loaded["tasks"].items():
            if task.config.unsafe_code and not selection.trusted:
                raise QftError(f"evaluation.harness={name} runs code that the model writes; {task_files.TRUST}.")
            if selection.shots is not None and task.get_config("num_fewshot") != 0:
                task.set_config("num_fewshot", selection.shots)
            elif task.get_config("num_fewshot") is None:
                task.set_config("num_fewshot", 0)
            task.set_fewshot_seed(SEED)
        digests = {name: _digest(task, selection) for name, task in loaded["tasks"].items()}
    return Tasks(selection, loaded, digests)


@contextmanager
def guarded(selection: Selection) -> Iterator[None]:
    """Tasks that are not trusted have no more than templates in a sandbox; whatever fails is one sentence."""
    before = logging.getLogger("lm_eval").level
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    try:
        with nullcontext() if selection.trusted else task_files.sandboxed():
            yield
    except QftError:
        raise
    except Exception as error:  # files, hubs and templates of others fail in as many ways as there are tasks
        why = shortened(f"{type(error).__name__}: {first_line(error)}", 300).rstrip(".")
        local = "; tasks over local files are given by evaluation.harness_tasks=DIR"
        advice = local if isinstance(error, ConnectionError) else ""
        raise QftError(f"evaluation.harness={','.join(selection.names)} failed ({why}){advice}.") from error
    finally:
        logging.getLogger("lm_eval").setLevel(before)


def _manager(kind: Any, selection: Selection) -> Any:
    """The index of tasks: of the user's directory and the folders that the names begin with, else of all there are."""
    own = [] if selection.directory is None else [selection.directory]
    packaged = Path(util.find_spec("lm_eval").submodule_search_locations[0]) / "tasks"  # type: ignore[union-attr, index]
    named = {name.split("_")[0] for name in selection.names} | set(selection.names)
    folders = [packaged / name for name in sorted(named) if name.isidentifier() and (packaged / name).is_dir()]
    small = kind(include_path=[*folders, *own], include_defaults=False)
    members = (small.task_index.get(name) for name in selection.names)
    if all(entry is not None and entry.kind.name == "TASK" for entry in members):
        return small
    log.info("reading the index of lm-evaluation-harness's tasks")
    return kind(include_path=own or None)


def _digest(task: Any, selection: Selection) -> str:
    from lm_eval import __version__

    digest = hashlib.sha256()
    config = {k: v for k, v in task.config.to_dict().items() if k != "metadata"}
    asked = [__version__, config, selection.limit, selection.chat]
    digest.update(json.dumps(asked, sort_keys=True, default=str).encode())
    for k, doc in enumerate(task.eval_docs):
        if selection.limit is not None and k >= selection.limit:
            break
        digest.update(json.dumps(doc, sort_keys=True, default=str).encode())
    return digest.hexdigest()
