"""Several processes for one run, as torchrun and accelerate launch start them: the first one writes, all compute."""

import logging
import os
import socket
from collections.abc import Callable
from typing import Any

from qft.errors import QftError, first_line
from qft.names import shortened


def world() -> int:
    """Number of processes of this run."""
    return _given("WORLD_SIZE", 1)


def first() -> bool:
    """Return True in the process that locks, writes and evaluates."""
    return _given("RANK", 0) == 0


def _given(name: str, least: int) -> int:
    """A number that torchrun sets; ``least`` is what it is for a single process."""
    text = os.environ.get(name, "")
    if text and not (text.isascii() and text.isdigit() and least <= int(text[:10]) < 1_000_000):
        raise QftError(f"{name}={shortened(text)} in the environment must be a whole number of at least {least}.")
    return int(text or least)


def check() -> None:
    """Raise QftError if the environment says that this is one of several processes, but not how to reach the others.

    All but the first are silent from here on.
    """
    size = world()
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)] if size > 1 else []
    if missing:
        raise QftError(
            f"WORLD_SIZE={size} in the environment says that this is one of {size} processes, but {missing[0]} is not "
            f"set; start them with torchrun --nproc-per-node {size} -m qft train ..., or unset WORLD_SIZE."
        )
    if _given("RANK", 0) >= size:
        raise QftError(f"RANK={os.environ['RANK']} in the environment must be below WORLD_SIZE={size}.")
    if size > 1:
        place = os.environ["MASTER_ADDR"], _given("MASTER_PORT", 0)
        try:
            socket.getaddrinfo(*place)  # torch would try again for half an hour
        except OSError as error:
            raise QftError(
                f"MASTER_ADDR={shortened(place[0])} in the environment is not an address: {error}."
            ) from error
    if not first():
        logging.getLogger("qft").setLevel(logging.ERROR)


def join() -> None:
    """Meet the other processes (nccl on GPUs, one each; else gloo). Does nothing for a single process."""
    if world() == 1:
        return
    import torch

    if torch.cuda.is_available():
        torch.cuda.set_device(_given("LOCAL_RANK", 0))
    if not torch.distributed.is_initialized():
        try:
            torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        except (ValueError, RuntimeError, OSError) as error:  # what a store raises that nobody answers, too
            where = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
            raise QftError(f"The {world()} processes do not meet at {where}: {first_line(error)}") from error


def wait() -> None:
    """Return once every process has called this."""
    if world() > 1:
        import torch

        torch.distributed.barrier()


def share(value: Any) -> Any:
    """The first process's value, in all of them."""
    if world() == 1:
        return value
    import torch

    box = [value]
    torch.distributed.broadcast_object_list(box, src=0)
    return box[0]


def decided_by_first(decide: Callable[[], Any]) -> Any:
    """Call ``decide`` in the first process, and return its result or raise its QftError in all of them."""
    if world() == 1:
        return decide()
    outcome: tuple[Any, QftError | None] = (None, None)
    if first():
        try:
            outcome = (decide(), None)
        except QftError as error:
            outcome = (None, error)
    value, refused = share(outcome)
    if refused is not None:
        raise refused
    return value


def total(count: int) -> int:
    """The sum of every process's count."""
    if world() == 1:
        return count
    import torch

    counts: list[Any] = [None] * world()
    torch.distributed.all_gather_object(counts, count)
    return sum(counts)


def largest(number: int, device: Any) -> int:
    """The largest of every process's numbers; ``device`` is the one they compute on."""
    if world() == 1:
        return number
    import torch

    box = torch.tensor(number, device=device)
    torch.distributed.all_reduce(box, torch.distributed.ReduceOp.MAX)
    return int(box)


def leave() -> None:
    """Leave the group of processes; the first continues alone."""
    if world() > 1:
        import torch

        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
