"""Runs a command once, or in a multirun (-m) once for every combination of values."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from qft import trust
from qft.cli._output import complain
from qft.compose import address, configs, typed
from qft.errors import QftError

Command = Callable[[Any, list[str]], None]


def run(name: str, command: Command, args: list[str]) -> int:
    """Compose ``name``.yaml with the overrides in ``args`` and call ``command(config, overrides)``.

    In a multirun a job that fails with a QftError is reported and the others still run; the exit code is
    then 2. Whatever else the command raises is raised here.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions come through to us instead of being printed
    args = typed.prepared(name, args)
    if len(configs.directories()) > 1:
        typed.check_own(name, args)
    failures: list[QftError] = []
    single: list[Exception] = []  # raised only after Hydra has returned: it would print a notice of its own

    def task(cfg: DictConfig) -> None:
        sys.argv = own  # what a run records as its command
        overrides = list(HydraConfig.get().overrides.task)
        try:
            config = typed.typed(cfg, dict(HydraConfig.get().runtime.choices), overrides)
            address.check(config, args)
            command(config, overrides)
        except QftError as error:
            failures.append(error)
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                complain(f"job {' '.join(overrides)}: {error}")
            else:
                single.append(error)
        except Exception as error:
            single.append(error)

    own = [f"qft {name}", *args]
    words = [a for a in args if "=" in a and not a.startswith("-")]
    try:
        with trust.command(), contextlib.ExitStack() as stack:
            elsewhere = []
            if {"-m", "--multirun"} & set(args):  # of several runs Hydra writes a file about itself, which is nobody's
                scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="qft-"))
                elsewhere = [f"hydra.sweep.dir='{scratch}'"]
            sys.argv = [own[0], *(a for a in args if a not in words), *elsewhere, *words]  # it takes flags first only
            hydra.main(version_base="1.3", config_path=str(configs.packaged()), config_name=name)(task)()
    except (HydraException, OmegaConfBaseException) as error:
        raise QftError(typed.explain(error, name)) from error
    if single:
        raise single[0]
    return 2 if failures else 0
