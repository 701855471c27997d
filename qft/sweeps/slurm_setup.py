"""What must hold before a job is submitted to a cluster: known options, and a folder that no stranger can name."""

import contextlib
import difflib
import hashlib
import hmac
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import submitit
from submitit.core.plugins import get_executors

from qft.errors import QftError, nearest

OF_EXECUTORS = ("slurm_max_num_timeout", "slurm_python")  # submitit takes these when its executor is made


def check(options: Mapping[str, Any]) -> None:
    """Raise QftError for options that submitit does not know, or of another type, and where there is no cluster."""
    executors = get_executors()
    if (cluster := options.get("cluster", "slurm")) not in executors:
        raise QftError(f"slurm.cluster={cluster} does not exist.{nearest(cluster, executors)}")
    if cluster == "slurm" and shutil.which("sbatch") is None:
        raise QftError("launcher=slurm needs a machine that submits to a cluster: there is no sbatch here.")
    types: Mapping[str, type] = submitit.AutoExecutor._typed_parameters()
    known = {f"{name}_{key}" for name, e in executors.items() for key in e._valid_parameters()} | {*types, "cluster"}
    known |= {*OF_EXECUTORS, *(f"slurm_{key}" for key in types)}
    for key, value in options.items():
        if key not in known:
            close = difflib.get_close_matches(f"slurm_{key}", known, n=1) or difflib.get_close_matches(key, known, n=1)
            hint = f" Did you mean 'slurm.{close[0]}'?" if close else ""
            raise QftError(f"There is no option slurm.{key}.{hint} They are those of submitit's AutoExecutor.")
        kind = types.get(key.removeprefix("slurm_"))
        if kind and (not isinstance(value, (int, kind)) or (isinstance(value, bool) and kind is not bool)):
            raise QftError(f"slurm.{key}={value} should be of type {kind.__name__}.")


def folder(directory: Path) -> Path:
    """Where submitit keeps a sweep's jobs: a name in DIR/.slurm that only this user's machines know.

    Answers of jobs are pickles, which run code when they are read. A sweep directory may come from a stranger, and
    one who does not know the name cannot have put any there. The key to it is made once, in the user's home.
    """
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "qft"
    path = state / "key"
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            drawn = state / f"key.{os.getpid()}"
            drawn.touch(mode=0o600)
            drawn.write_bytes(secrets.token_bytes(32))
            with contextlib.suppress(FileExistsError):  # another process was first: its key counts
                path.hardlink_to(drawn)
            drawn.unlink()
        key = path.read_bytes()
    except OSError as error:
        raise QftError(f"launcher=slurm keeps a key of yours in {path}: {error.strerror}.") from error
    if len(key) < 32:
        raise QftError(f"{path} is damaged; remove it.")
    name = hmac.new(key, str(directory.resolve()).encode(), hashlib.sha256).hexdigest()[:32]
    return directory.resolve() / ".slurm" / name
