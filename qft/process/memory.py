"""Memory of the GPU where there is one, else of the process or machine. Units: bytes."""

import resource
import sys

import psutil
import torch


def peak_bytes() -> int:
    """Peak memory so far: allocated by PyTorch on the GPU where there is one, else resident in the process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def free_bytes(device: torch.device | None = None) -> int:
    """Memory that is free on ``device``; None: on the GPU where there is one, else of the machine."""
    if device.type == "cuda" if device is not None else torch.cuda.is_available():
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)
