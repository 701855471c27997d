"""List published claims with their state: which sweep bears them out, contradicts them, or cannot tell.

``qft claims DIR ...`` reads these sweep directories; without one, those of OUTPUT_DIR/sweeps.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from qft.cli._command import Command
from qft.cli._output import show
from qft.compose import configs
from qft.compose.words import words_as
from qft.config import ClaimsConfig
from qft.progress import start_logging
from qft.records import SweepPlan, to_json
from qft.runs import stored

if TYPE_CHECKING:
    from qft.claims.claim import Claim

USAGE = "DIR"


def arguments(args: list[str]) -> list[str]:
    """Words without "=" become the list ``dir=['A','B']``."""
    return words_as("dir", args, several=True)


def run(config: ClaimsConfig) -> None:
    """Claims and sweep directories -> a line for each claim and sweep that has its rows."""
    start_logging()
    from qft.claims import claim
    from qft.reports.analysis import tested
    from qft.reports.read import load

    root = Path(config.output_dir) / "sweeps"
    folders = [stored.find(str(d), str(root), "dir") for d in config.dir] if config.dir else _sweeps(root)
    claims = claim.load(configs.directories())
    sweeps = [load(folder) for folder in folders]
    lines = []
    for known in claims:
        found = [(sweep, t) for sweep in sweeps for t in tested.test(sweep, [known]) if t.state != tested.NOT_RUN]
        states = [(sweep.path.name, t.state, t.rests_on) for sweep, t in found if known.testable_here]
        lines += [(known, *state) for state in states or [_without_sweep(known)]]
    rows = [[c.name, c.says, c.measure, sweep, state] for c, sweep, state, _ in lines]
    document = {
        "claims": [
            {**to_json(c), "sweep": sweep, "state": state, "rests_on": rests_on} for c, sweep, state, rests_on in lines
        ]
    }
    show(config.format, document, "claims", ["claim", "says", "by", "sweep", "state"], rows)


def _without_sweep(known: "Claim") -> tuple[str, str, str]:
    return ("", "not run", "") if known.testable_here else ("", "untestable here", known.reason)


def _sweeps(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.glob(f"*/{SweepPlan.FILE}"))


COMMAND = Command(ClaimsConfig, run, arguments)
