"""Where the rows of a set come from: a local file or directory, or a hub; only the wanted ones are read.

A real row of a hub (CAS-SIAT-XinHai/CPsyCoun, shortened)::

    {"instruction": "我最近睡不好。", "input": "", "output": "从什么时候开始的？", "history": []}

Rows of a hub are fetched as they are needed: Hugging Face streams them, ModelScope gives whole files, one after
another. Whoever wants the first 20,000 of 1.7 million rows does not wait for the rest.
"""

import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from qft.data.files import located
from qft.data.rows import ALL, SUFFIXES, Row, numbered, row_files, row_names
from qft.errors import QftError, nearest
from qft.names import shortened

SECONDS = 5
HUBS = ("hf", "modelscope")


def open_rows(
    name: str,
    path: str | None,
    hub: str | None,
    repository: str | None,
    repositories: Mapping[str, str],
    wanted: tuple[range, ...],
    folder: str | None = None,
) -> Iterator[tuple[int, Row]]:
    """``(position, row)`` of the set ``name``, positions counted from 0, for those in any of ``wanted``.

    ``repository`` is the user's own id on the hub, ``repositories`` the set's on each hub; ``folder`` the
    form wanted where a source has several side by side. Raises QftError where no source is given or found.
    """
    if path is not None and hub is not None:
        raise QftError("data.path and data.hub are both given; give one of them.")
    if hub is not None:
        if hub not in HUBS:
            raise QftError(f"data.hub={hub} is unknown.{nearest(hub, HUBS)}")
        repository = repository or repositories.get(hub)
        if repository is None:
            raise QftError(f"data.hub={hub} needs data.repository=OWNER/NAME with data={name}.")
        return hub_rows(hub, repository, *wanted, folder=folder)
    if repository is not None:
        raise QftError(
            f"data.repository={repository} is an id on a hub; say which: data.hub=hf or data.hub=modelscope."
        )
    if path is None or not str(path).strip():
        raise QftError(
            f"data={name} needs its source: data.path=DIR_OR_FILE for local data ({', '.join(SUFFIXES)}), "
            "or data.hub=hf or data.hub=modelscope."
        )
    place = located(path, f"a {', '.join(SUFFIXES)} file or a directory of them")
    files = row_files(place, folder)
    if not files:
        raise QftError(f"data.path={path} holds no {', '.join(SUFFIXES)} file.")
    return numbered(files, *wanted)


def hub_rows(hub: str, dataset_id: str, *wanted: range, folder: str | None = None) -> Iterator[tuple[int, Row]]:
    """``(position, row)`` of the train split for the positions in any of ``wanted`` (none given: all).

    ``folder`` names one of several forms of a set: a configuration on hf, a folder on modelscope.
    QftError, within seconds, where the hub cannot be reached.
    """
    if hub not in HUBS:
        raise QftError(f"data.hub={hub} is unknown.{nearest(hub, HUBS)}")
    fetch = _hugging_face if hub == "hf" else _modelscope
    try:
        yield from fetch(dataset_id, folder, *(wanted or (ALL,)))
    except QftError:
        raise
    except Exception as e:  # the hub libraries raise dozens of kinds, of their own and of their HTTP clients
        raise _unreachable(hub, dataset_id, f"{type(e).__name__}: {e}") from e


def _hugging_face(dataset_id: str, folder: str | None, *wanted: range) -> Iterator[tuple[int, Row]]:
    from huggingface_hub import constants

    # Offline by the user's own setting: the library then looks in its cache only, which is quick.
    online = not constants.HF_HUB_OFFLINE
    if online:
        _knock("hf", dataset_id, constants.ENDPOINT)
    from datasets import load_dataset

    rows: Any = load_dataset(dataset_id, folder, split="train", streaming=online)
    for k, data in enumerate(islice(rows, max(r.stop for r in wanted))):
        if any(k in r for r in wanted):
            yield k, Row(Path(dataset_id), k + 1, dict(data), "row")


def _modelscope(dataset_id: str, folder: str | None, *wanted: range) -> Iterator[tuple[int, Row]]:
    # The files are fetched and read by ourselves: the package's own loader needs an older `datasets` than ours.
    try:
        from modelscope.hub.api import HubApi
        from modelscope.hub.file_download import dataset_file_download
        from modelscope.hub.utils.utils import get_endpoint
    except ImportError as e:
        raise QftError(
            f"data.hub=modelscope needs the package modelscope ({e}); run: pip install 'qft[modelscope]', "
            "or give local data by data.path=DIR_OR_FILE."
        ) from None
    _knock("modelscope", dataset_id, get_endpoint())
    names, page, size = [], 1, 100
    while found := HubApi().get_dataset_files(dataset_id, page_number=page, page_size=size):
        names += [PurePosixPath(f["Path"]) for f in found]
        page += 1
        if len(found) < size:
            break
    chosen = row_names(names, f"{dataset_id} on modelscope", folder)
    if not chosen:
        raise QftError(f"{dataset_id} on modelscope holds no {', '.join(SUFFIXES)} file; use data.path=DIR_OR_FILE.")
    yield from numbered((Path(dataset_file_download(dataset_id, str(name))) for name in chosen), *wanted)


def unreachable_because(address: str) -> str | None:
    """Ask once with a short limit (the libraries retry for up to minutes): the reason, or None if it answers."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=SECONDS):
            return None
    except urllib.error.HTTPError:
        return None  # it answered: reachable, whatever it thinks of the request
    except (OSError, ValueError) as e:
        return str(getattr(e, "reason", e))


def _knock(hub: str, dataset_id: str, address: str) -> None:
    if reason := unreachable_because(address):
        raise _unreachable(hub, dataset_id, reason)


def _unreachable(hub: str, dataset_id: str, reason: str) -> QftError:
    reason = shortened(next(iter(reason.splitlines()), ""), 200).rstrip(".")
    return QftError(
        f"{dataset_id} could not be fetched (data.hub={hub}: {reason}); use a local copy by data.path=DIR_OR_FILE."
    )
