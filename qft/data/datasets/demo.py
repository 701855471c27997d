"""The demo set: short counselling talks and step-by-step arithmetic, in English and Chinese, generated.

A real sample (shortened)::

    Sample("demo-math-en-0003", (Message("user", "Rosa packs 7 boxes with 6 pens each and ..."),
                                 Message("assistant", "The answer is \\boxed{57}.", "First multiply ...")))

Pool and test share no template of a question or reply, and no number leads a problem in both.
"""

import random
from collections.abc import Sequence

from qft.data.datasets.base import Source, parse_rows
from qft.data.demo.arithmetic import make_problem
from qft.data.demo.counselling import make_dialogue
from qft.data.messages import Message, Sample
from qft.errors import QftError, nearest

EXAMPLE: dict[str, str] = {}  # generated: there is nothing to read

SEED = 0  # part of what the set is; the demo model was pre-trained beside this very set
CELLS = (("math", "en"), ("talk", "zh"), ("math", "zh"), ("talk", "en"))
POOL_SIZE, TEST_SIZE = 1280, 50


def load(path: str | None = None, hub: str | None = None, rows: str | None = None, task: str | None = None) -> Source:
    """Generate the set: 1280 samples to train on, 50 for the test, the same on every machine.

    ``task``: talk or math, a set of as many samples of that kind alone; None: both in turn.
    """
    if path is not None or hub is not None:
        raise QftError("The demo set is generated and reads nothing; leave data.path and data.hub out.")
    if task not in (None, "talk", "math"):
        raise QftError(f"data.task={task} does not exist.{nearest(str(task), ('talk', 'math'))}")
    cells = [cell for cell in CELLS if task in (None, cell[0])]
    pool = _generate("pool", POOL_SIZE, "demo", cells)[parse_rows(rows)]
    return Source(pool, _generate("test", TEST_SIZE, "demo-test", cells))


def _generate(part: str, size: int, prefix: str, cells: Sequence[tuple[str, str]]) -> list[Sample]:
    """``size`` samples of distinct content; the cells take turns, so any range of rows is balanced."""
    rng = random.Random(f"demo-{part}-{SEED}")
    seen: dict[tuple[Message, ...], None] = {}
    samples: list[Sample] = []
    while len(samples) < size:
        k = len(samples)
        task, language = cells[k % len(cells)]
        messages: tuple[Message, ...]
        if task == "math":
            problem = make_problem(rng, language, part)
            messages, family = problem.messages(), f"{language}-{problem.family}"
        else:
            talk = make_dialogue(rng, language, part)
            messages, family = talk.messages, talk.family
        if messages in seen:
            continue
        seen[messages] = None
        samples.append(Sample(f"{prefix}-{task}-{language}-{k // len(cells):04d}", messages, family=family))
    return samples
