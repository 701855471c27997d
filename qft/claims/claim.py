"""A published claim, with everything that decides whether a sweep bears it out, fixed before the sweep runs.

source: Kong et al., Quantum-Enhanced LLM Efficient Fine Tuning, arXiv 2503.12790 v1
sentence: "QWTHN consistently achieves lower training losses compared to baseline methods"
row: {adapter: qwthn}
against: {label: LoRA r=4}
measure: heldout_loss
says: better
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from qft.errors import QftError, first_line
from qft.names import one_name, visible
from qft.records import Misfit, Plain, from_json


@dataclass(frozen=True)
class Row:
    """Which row of a sweep a claim speaks of; what is left out may be anything."""

    adapter: str = ""  # its method, as in adapter=NAME
    label: str = ""  # its name in the sweep's yaml


@dataclass(frozen=True)
class Claim:
    """One file, configs/claim/NAME.yaml."""

    name: str  # of the file
    source: str  # who says it, and in what
    place: str  # where: section, table or figure
    sentence: str  # as it is printed
    row: Row  # what is claimed to be better
    against: Row  # than what
    measure: str  # the one that decides: heldout_loss, or a score such as rougel_llamafactory
    says: Literal["better", "not worse"]  # of row; not worse: by no more than the margin
    words: dict[str, str]  # word of the sentence -> the number it is taken for
    setting: str  # the authors': model, data, samples, rates, seeds
    distance: str  # how far a sweep's setting is from theirs
    printed: list[str] = field(default_factory=list)  # the numbers, as they are printed
    ratio: float | None = None  # most trainable parameters of row, over those of against; null: any
    controls: list[Plain] = field(default_factory=list)  # variants of row that row must be better than
    testable_here: bool = True  # whether a sweep of this program can decide it
    reason: str = ""  # why it cannot


def _check_keys(node: yaml.Node | None) -> None:
    """Refuse a key that stands twice in one mapping, of which YAML readers take the last without a word."""
    children = list(node.value) if isinstance(node, yaml.SequenceNode) else []
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise yaml.constructor.ConstructorError(None, None, f"'{twice}' stands there twice", node.start_mark)
        children = [value for _, value in node.value]
    for child in children:
        _check_keys(child)


def read(file: Path) -> Claim:
    """The claim of one yaml.

    Raises:
        QftError: A key is unknown, missing, of another type or of no sense, the file is no yaml, or it says no reason
            for being untestable.
    """
    where = f"claim {one_name('claim', file.stem)}"
    try:
        text = file.read_text(encoding="utf-8")
        _check_keys(yaml.compose(text, Loader=yaml.SafeLoader))
        content: Any = yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise QftError(f"{where}: {file} cannot be read: {first_line(error)}") from error
    if not isinstance(content, Mapping) or "name" in content:
        raise QftError(f"{where}: {file} is not a mapping of a claim's keys; its name is that of the file.")
    try:
        claim = from_json(Claim, {**content, "name": file.stem})
    except Misfit as error:
        raise QftError(f"{where}: {error}.{error.hint}") from error
    for key, value in (("sentence", claim.sentence), ("source", claim.source), ("measure", claim.measure)):
        if not value.strip():
            raise QftError(f"{where}: '{key}' is empty; what cannot be quoted is no claim.")
    if not (claim.row.adapter or claim.row.label) or not (claim.against.adapter or claim.against.label):
        raise QftError(f"{where}: 'row' and 'against' each need an adapter or a label.")
    if claim.row == claim.against:
        raise QftError(f"{where}: 'row' and 'against' are the same; nothing is held against itself.")
    if claim.ratio is not None and not 0 < claim.ratio < math.inf:
        raise QftError(f"{where}: 'ratio' is {claim.ratio}; it must be a number above 0, or null for any.")
    if {} in claim.controls:
        raise QftError(f"{where}: 'controls' has one that changes nothing; each names what it sets.")
    if not claim.testable_here and not claim.reason:
        raise QftError(f"{where}: 'reason' is missing: why can it not be tested here?")
    return claim


def load(directories: Sequence[Path]) -> list[Claim]:
    """Every claim of ``claim/*.yaml`` in the directories, by name; a file of an earlier directory wins.

    Raises QftError as ``read`` does.
    """
    files: dict[str, Path] = {}
    for directory in directories:
        for file in sorted((directory / "claim").glob("*.yaml")):
            files.setdefault(file.stem, file)
    return [read(file) for _, file in sorted(files.items())]


def quoted(claim: Claim) -> str:
    """The sentence in quotation marks, with where it stands."""
    return visible(f"“{claim.sentence}” ({claim.source}, {claim.place})")
