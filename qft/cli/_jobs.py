"""Runs a command once, in a multirun (-m) once for every combination of values, or shows its config (--cfg, --info)."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from qft import trust
from qft.cli._output import complain
from qft.compose import configs, typed
from qft.errors import QftError

Command = Callable[[Any], None]


def run(name: str, schema: Any, command: Command, args: Sequence[str]) -> int:
    """Compose ``name``.yaml with the words in ``args`` and call ``command(config)``.

    In a multirun a job that fails with a QftError is reported and the others still run; the exit code is
    then 2. Whatever else the command raises is raised here.
    """
    if any(a.startswith("-") for a in args):
        with typed.borrow_hydra(name, schema):
            return _with_flags(name, schema, command, args)
    with trust.command(_given(name, args)):
        command(typed.compose(name, schema, args))
    return 0


def _given(name: str, args: Sequence[str]) -> trust.Given:
    return trust.Given(command=" ".join(["qft", name, *args]))


def _with_flags(name: str, schema: Any, command: Command, args: Sequence[str]) -> int:
    """Hydra itself reads its flags; each job of a multirun is composed and run as a single one is."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions come through to us instead of being printed
    args = typed.prepare(name, args)
    typed.check_jobs(name, args)
    failures: list[QftError] = []
    single: list[Exception] = []  # raised only after Hydra has returned: it would print a notice of its own

    def task(_: DictConfig) -> None:
        words = list(HydraConfig.get().overrides.task)
        try:
            with trust.command(_given(name, words)):
                command(typed.compose(name, schema, words))
        except QftError as error:
            failures.append(error)
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                complain(f"job {' '.join(words)}: {error}")
            else:
                single.append(error)
        except Exception as error:
            single.append(error)

    words = [a for a in args if "=" in a and not a.startswith("-")]
    flags = [a for a in args if a not in words]
    before = sys.argv
    try:
        with contextlib.ExitStack() as stack:
            sweep_dir = []
            if {"-m", "--multirun"} & set(args):  # of several runs Hydra writes a file about itself, which nobody needs
                scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="qft-"))
                sweep_dir = [f"hydra.sweep.dir='{scratch}'"]
            sys.argv = [f"qft {name}", *flags, *sweep_dir, *words]  # it takes flags first only
            hydra.main(version_base="1.3", config_path=str(configs.packaged()), config_name=name)(task)()
    except (HydraException, OmegaConfBaseException) as error:
        raise QftError(configs.explain(error, name)) from error
    finally:
        sys.argv = before
    if single:
        raise single[0]
    return 2 if failures else 0
