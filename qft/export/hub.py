"""``qft push``: an adapter or an export on the Hugging Face hub, through its own client."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from qft.config import PushConfig
from qft.errors import QftError, first_line
from qft.names import shortened
from qft.records import Export, RunDirectory, check_files
from qft.runs import stored

REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
# what a model or an adapter consists of; logs, records and journals of the machine stay on it
FILES = ("*.safetensors", "*.safetensors.index.json", "*config.json", "*.jinja", "README.md", Export.FILE)
TOKENIZER = ("tokenizer*", "vocab.*", "merges.txt", "special_tokens_map.json", "added_tokens.json", "*.model")
CONFIG = "adapter_config.json"
CARD = "README.md"
_COMMAND = re.compile(r"^Made by `(.*)`\.$", re.MULTILINE)  # the last line of a run's card


@dataclass(frozen=True)
class File:
    """One file that is pushed: its name there, its size in bytes, and its content where that is changed."""

    name: str
    path: Path
    size: int
    content: bytes | None = None


@dataclass(frozen=True)
class Pushed:
    """What was pushed, or with ``url`` None would be."""

    folder: Path
    repo: str
    files: list[File]
    url: str | None


def push(config: PushConfig) -> Pushed:
    """Push a run's adapter, or an export, as one commit.

    Args:
        config: ``run`` is a finished run or a directory that ``export`` wrote.

    Returns:
        The files and where they are; with ``dry_run`` nothing was sent.

    Raises:
        QftError: The directory holds neither, the name is none, or the hub refuses.
    """
    check_repo("repo", config.repo)
    if config.base is not None:
        check_repo("base", config.base)
    folder = _folder(config)
    files = list(_files(folder, config.base))
    if config.dry_run:
        return Pushed(folder, config.repo, files, None)
    return Pushed(folder, config.repo, files, _send(config, folder, files))


def check_repo(key: str, name: str) -> None:
    """Raise QftError for what is no OWNER/NAME."""
    if not REPO.fullmatch(name) or "--" in name or ".." in name:
        raise QftError(f"{key}={shortened(name)} is no repository of the hub; write OWNER/NAME.")


def _folder(config: PushConfig) -> Path:
    """The directory whose files are pushed: an export itself, or the adapter of a finished run."""
    given = stored.find(config.run, config.output_dir)
    check_files(given)
    if (given / Export.FILE).is_file():
        return given
    stored.read_config(given)
    run = RunDirectory(given)
    if not run.complete:
        raise QftError(f"{given} is not finished, so it has no adapter to push.")
    run.verify()
    return given / "adapter"


def _files(folder: Path, base: str | None) -> Iterator[File]:
    """The files to push, by name. Raises QftError where there are no weights."""
    names = sorted({path.name for pattern in (*FILES, *TOKENIZER) for path in folder.glob(pattern) if path.is_file()})
    if not any(name.endswith(".safetensors") for name in names):
        raise QftError(f"{folder} holds no weights, so there is nothing to push.")
    for name in names:
        path = folder / name
        if path.is_symlink():
            raise QftError(f"{path} is a link; put the file itself there.")
        content = _config(path, base) if name == CONFIG else _card(path) if name == CARD else None
        yield File(name, path, path.stat().st_size if content is None else len(content), content)


def _card(path: Path) -> bytes:
    """README.md without the places on this machine that the command of a training names."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise QftError(f"{path} cannot be read: {error}.") from error
    return _COMMAND.sub(lambda found: f"Made by `{_without_places(found[1])}`.", text).encode()


def _without_places(command: str) -> str:
    try:
        words = shlex.split(command)
    except ValueError:  # a quote that is not closed: nothing of it is known
        return "qft train ..."
    return shlex.join(_without_place(word) for word in words)


def _without_place(word: str) -> str:
    key, equals, value = word.rpartition("=")
    on_the_hub = REPO.fullmatch(value) and not Path(value).exists()
    return word if on_the_hub or not re.search(r"[/\\~]", value) else f"{key}{equals}..."


def _config(path: Path, base: str | None) -> bytes:
    """adapter_config.json with the base's id on the hub: a directory of this machine means nothing elsewhere."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        stated = content.get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError) as error:
        raise QftError(f"{path} cannot be read: {error}.") from error
    local = not isinstance(stated, str) or not REPO.fullmatch(stated) or Path(stated).exists()
    content["base_model_name_or_path"] = base or (None if local else stated)
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()


def _send(config: PushConfig, folder: Path, files: list[File]) -> str:
    """Make the repository where there is none, and commit the files."""
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled

    api = HfApi()
    operations = [CommitOperationAdd(f.name, f.content if f.content is not None else str(f.path)) for f in files]
    try:
        api.create_repo(config.repo, repo_type="model", private=config.private, exist_ok=True)
        done = api.create_commit(config.repo, operations, commit_message=f"{folder.name}, by qft", repo_type="model")
    except OfflineModeIsEnabled:
        raise QftError("HF_HUB_OFFLINE is set, so nothing is sent to the hub; unset it, or use dry_run=true.") from None
    except LocalTokenNotFoundError:
        raise QftError("The hub needs your token: hf auth login, or set HF_TOKEN.") from None
    except HfHubHTTPError as error:
        code = error.response.status_code if error.response is not None else None
        if code in (401, 403):
            raise QftError(
                f"The hub does not let you write to {config.repo} ({code}): log in with a token that may, "
                "by hf auth login or HF_TOKEN."
            ) from error
        raise QftError(f"The hub refused {config.repo}: {shortened(first_line(error), 200)}") from error
    except Exception as error:  # its client raises as many kinds as there are transports
        raise QftError(f"The hub cannot be reached: {shortened(first_line(error), 200)}") from error
    return str(done.commit_url)
