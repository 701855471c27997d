"""Where the rows of a set come from: a local file or directory, or a hub. Only the rows that are needed are read.

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

from qft.data.files import SUFFIXES, locate, row_files, row_names
from qft.data.rows import ALL, Row, numbered
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
    positions: tuple[range, ...],
    folder: str | None = None,
) -> Iterator[tuple[int, Row]]:
    """``(position, row)`` for each row of a set whose position is in any of the ranges ``positions``.

    Args:
        name: The set, for messages.
        path: ``data.path``: a local file or directory.
        hub: ``data.hub``: hf or modelscope.
        repository: ``data.repository``: the id on the hub that the user gave.
        repositories: Hub -> the set's usual id on it.
        positions: Ranges of positions, from 0.
        folder: The form to read where a source holds several side by side.

    Raises:
        QftError: No source is given, or two are; it does not exist, cannot be reached, or holds no rows.
    """
    if path is not None and hub is not None:
        raise QftError("data.path and data.hub are both given; give one of them.")
    if hub is not None:
        if hub not in HUBS:
            raise QftError(f"data.hub={hub} is unknown.{nearest(hub, HUBS)}")
        repository = repository or repositories.get(hub)
        if repository is None:
            raise QftError(f"data.hub={hub} needs data.repository=OWNER/NAME with data={name}.")
        return hub_rows(hub, repository, *positions, folder=folder)
    if repository is not None:
        raise QftError(
            f"data.repository={repository} is an id on a hub; say which: data.hub=hf or data.hub=modelscope."
        )
    if path is None or not str(path).strip():
        raise QftError(
            f"data={name} needs its source: data.path=DIR_OR_FILE for local data ({', '.join(SUFFIXES)}), "
            "or data.hub=hf or data.hub=modelscope."
        )
    place = locate(path, f"a {', '.join(SUFFIXES)} file or a directory of them")
    files = row_files(place, folder)
    if not files:
        raise QftError(f"data.path={path} holds no {', '.join(SUFFIXES)} file.")
    return numbered(files, *positions)


def hub_rows(hub: str, dataset_id: str, *positions: range, folder: str | None = None) -> Iterator[tuple[int, Row]]:
    """``(position, row)`` of the train split for the positions in any of ``positions``; without any, of all.

    Args:
        hub: hf or modelscope.
        dataset_id: OWNER/NAME on that hub.
        positions: Ranges of positions, from 0.
        folder: One of several forms of the set: a configuration on hf, a folder on modelscope.

    Raises:
        QftError: The hub is unknown, or cannot be reached (within seconds).
    """
    if hub not in HUBS:
        raise QftError(f"data.hub={hub} is unknown.{nearest(hub, HUBS)}")
    fetch = _hugging_face if hub == "hf" else _modelscope
    try:
        yield from fetch(dataset_id, folder, *(positions or (ALL,)))
    except QftError:
        raise
    except Exception as e:  # the libraries raise dozens of kinds, their own and those of their HTTP clients
        raise _unreachable(hub, dataset_id, f"{type(e).__name__}: {e}") from e


def _hugging_face(dataset_id: str, folder: str | None, *positions: range) -> Iterator[tuple[int, Row]]:
    from huggingface_hub import constants

    # Offline by the user's setting: the library then uses only its cache, which is quick.
    online = not constants.HF_HUB_OFFLINE
    if online:
        check_reachable("hf", dataset_id, constants.ENDPOINT)
    from datasets import load_dataset

    rows: Any = load_dataset(dataset_id, folder, split="train", streaming=online)
    for k, data in enumerate(islice(rows, max(r.stop for r in positions))):
        if any(k in r for r in positions):
            yield k, Row(Path(dataset_id), k + 1, dict(data), "row")


def _modelscope(dataset_id: str, folder: str | None, *positions: range) -> Iterator[tuple[int, Row]]:
    # We fetch and read the files ourselves: the package's loader needs an older `datasets` than ours.
    try:
        from modelscope.hub.api import HubApi
        from modelscope.hub.file_download import dataset_file_download
        from modelscope.hub.utils.utils import get_endpoint
    except ImportError as e:
        raise QftError(
            f"data.hub=modelscope needs the package modelscope ({e}); run: pip install 'qft[modelscope]', "
            "or give local data by data.path=DIR_OR_FILE."
        ) from None
    check_reachable("modelscope", dataset_id, get_endpoint())
    names: list[PurePosixPath] = []
    page, size = 1, 100
    while listed := HubApi().get_dataset_files(dataset_id, page_number=page, page_size=size):
        names += [PurePosixPath(f["Path"]) for f in listed]
        page += 1
        if len(listed) < size:
            break
    chosen = row_names(names, f"{dataset_id} on modelscope", folder)
    if not chosen:
        raise QftError(f"{dataset_id} on modelscope holds no {', '.join(SUFFIXES)} file; use data.path=DIR_OR_FILE.")
    yield from numbered((Path(dataset_file_download(dataset_id, str(name))) for name in chosen), *positions)


def why_unreachable(address: str) -> str | None:
    """Why an address does not answer within SECONDS (the hubs' libraries retry for minutes); None if it does."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=SECONDS):
            return None
    except urllib.error.HTTPError:
        return None  # it answered, whatever it thinks of the request
    except urllib.error.URLError as e:
        return str(e.reason)
    except (OSError, ValueError) as e:
        return str(e)


def check_reachable(hub: str, dataset_id: str, address: str) -> None:
    """Raise QftError where the hub does not answer."""
    if reason := why_unreachable(address):
        raise _unreachable(hub, dataset_id, reason)


def _unreachable(hub: str, dataset_id: str, reason: str) -> QftError:
    reason = shortened(next(iter(reason.splitlines()), ""), 200).rstrip(".")
    return QftError(
        f"{dataset_id} could not be fetched (data.hub={hub}: {reason}); use a local copy by data.path=DIR_OR_FILE."
    )
