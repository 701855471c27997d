"""Rows of a public dataset fetched from a hub: ``hf`` (Hugging Face) or ``modelscope``.

A real row (CAS-SIAT-XinHai/CPsyCoun, shortened)::

    {"instruction": "我最近睡不好。", "input": "", "output": "从什么时候开始的？", "history": []}
"""

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from qft.data.rows import SUFFIXES, Row, read_rows, row_files
from qft.errors import QftError, nearest

SECONDS = 5


def hub_rows(hub: str, dataset_id: str) -> Iterator[Row]:
    """Rows of the train split of ``dataset_id``; QftError, within seconds, where the hub cannot be reached."""
    fetchers = {"hf": _hugging_face, "modelscope": _modelscope}
    if hub not in fetchers:
        raise QftError(f"data.hub={hub} is unknown.{nearest(hub, fetchers)}")
    try:
        return fetchers[hub](dataset_id)
    except QftError:
        raise
    except Exception as e:  # the hub libraries raise dozens of kinds, of their own and of their HTTP clients
        raise _unreachable(hub, dataset_id, f"{type(e).__name__}: {e}") from e


def _hugging_face(dataset_id: str) -> Iterator[Row]:
    from huggingface_hub import constants

    # Offline by the user's own setting: the library then looks in its cache only, which is quick.
    if not constants.HF_HUB_OFFLINE:
        _knock("hf", dataset_id, constants.ENDPOINT)
    from datasets import load_dataset

    rows = load_dataset(dataset_id, split="train")
    return (Row(Path(dataset_id), number, dict(data), "row") for number, data in enumerate(rows, 1))


def _modelscope(dataset_id: str) -> Iterator[Row]:
    # The files are fetched and read by ourselves: the package's own loader needs an older `datasets` than ours.
    try:
        from modelscope.hub.snapshot_download import dataset_snapshot_download
        from modelscope.hub.utils.utils import get_endpoint
    except ImportError as e:
        raise QftError(
            f"data.hub=modelscope needs the package modelscope ({e}); run: pip install 'qft[modelscope]', "
            "or give local data by data.path=DIR_OR_FILE."
        ) from None
    _knock("modelscope", dataset_id, get_endpoint())
    folder = Path(dataset_snapshot_download(dataset_id, allow_patterns=[f"*{s}" for s in SUFFIXES]))
    files = row_files(folder)
    if not files:
        raise QftError(f"{dataset_id} on modelscope holds no {', '.join(SUFFIXES)} file; use data.path=DIR_OR_FILE.")
    return (row for file in files for row in read_rows(file))


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
    reason = reason.splitlines()[0].rstrip(".")
    return QftError(
        f"{dataset_id} could not be fetched (data.hub={hub}: {reason}); use a local copy by data.path=DIR_OR_FILE."
    )
