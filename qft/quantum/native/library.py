"""circuit.cpp as functions: compiled on first use, kept in the user's cache, loaded from there by this user alone.

A library is code, so it is loaded only from a directory in which nobody else can have put it: every directory above
it belongs to this user or to root and is not writable by others (or is sticky, as /tmp is), and the library is this
user's. Its name is a digest of the source, the compiler with its version, and the flags: for another version another
file is built.
"""

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from qft.process.files import replace, sync
from qft.quantum.native.program import Program

log = logging.getLogger(__name__)

SOURCE = Path(__file__).with_name("circuit.cpp")
COMPILERS = ("c++", "g++", "clang++")
SECONDS = 120  # for one build
TYPES = {torch.float32: "float", torch.float64: "double"}
# one instruction set for all machines of a kind, not this machine's own: equal binaries round alike
WIDE = ("-mavx2", "-mfma")

# (program, angles, inputs, upstream gradient or None, output, gradient of the angles or None)
Function = Callable[[Program, np.ndarray, Tensor, Tensor | None, Tensor, np.ndarray | None], None]


class Unavailable(Exception):
    """There is no compiled function, for the reason given as the end of a sentence."""


class Found(NamedTuple):
    """The compiled function and what made it, or neither and why, as the end of a sentence."""

    function: Function | None
    description: str = ""
    reason: str = ""


@cache
def find(qubits: int, dtype: torch.dtype) -> Found:
    """The compiled function for circuits of this size and type, built if need be. Says in the log why there is none."""
    try:
        if dtype not in TYPES:
            raise Unavailable(f"it is for {' and '.join(map(str, TYPES))}")
        return Found(_load(_built(qubits, TYPES[dtype])), description())
    except Unavailable as reason:
        log.debug("circuits run on torch's operations, without the compiled kernel: %s", reason)
        return Found(None, reason=str(reason))


@cache
def description() -> str:
    """What decides how the kernel rounds: the compiler's version and flags. Raises Unavailable without a compiler."""
    return f"{compiler()[1]} {' '.join(_flags())}"


@cache
def compiler() -> tuple[str, str]:
    """Path and version of the C++ compiler. Raises Unavailable."""
    if os.name != "posix":
        raise Unavailable("it is built on Linux and macOS only")
    for name in COMPILERS:
        path = shutil.which(name)
        # a relative entry of PATH may name a file of whoever made the current directory
        if path is None or not Path(path).is_absolute():
            continue
        try:
            done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0 and done.stdout:
            return path, done.stdout.splitlines()[0]
    raise Unavailable("there is no C++ compiler")


def _flags() -> tuple[str, ...]:
    """Flags that decide what is computed."""
    wide = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512") and platform.machine() in ("x86_64", "AMD64")
    return ("-O3", *(WIDE if wide else ()))


@cache
def _built(qubits: int, real: str) -> Path:
    """The library, built if need be. Raises Unavailable."""
    path, version = compiler()
    options = ("-std=c++17", "-fPIC", "-shared", *_flags(), f"-DQUBITS={qubits}", f"-DREAL={real}")
    source = SOURCE.read_bytes()
    digest = hashlib.sha256(repr((path, version, options)).encode() + source).hexdigest()[:32]
    try:
        folder = _private(cache_directory())
        library = folder / f"circuit-{qubits}-{real}-{digest}.so"
        if not library.exists():
            _compile(path, options, source, library)
        _check_file(library)
    except OSError as error:
        raise Unavailable(f"{error.filename or 'the cache'}: {error.strerror}") from error
    except RuntimeError as error:
        raise Unavailable("this user has no home directory") from error
    return library


def cache_directory() -> Path:
    """Where libraries are kept: ``$XDG_CACHE_HOME/qft/kernels``, by default below ``~/.cache``."""
    home = os.environ.get("XDG_CACHE_HOME")
    root = Path(home) if home and Path(home).is_absolute() else Path.home() / ".cache"
    return root / "qft" / "kernels"


def _private(folder: Path) -> Path:
    """The directory with its links resolved, made if need be. Raises Unavailable where others can write."""
    for place in (*reversed(folder.parents), folder):  # each for this user alone, whatever the umask
        place.mkdir(mode=0o700, exist_ok=True)
    folder = folder.resolve()
    for place in (folder, *folder.parents):
        status = place.stat()
        others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        sticky = place != folder and status.st_mode & stat.S_ISVTX
        if status.st_uid not in (os.geteuid(), 0) or (others and not sticky):
            raise Unavailable(f"others can write to {place}")
    if folder.stat().st_uid != os.geteuid():
        raise Unavailable(f"{folder} belongs to another user")
    return folder


def _check_file(library: Path) -> None:
    status = library.lstat()
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise Unavailable(f"{library} is not a file of this user alone")


def _compile(path: str, options: tuple[str, ...], source: bytes, library: Path) -> None:
    """Build into a directory of its own, then rename: a library is whole as soon as it is there."""
    with tempfile.TemporaryDirectory(prefix=".build-", dir=library.parent) as room:
        out = Path(room) / library.name
        for openmp in (["-fopenmp"], []):  # Apple's compiler has none: one thread there
            command = [path, *options, *openmp, "-x", "c++", "-", "-o", str(out)]
            try:
                done = subprocess.run(command, input=source, capture_output=True, timeout=SECONDS, cwd=room)
            except subprocess.TimeoutExpired:
                raise Unavailable(f"{path} took longer than {SECONDS} s") from None
            if done.returncode == 0:
                break
        else:
            error = done.stderr.decode(errors="replace").strip().splitlines()
            raise Unavailable(f"{path} failed: {error[0] if error else 'no message'}")
        out.chmod(0o700)
        sync(out)
        replace(out, library)


def _load(library: Path) -> Function:
    try:
        call = ctypes.CDLL(str(library)).qft_circuit
    except (OSError, AttributeError) as error:
        raise Unavailable(f"{library} cannot be loaded: {error}") from error
    place, number = ctypes.c_void_p, ctypes.c_int64
    call.argtypes = [place, place, place, place, place, number, place, number, place, number, place, ctypes.c_int]
    call.restype = ctypes.c_int

    def run(
        program: Program,
        angles: np.ndarray,
        z: Tensor,
        grad: Tensor | None,
        out: Tensor,
        grad_angles: np.ndarray | None,
    ) -> None:
        failed = call(
            *program.addresses,
            angles.ctypes.data,
            z.data_ptr(),
            z.stride(0),
            None if grad is None else grad.data_ptr(),
            0 if grad is None else grad.stride(0),
            out.data_ptr(),
            z.shape[1],
            None if grad_angles is None else grad_angles.ctypes.data,
            torch.get_num_threads(),
        )
        if failed:
            raise MemoryError("no memory left for a circuit's state")

    return run
