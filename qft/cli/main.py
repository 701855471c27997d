"""``qft COMMAND [key=value ...]``: finds the command's file and reports errors in one sentence."""

import importlib
import os
import pkgutil
import sys

import qft.cli
from qft import __version__
from qft.cli import _help
from qft.errors import QftError, nearest


def commands() -> list[str]:
    """Names of the commands: files of this folder that do not start with an underscore."""
    return sorted(m.name for m in pkgutil.iter_modules(qft.cli.__path__) if m.name[0] != "_" and m.name != "main")


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 2 the user can put it right, 130 interrupted."""
    args = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in args or os.environ.get("QFT_DEBUG", "") not in ("", "0")
    args = [a for a in args if a != "--debug"]
    try:
        return _dispatch(args)
    except QftError as error:
        if debug:
            raise
        print(f"qft: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        if debug:
            raise
        print(
            "qft: interrupted; the same command with resume=true goes on (qft eval, qft sweep: simply repeat it).",
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _dispatch(args: list[str]) -> int:
    if not args or args[0] in ("-h", "--help", "help"):
        print(_help.overview(commands()))
        return 0
    if args[0] == "--version":
        print(f"qft {__version__}")
        return 0
    name, *rest = args
    if name not in commands():
        raise QftError(f"There is no command '{name}'.{nearest(name, commands())}")
    if any(a in ("-h", "--help") for a in rest):
        print(_help.command(name, _help.docstring(name)))
        return 0
    command = importlib.import_module(f"qft.cli.{name}")
    if hasattr(command, "arguments"):  # a command with words of its own beside key=value
        rest = command.arguments(rest)
    from qft.cli import _hydra

    return _hydra.run(name, command.run, rest)


if __name__ == "__main__":
    raise SystemExit(main())
