"""A finished run whose circuits any backend may evaluate: its loss on held-out samples, and its answers."""

import math
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qft.config import ForecastConfig
from qft.errors import Diverged, QftError
from qft.progress import quiet_libraries
from qft.records import Plain
from qft.runs import stored
from qft.runs.stored import Subject

if TYPE_CHECKING:
    from qft.adapters.delta import Delta
    from qft.data.messages import Sample
    from qft.data.prepare import Parts
    from qft.data.template import Prompt, Template
    from qft.evaluation.metrics.base import Score
    from qft.quantum.backends.base import Backend
    from qft.quantum.circuit import Circuit


@dataclass(frozen=True)
class OnChip:
    """A run, loaded.

    Attributes:
        subject: What it was trained with.
        parts: Its data.
        tokenizer: Of its base.
        template: Of its chats.
        part: What the loss is of: held-out, or validation where nothing is held out.
        rows: Tokens of these samples, the short ones first: what pads a batch is evaluated on the chip, too.
        prompts: Of the test answers.
        model: The base with the trained adapter in it.
        layers: Layer -> its adapters that have a circuit, in the order of the model.
        batch_size: Samples side by side.
    """

    subject: Subject
    parts: "Parts"
    tokenizer: Any
    template: "Template"
    part: str
    rows: list[dict[str, list[int]]]
    prompts: "list[Prompt]"
    model: Any
    layers: "dict[str, list[Delta]]"
    batch_size: int

    @property
    def tokens(self) -> int:
        """Supervised tokens of the rows; the first of a row is never predicted."""
        return sum(label != -100 for row in self.rows for label in row["labels"][1:])

    @property
    def circuits(self) -> "list[Circuit]":
        """One a module, in the order of the model."""
        return [circuit for deltas in self.layers.values() for delta in deltas for circuit, _ in delta.circuits()]

    def use(self, backend: "Backend", layer: str | None = None) -> None:
        """Let ``backend`` evaluate all circuits, or those of one layer. Raises QftError where it cannot."""
        for name, deltas in self.layers.items():
            for delta in deltas if layer in (None, name) else ():
                delta.set_backend(backend)

    def loaded(self, trainable: bool) -> "OnChip":
        """The same with a model of its own, as it was saved."""
        model = _model(self.subject, trainable)
        return replace(self, model=model, layers=_layers(model))

    def encoded(self, samples: "list[Sample]") -> list[dict[str, list[int]]]:
        """Tokens of samples."""
        from qft.data import prepare, template

        overlong = prepare.overlong(self.subject.data)
        return template.encode(samples, self.tokenizer, self.template, self.subject.max_seq_len, overlong).rows

    def loss(self, title: str) -> float:
        """The loss of the rows with the present backends, in nats a token.

        Args:
            title: Of the bar that is shown.

        Raises:
            Diverged: It is not finite.
        """
        from qft.evaluation.loss import sample_losses

        losses = sample_losses(self.model, self.tokenizer, self.rows, self.batch_size, title)
        loss = math.fsum(total for total, _ in losses) / sum(tokens for _, tokens in losses)
        if not math.isfinite(loss):
            raise Diverged(f"The loss on the {self.part} samples is not a number: the run or its base is damaged.")
        return loss

    def base_loss(self) -> float:
        """The same without the adapter."""
        with self.model.disable_adapter():
            return self.loss("base")

    def scores(self, config: ForecastConfig, options: Mapping[str, Plain], title: str) -> "list[Score]":
        """The scores of the answers to the prompts with the present backends; [] where there are no prompts."""
        from tqdm.auto import tqdm

        from qft.adapters.generation import generating
        from qft.evaluation import predictions, score
        from qft.evaluation.decoding import Decoding
        from qft.evaluation.generate import generate
        from qft.progress import watched

        if not self.prompts:
            return []
        e = config.evaluation
        decoding = Decoding(
            e.max_new_tokens, self.batch_size, e.do_sample, e.temperature, e.top_p, self.subject.seed, e.max_seconds
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "predictions.jsonl"
            with generating(self.model):
                made = generate(self.model, self.tokenizer, self.prompts, decoding, path)
                for _ in tqdm(made, title, total=len(self.prompts), disable=not watched()):
                    pass
            return score.score_all(predictions.pairs(predictions.read(path)), self.subject.metrics, options)


def circuits_of(spec: Plain, model: Plain) -> "list[Circuit]":
    """The circuits that a token needs with this method on this model; loads no weights.

    Args:
        spec: The method's yaml, as the run stored it.
        model: Options of the base.

    Raises:
        QftError: There are none, or a chip could not be read for them.
    """
    quiet_libraries()
    from qft.adapters import methods
    from qft.models import inject, load

    method = methods.of(spec)
    with_adapter = method.add_to(load.meta_base(model), model.get("target_modules"), seed=0)
    if circuits := [circuit for circuit, _ in inject.circuits(with_adapter)]:
        return circuits
    used = method.on_hardware(inject.shapes(with_adapter))
    if used is None:
        raise QftError(f"The run's adapter={spec['name']} has no circuit, so no chip changes what it does.")
    if used.refused:
        raise QftError(f"The run's adapter={spec['name']} cannot run on hardware: {used.refused}.")
    raise QftError(
        f"The run's adapter={spec['name']} is computed as mathematics, and its circuit is not evaluated for each "
        f"token; qft cost adapter={spec['name']} says what hardware would run."
    )


def load(config: ForecastConfig, subject: Subject) -> OnChip:
    """Load a run and what it is measured on. Raises QftError where data or base are not the run's."""
    quiet_libraries()
    from qft.data import prepare, template
    from qft.evaluation.decoding import batch_size
    from qft.models import load

    assert subject.run is not None
    parts = prepare.split(prepare.load(subject.data), subject.n, subject.data)
    stored.check_data(subject.run, parts.summary.fingerprint)
    stored.check_base(subject.run, subject.model)
    e, overlong = config.evaluation, prepare.overlong(subject.data)
    tokenizer = load.load_tokenizer(subject.model)
    load.check_vocabulary(subject.model, tokenizer)
    chosen = template.choose(tokenizer, subject.model["template"])
    part, samples = ("held-out", parts.heldout) if parts.heldout else ("validation", parts.validation)
    rows = template.encode(samples[: config.samples], tokenizer, chosen, subject.max_seq_len, overlong).rows
    rows = sorted(rows, key=lambda row: len(row["input_ids"]))
    test = parts.test[: config.answers]
    room = (tokenizer, chosen, subject.max_seq_len, e.max_new_tokens, e.turns, overlong)
    prompts = template.prompts(test, *room) if test else []
    model = _model(subject)
    size = batch_size(model, len(rows[-1]["input_ids"]), all_logits=True)
    size = size if e.batch_size == "auto" else int(e.batch_size)
    return OnChip(subject, parts, tokenizer, chosen, part, rows, prompts, model, _layers(model), size)


def _model(subject: Subject, trainable: bool = False) -> Any:
    from qft.models import inject, load

    assert subject.adapter is not None
    base = load.load_base(subject.model, load.precision())
    return inject.load_adapter(base, subject.adapter, trainable).eval()


def _layers(model: Any) -> "dict[str, list[Delta]]":
    """By the first number in a module's name, which is that of its layer; else by its name."""
    from qft.adapters.layer import QftLayer

    found: dict[str, list[Delta]] = {}
    for name, module in model.named_modules():
        if isinstance(module, QftLayer):
            active = [module.qft_delta[a] for a in module.active_adapters if a in module.qft_delta]
            if deltas := [delta for delta in active if delta.circuits()]:
                number = re.search(r"\.(\d+)\.", name)
                found.setdefault(number[1] if number else name.removeprefix("base_model.model."), []).extend(deltas)
    return found
