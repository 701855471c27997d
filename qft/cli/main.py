"""``qft COMMAND [key=value ...]``: finds the command's file and reports errors in one sentence."""

import importlib
import io
import os
import pkgutil
import re
import sys
import traceback
from pathlib import Path

import qft.cli
from qft.cli import _help
from qft.cli._command import Command
from qft.cli._output import complain
from qft.errors import QftError, nearest
from qft.names import visible
from qft.process import signals
from qft.version import __version__

FULL = ("can't allocate memory", "out of memory", "cannot allocate memory", "failed to map segment")


def commands() -> list[str]:
    """Names of the commands: files of this folder that do not start with an underscore."""
    return sorted(m.name for m in pkgutil.iter_modules(qft.cli.__path__) if m.name[0] != "_" and m.name != "main")


def load_command(name: str) -> Command:
    """Import the file of a command and return its ``COMMAND``."""
    command: Command = importlib.import_module(f"qft.cli.{name}").COMMAND
    return command


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 done, 2 the user can put it right, 1 a fault of this program, 128 + signal where it was told to stop (130 after
    Ctrl-C). Without ``argv`` this is the program itself, and nothing comes after it.
    """
    before = signals.listen()
    try:
        return _run(list(sys.argv[1:] if argv is None else argv), alone=argv is None)
    finally:
        if argv is None:
            signals.end_quietly()
        else:
            signals.restore(before)


def _run(args: list[str], alone: bool) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal that has few characters shows ? for the others
        sys.stdout.reconfigure(errors="replace")
    debug = "--debug" in args or os.environ.get("QFT_DEBUG", "") not in ("", "0")
    args = [a for a in args if a != "--debug"]
    try:
        code = _dispatch(args)
        sys.stdout.flush()  # now, while an error can still be reported
        return code
    except KeyboardInterrupt as stop:
        if debug:
            raise
        print(
            "qft: interrupted; the same command with resume=true resumes it (qft eval, qft sweep: just repeat it).",
            file=sys.stderr,
        )
        return 128 + signals.number_of(stop)
    except BrokenPipeError:
        _drop_output()
        return 0
    except Exception as error:
        if debug:
            raise
        code, message = _explained(error)
        complain(_one_line(message))
        if alone and isinstance(error, OSError):
            _drop_output()  # what is still to be printed would fail again at exit
        if alone and _no_memory(error):
            os._exit(code)  # what Python does at exit takes memory too, and would print why it cannot
        return code


def _explained(error: Exception) -> tuple[int, str]:
    """Exit code and message of an error: ours, the system's, or a fault of the program."""
    if isinstance(error, QftError):
        return 2, str(error)
    if _no_memory(error):
        return 2, "There is not enough memory for this; choose a smaller model, batch or adapter, or allow more."
    if isinstance(error, OSError) and error.strerror:
        place = error.filename if error.filename is not None else "A file or the output"
        return 2, f"{os.fsdecode(place) if isinstance(place, (str, bytes)) else place}: {error.strerror}."
    frame = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    return 1, (
        f"This is a fault of qft, not yours: {what} ({Path(frame.filename).name}, line {frame.lineno}). "
        "Please report it with the command, what it prints with --debug added, and qft env."
    )


def _no_memory(error: Exception) -> bool:
    """Recognise that memory ran out, in Python, in torch, or in the system while it loads a library."""
    if isinstance(error, QftError):
        return False
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in FULL)


def _one_line(message: str) -> str:
    """Without line breaks, and with the middle of endless words left out."""
    return re.sub(r"\S{300,}", lambda m: f"{m[0][:120]}…{m[0][-20:]}", " ".join(message.split()))


def _drop_output() -> None:
    """Send what standard output still holds nowhere."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # replaced by something without a number of its own
        return


def _dispatch(args: list[str]) -> int:
    if args[:1] == ["help"] and len(args) > 1:
        args = [*args[1:], "--help"]
    if not args or args[0] in ("-h", "--help", "help"):
        print(visible(_help.overview(commands()), keep="\n"))
        return 0
    if args[0] == "--version":
        print(f"qft {__version__}")
        return 0
    name, *rest = args
    if name not in commands():
        raise QftError(f"There is no command '{name}'.{nearest(name, commands())}")
    if any(a in ("-h", "--help") for a in rest):
        chosen = [a for a in rest if a not in ("-h", "--help")]
        print(visible(_help.command(name, _help.docstring(name), chosen), keep="\n"))
        return 0
    try:
        Path.cwd()
    except FileNotFoundError:
        raise QftError("The current directory is no longer there; change to another one.") from None
    command = load_command(name)
    words = command.arguments(rest)
    from qft.cli import _jobs

    return _jobs.run(name, command.config, command.run, words)


if __name__ == "__main__":
    raise SystemExit(main())
