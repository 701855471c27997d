"""Which runs, adapters and base are talked to. Light: nothing is loaded, everything that can be refused is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qft.config import EvalConfig
from qft.errors import QftError
from qft.names import slug
from qft.records import Plain
from qft.runs import directories, stored
from qft.runs.stored import Subject


@dataclass(frozen=True)
class Speaker:
    """A base, or an adapter on it, by the name under which it answers.

    ``template``: as ``model.template`` names it; ``max_seq_len``: tokens of prompt and answer together.
    """

    name: str
    model: Plain
    adapter: Path | None
    template: str
    max_seq_len: int

    @property
    def whole(self) -> bool:
        """Whether it is a model that was tuned as a whole, in whose place no base stands."""
        return self.adapter is not None and (self.adapter / "config.json").is_file()


def speakers(
    runs: Sequence[str], adapters: Sequence[str], model: Plain, max_seq_len: int | None, output_dir: str
) -> list[Speaker]:
    """What is talked to, the base last; it is missing where a model that was tuned as a whole takes its place.

    Args:
        runs: Finished runs, by name or directory.
        adapters: Adapter directories.
        model: Options of the base; with ``runs`` those that are given over the run's own.
        max_seq_len: Tokens of prompt and answer; None: the run's own.
        output_dir: Where runs are found.

    Raises:
        QftError: A run or adapter that cannot be used, or they do not stand on one base.
    """
    of_runs = [
        stored.subject(EvalConfig(run=r, model=model, data={}, max_seq_len=max_seq_len, output_dir=output_dir))
        for r in runs
    ]
    base = of_runs[0].model if of_runs else model
    given = [EvalConfig(model=base, data={}, adapter={"path": a}, max_seq_len=max_seq_len) for a in adapters]
    subjects = [*of_runs, *map(stored.given_subject, given)]
    subjects = subjects or [stored.given_subject(EvalConfig(model=base, data={}, max_seq_len=max_seq_len))]
    named = _named(subjects)
    if len(named) > 1 and (whole := next((s for s in named if s.whole), None)):
        raise QftError(f"{whole.adapter} is a model that was tuned as a whole, beside which no adapter can stand.")
    if named[0].adapter is not None and not named[0].whole:
        name = slug(directories.model_name(base), {s.name for s in named})
        named.append(Speaker(name, base, None, named[0].template, max(s.max_seq_len for s in named)))
    return named


def check(runs: Sequence[str], named: Sequence[Speaker], output_dir: str) -> None:
    """Raise QftError unless all are adapters of one base, and each run stands on the one it was trained with.

    Args:
        runs: As given to ``speakers``.
        named: What ``speakers`` returned.
        output_dir: Where runs are found.
    """
    from qft.models import inject, load

    for speaker in named:
        if speaker.adapter is not None:
            inject.weight_files(speaker.adapter)
    for run, speaker in zip(runs, named, strict=False):
        stored.check_base(stored.find(run, output_dir), speaker.model)
    first = load.fingerprint(named[0].model) if len(named) > 1 else ""
    for other in named[1:]:
        if load.fingerprint(other.model) != first:
            raise QftError(f"{named[0].name} and {other.name} were trained on different bases; serve them one by one.")


def _named(subjects: Sequence[Subject]) -> list[Speaker]:
    """Each under the name of its directory, with a number where two have one name; a base under its own."""
    found: list[Speaker] = []
    for s in subjects:
        place = s.run or s.adapter
        plain = directories.model_name(s.model) if place is None else place.resolve().name
        if place is not None and s.run is None and plain == "adapter":  # that of a run, given by itself
            plain = place.resolve().parent.name
        name = slug(plain, {f.name for f in found})
        found.append(Speaker(name, s.model, s.adapter, str(s.model["template"]), s.max_seq_len))
    return found
