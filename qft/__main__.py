"""The program's first lines, ``qft`` or ``python -m qft``: told to stop, it ends quietly while the rest is loaded."""

from qft.process import signals


def main() -> int:
    """Run the command that ``sys.argv`` names and return its exit code."""
    signals.listen()
    from qft.cli import main as command_line

    return command_line.main()


if __name__ == "__main__":
    raise SystemExit(main())
