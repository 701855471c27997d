"""The recipe of ``qft fit``: a trained adapter's changes on real text, and what each method can express of them."""

import logging
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qft import records
from qft.config import FitConfig
from qft.errors import QftError
from qft.process.files import whole_directory
from qft.progress import bar, quiet_libraries
from qft.records import Fit, LayerFit, MethodFit, Plain, RunDirectory, removal
from qft.runs import stored
from qft.runs.stored import Subject

if TYPE_CHECKING:
    from qft.models.activations import Batch, Rows
    from qft.models.fitting import Task

log = logging.getLogger(__name__)
RATES = (1 / 3, 1.0, 3.0)  # of Adam, over the rate that a method has by default
PICTURE = "fit.png"
BATCH = 8  # samples side by side


def fit(config: FitConfig, subject: Subject, methods: Mapping[str, Plain]) -> Path:
    """Fit methods to the adapter of a run, layer by layer.

    Args:
        config: ``out`` None means RUN-fit below ``output_dir``.
        subject: The run, with its model and data.
        methods: What each is called, and its options.

    Returns:
        The directory with fit.json and fit.png, written whole or not at all.

    Raises:
        QftError: A problem that the user can fix; nothing is written then.
    """
    if subject.run is None or subject.adapter is None:
        raise QftError("qft fit takes a finished run: run=DIR.")
    out = _place(config, subject.run)
    base = stored.check_base(subject.run, subject.model)
    training = RunDirectory(subject.run).record().training
    steps = training.steps if training else 0
    quiet_libraries()
    tasks = _tasks(config, subject)
    layers, refused = _fitted(config, subject, tasks, methods, steps)
    trained = stored.read_config(subject.run)
    rows = len(tasks[0].fitting.inputs)
    found = Fit(subject.run.resolve().name, trained.adapter["name"], base, rows, steps, list(RATES), layers, refused)
    with whole_directory(out) as folder:
        folder.mkdir(parents=True)
        records.write(folder / Fit.FILE, found)
        from qft.models.fit_picture import draw

        draw(folder / PICTURE, found)
    return out


def _place(config: FitConfig, run: Path) -> Path:
    """Where to write. Raises QftError where something else lies, or an earlier fit that is not to be replaced."""
    out = Path(config.out) if config.out else Path(config.output_dir) / f"{run.resolve().name}-fit"
    if not out.exists():
        return out
    if out.is_symlink() or not out.is_dir() or removal.foreign(out, (Fit.FILE, PICTURE)):
        raise QftError(f"{out} is not an earlier fit; name another place with out=DIR.")
    if not config.overwrite:
        raise QftError(f"{out} exists; replace it with overwrite=true, or name another place with out=DIR.")
    return out


def _tasks(config: FitConfig, subject: Subject) -> "list[Task]":
    """What the adapter reads and adds in each chosen layer."""
    from torch import nn

    from qft.models import activations, fitting, inject, load

    assert subject.adapter is not None
    batches = _batches(config, subject)
    model: Any = inject.load_adapter(load.load_base(subject.model, load.precision()), subject.adapter)
    layers = activations.adapted(model)
    names = _chosen(config, layers)
    log.info("%d layers, %s tokens of %d", len(names), f"{config.tokens:,}", activations.tokens(batches))
    rows: dict[str, Rows] = activations.sampled_rows(model, batches, config.tokens, subject.seed, names)
    bases = {name: layers[name].get_base_layer() for name in names}
    if odd := next((name for name, layer in bases.items() if not isinstance(layer, nn.Linear)), None):
        raise QftError(f"{odd} is no linear layer: qft fit takes an adapter on linear layers, such as LoRA.")
    return [fitting.task(name, bases[name].float().cpu(), rows[name]) for name in names]


def _batches(config: FitConfig, subject: Subject) -> "list[Batch]":
    from qft.data import prepare, template
    from qft.models import activations, load

    parts = prepare.split(prepare.load(subject.data), subject.n, subject.data)
    assert subject.run is not None
    stored.check_data(subject.run, parts.summary.fingerprint)
    tokenizer = load.load_tokenizer(subject.model)
    load.check_vocabulary(subject.model, tokenizer)
    chosen, overlong = template.choose(tokenizer, subject.model["template"]), prepare.overlong(subject.data)
    encoded = template.encode(parts.train[: config.samples], tokenizer, chosen, subject.max_seq_len, overlong)
    return activations.padded(tokenizer, encoded.rows, BATCH)


def _chosen(config: FitConfig, layers: Mapping[str, Any]) -> list[str]:
    """The adapted layers of the blocks that were asked for."""
    blocks = {name: int(found[1]) for name in layers if (found := re.search(r"\.(\d+)\.", name))}
    if not blocks:
        raise QftError("The run has no adapted layers in numbered blocks; qft fit takes an adapter on linear layers.")
    known = sorted(set(blocks.values()))
    wanted = [known[len(known) // 2]] if config.blocks is None else config.blocks
    if missing := [block for block in wanted if block not in known]:
        raise QftError(f"blocks={missing}: the run's adapter is in the blocks {known[0]} to {known[-1]}.")
    return [name for name, block in blocks.items() if block in wanted]


def _fitted(
    config: FitConfig, subject: Subject, tasks: "list[Task]", methods: Mapping[str, Plain], steps: int
) -> tuple[list[LayerFit], dict[str, str]]:
    from qft.models import fitting, load
    from qft.training.learning_rate import learning_rate

    hidden = load.hidden_size(subject.model)
    found: dict[str, list[MethodFit]] = {task.name: [] for task in tasks}
    refused: dict[str, str] = {}
    for task, (called, adapter) in bar([(t, m) for t in tasks for m in methods.items()], "fit", "fits"):
        if called in refused:
            continue
        rate = learning_rate(None, subject.model, adapter, hidden).value
        try:
            best = fitting.fit(
                adapter, task, config.evaluations, config.starts, steps, [rate * times for times in RATES]
            )
        except QftError as error:
            refused[called] = str(error)
            log.warning("%s: %s", called, error)
            continue
        found[task.name].append(MethodFit(called, **asdict(best)))
    layers = [_layer(task, fitting.best_rank(task, config.ranks), found[task.name]) for task in tasks]
    return layers, refused


def _layer(task: "Task", ranks: Mapping[int, float], methods: list[MethodFit]) -> LayerFit:
    rows, linear = task.measuring, task.linear
    size = rows.changes.square().sum() / (linear(rows.inputs) + rows.changes).square().sum()
    by_rank = {str(rank): left for rank, left in ranks.items()}
    return LayerFit(task.name, linear.in_features, linear.out_features, float(size), by_rank, methods)
