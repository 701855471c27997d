"""evaluation.json, metrics.json and the rows beside them: how answers were made, and what they are worth."""

from dataclasses import dataclass, field
from typing import ClassVar

from qft.records.record import Record
from qft.records.schema import Document, Plain, absent, rest

Interval = tuple[float, float]  # 95 %


@dataclass
class Prompts:
    """What was asked."""

    count: int  # prompts
    sha256: str  # over (id, turn, reference) of each


@dataclass
class Sampling:
    """How tokens were drawn."""

    temperature: float  # of the softmax
    top_p: float  # share of probability drawn from
    seed: int  # of the draws


@dataclass
class EvaluationSettings(Document):
    """What decides the answers; those made with other settings are never taken for these."""

    FILE: ClassVar[str] = "evaluation.json"
    ADVICE: ClassVar[str] = "answer again with overwrite=true"

    base: str  # fingerprint of the base model
    dtype: str  # of the weights
    template: str  # chat template
    adapter: str | None  # SHA-256 of its weights; null: the base alone
    data: str  # fingerprint of the data set
    validation: str  # SHA-256 over the ids of training and validation
    prompts: Prompts
    backend: Plain  # its resolved config, without options that cannot change an answer
    max_seq_len: int  # longest prompt and answer, in tokens
    overlong: str  # what became of longer texts: truncate, drop or error
    turns: str  # which turns were asked: last or all
    limit: int | None  # of test dialogues
    decoding: str | Sampling  # "greedy", or how tokens were drawn
    max_new_tokens: int  # longest answer, in tokens
    batch_size: int  # answers side by side
    max_seconds: float | None  # longest time for a batch


@dataclass
class Loss:
    """Validation loss, in nats per token."""

    loss: float  # mean over all supervised tokens
    perplexity: float  # exp(loss)
    interval: Interval | None  # of the loss, over samples
    loss_per_sample: float  # mean of the samples' means
    tokens: int  # supervised tokens
    samples: int  # of the validation set


@dataclass
class Forgetting:
    """Loss on general text before and after fine-tuning, in nats per token; what is forgotten is their difference."""

    before: float  # of the untuned base
    after: float  # of the fine-tuned model; of the base alone the same
    interval: Interval | None  # of after - before, over texts
    tokens: int  # predicted: all of a text but its first
    texts: int  # read
    truncated: int  # texts cut at max_seq_len
    sha256: str  # over the texts


@dataclass
class Generation:
    """What the answers cost."""

    answers: int  # given
    tokens: int  # of all answers
    unfinished: int  # answers cut at max_new_tokens or max_seconds
    prompts_truncated: int  # prompts cut at max_seq_len
    seconds: float  # spent on all answers
    tokens_per_second: float | None  # tokens / seconds
    seconds_per_token: float | None  # seconds / tokens
    peak_memory_bytes: float | None  # of the process, of the GPU where there is one
    circuits_per_token: float | None = absent()  # evaluated for a token that is read or written
    circuits: int | None = absent()  # that all answers needed
    adapter_bytes: int | None = absent()  # of its weights on disk; of the base there are none


@dataclass
class Score:
    """One score of the test answers."""

    value: float | None  # null where it could not be computed; the signature says why
    interval: Interval | None = None  # over answers
    signature: str = ""  # package, version and options it was computed with
    higher_is_better: bool = True  # direction of the measure
    samples: int | None = None  # answers the value is of; early files do not say


@dataclass
class HarnessScore:
    """One score of a task of lm-evaluation-harness."""

    value: float  # as the harness gives it: most are shares, 0 to 1
    stderr: float | None  # standard error over questions; null where the harness knows none
    higher_is_better: bool | None  # null where the task does not say


@dataclass
class HarnessTask:
    """The scores of a task of lm-evaluation-harness."""

    version: str | None  # of the task
    shots: int  # examples before each question
    samples: int  # questions
    chat: bool  # whether they were put into the chat template of training
    scores: dict[str, HarnessScore]  # metric, and its filter where there are several -> score
    package: str  # lm_eval and its version
    digest: str  # SHA-256 over the task's config, its questions and the options


@dataclass
class Scores:
    """Everything measured of one model: fine-tuned, or its base."""

    validation: Loss | None = absent()
    generation: Generation | None = absent()
    test: dict[str, Score] = field(default_factory=dict)  # name of the score -> score
    scored: str | None = absent()  # SHA-256 of the answers that were scored
    heldout_loss: float | None = absent()  # of the untuned base, nats per token: that of a run is in record.json
    forgetting: Forgetting | None = absent()  # loss on general text, where it was asked for
    harness: dict[str, HarnessTask] | None = absent()  # task of lm-evaluation-harness -> its scores


@dataclass
class BackendUse:
    """The backend that evaluated the circuits of an evaluation."""

    name: str  # of its yaml
    circuits: int  # evaluated in all
    report: Plain = rest()  # what it says besides: jobs, shots, the journal


@dataclass
class Metrics(Document):
    """All results of an evaluation, with the settings they were made with."""

    FILE: ClassVar[str] = "metrics.json"
    ADVICE: ClassVar[str] = "write it again with qft eval, or remove it to keep the scores only"

    settings: EvaluationSettings
    metrics: Scores
    base: Scores | None = absent()  # the same model with its adapter switched off, where it was asked for
    scored_with: list[str] | None = absent()  # metrics of the evaluation
    prompt_counts: dict[str, int] | None = absent()  # prompts, and how many of them were cut
    backend: BackendUse | None = absent()
    record: Record | None = absent()  # versions and machine of the evaluation


@dataclass(kw_only=True)
class Prediction:
    """A line of predictions.jsonl: one answer."""

    id: str  # of the sample
    turn: int  # of the dialogue
    prompt: str  # as the model read it
    reference: str  # the data set's answer
    answer: str | None = None  # final answer that can be verified, where the data state one
    prediction: str  # the model's answer
    tokens: int  # written
    prompt_tokens: int = 0  # read
    finished: bool  # an end token was written before the length limit
    prompt_truncated: bool = False  # the prompt was cut at max_seq_len
    seconds: float  # since the batch began or its last finished answer: they add up to the time spent
    peak_memory_bytes: float | None = None  # of the process (of the GPU's allocations) by then


@dataclass
class ScoreRow:
    """A line of scores.jsonl: every score of one answer, in the order of predictions.jsonl."""

    id: str  # of the sample
    turn: int  # of the dialogue
    scores: dict[str, float | None] = field(default_factory=dict)  # null where the answer could not be judged
    reasons: dict[str, str | None] = field(default_factory=dict)  # why, where a metric judges


@dataclass
class ValidationRow:
    """A line of validation.jsonl: the loss of one validation sample, in nats per token."""

    id: str  # of the sample
    loss: float  # mean over its supervised tokens
    tokens: int  # supervised tokens


@dataclass
class GeneralRow:
    """A line of general.jsonl: the loss of one general text before and after fine-tuning, in nats per token."""

    id: str  # its place among the texts, from 1
    before: float  # mean over its tokens, of the untuned base
    after: float  # mean over its tokens, of the fine-tuned model
    tokens: int  # predicted


@dataclass
class UntunedLosses(Document):
    """The losses of a base on general texts, which other runs of that base read instead of computing them again."""

    FILE: ClassVar[str] = "untuned-KEY.json"
    ADVICE: ClassVar[str] = "remove it"

    settings: Plain  # what decides the losses; KEY is the beginning of its SHA-256
    losses: list[tuple[float, int]]  # of each text: sum over its tokens in nats, and number of tokens
