"""Several processes for one run, as torchrun and accelerate launch start them: the first one writes, all compute."""

import os
from collections.abc import Callable
from typing import Any

from qft.errors import QftError
from qft.names import shortened


def world() -> int:
    """Number of processes of this run."""
    return _given("WORLD_SIZE", 1)


def first() -> bool:
    """Whether this process is the one that locks, writes and evaluates."""
    return _given("RANK", 0) == 0


def _given(name: str, least: int) -> int:
    """A number that torchrun sets; ``least`` is what it is for a single process."""
    text = os.environ.get(name, "")
    if text and not (text.isascii() and text.isdigit() and least <= int(text[:10]) < 1_000_000):
        raise QftError(f"{name}={shortened(text)} in the environment must be a whole number of at least {least}.")
    return int(text or least)


def join() -> None:
    """Meet the other processes (nccl on GPUs, one each; else gloo). Does nothing for a single process."""
    if world() == 1:
        return
    import torch

    if torch.cuda.is_available():
        torch.cuda.set_device(_given("LOCAL_RANK", 0))
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def wait() -> None:
    """Return when every process is here."""
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
    """What ``decide`` gives or refuses (QftError) in the first process, in all of them."""
    if world() == 1:
        return decide()
    told: tuple[Any, QftError | None] = (None, None)
    if first():
        try:
            told = (decide(), None)
        except QftError as error:
            told = (None, error)
    value, refused = share(told)
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
    """Part from the others; the first goes on alone."""
    if world() > 1:
        import torch

        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
