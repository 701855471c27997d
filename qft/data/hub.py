"""Rows of a public dataset fetched from a hub: ``hf`` (Hugging Face) or ``modelscope``.

A real row (CAS-SIAT-XinHai/CPsyCoun, shortened)::

    {"instruction": "我最近睡不好。", "input": "", "output": "从什么时候开始的？", "history": []}
"""

import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path

from qft.data.rows import Row
from qft.errors import QftError, nearest

SECONDS = 5


def hub_rows(hub: str, dataset_id: str, split: str = "train") -> Iterator[Row]:
    """Yield the rows of ``dataset_id``; QftError, within seconds, where the hub cannot be reached."""
    fetchers = {"hf": _hugging_face, "modelscope": _modelscope}
    if hub not in fetchers:
        raise QftError(f"data.hub={hub} is unknown.{nearest(hub, fetchers)}")
    try:
        rows = fetchers[hub](dataset_id, split)
    except QftError:
        raise
    except Exception as e:  # the hub libraries raise dozens of kinds, of their own and of their HTTP clients
        raise _unreachable(hub, dataset_id, f"{type(e).__name__}: {e}") from e
    for number, data in enumerate(rows, 1):
        yield Row(Path(dataset_id), number, dict(data), "row")


def _hugging_face(dataset_id: str, split: str) -> Iterable[dict]:
    from huggingface_hub import constants

    # Offline by the user's own setting: the library then looks in its cache only, which is quick.
    if not constants.HF_HUB_OFFLINE:
        _knock("hf", dataset_id, constants.ENDPOINT)
    from datasets import load_dataset

    return load_dataset(dataset_id, split=split)


def _modelscope(dataset_id: str, split: str) -> Iterable[dict]:
    try:
        from modelscope.hub.utils.utils import get_endpoint
        from modelscope.msdatasets import MsDataset
    except ImportError as e:
        raise QftError(
            f"data.hub=modelscope needs the package modelscope ({e}); run: pip install 'qft[modelscope]', "
            "or give local data by data.path=DIR_OR_FILE."
        ) from None
    _knock("modelscope", dataset_id, get_endpoint())
    return MsDataset.load(dataset_id, split=split)


def _knock(hub: str, dataset_id: str, address: str) -> None:
    """Ask once with a short limit: the libraries themselves retry for up to minutes when offline."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=SECONDS):
            pass
    except urllib.error.HTTPError:
        pass  # it answered: reachable, whatever it thinks of the request
    except (OSError, ValueError) as e:
        raise _unreachable(hub, dataset_id, str(getattr(e, "reason", e))) from None


def _unreachable(hub: str, dataset_id: str, reason: str) -> QftError:
    reason = reason.splitlines()[0].rstrip(".")
    return QftError(
        f"{dataset_id} could not be fetched (data.hub={hub}: {reason}); use a local copy by data.path=DIR_OR_FILE."
    )
