"""forecast.json: what a chip will do to a trained run, before anything is sent."""

from dataclasses import dataclass, field
from typing import ClassVar

from qft.records.evaluation import Interval
from qft.records.record import Record
from qft.records.schema import Document, Plain, absent


@dataclass
class Expected:
    """A number that would be measured on the chip."""

    mean: float  # over the simulated measurements
    interval: Interval | None  # holds one measurement on the chip with probability 95 %; null: all draws are equal
    draws: list[float]  # the simulated measurements


@dataclass
class LayerForecast:
    """What the chip does to the read-outs of one layer of the model."""

    layer: str  # number of the layer; the module's name where it has none
    circuits: int  # modules of the layer with a circuit
    error: float  # root mean square of noisy - ideal read-outs, which lie in [-1, 1]; infinitely many shots
    kept: float | None  # slope of noisy on ideal read-outs, through 0; null: all ideal ones are 0
    shot_error: float | None  # root mean square error of a read-out from these shots; null: read-outs are mitigated
    loss_rise: float  # of the loss with this layer alone on the chip, infinitely many shots, in nats per token


@dataclass
class CurvePoint:
    """The loss with another number of shots."""

    shots: int  # of a circuit
    mean: float  # in nats per token
    interval: Interval | None  # holds one measurement with probability 95 %; null: all draws are equal
    money: float | None  # of the way chosen by mode; null: no price was given


@dataclass
class ScoreForecast:
    """One score of the test answers."""

    ideal: float | None  # of the same answers without noise
    chip: Expected | None  # null where it could not be computed
    higher_is_better: bool = True  # direction of the measure


@dataclass
class CostForecast:
    """One way to run it, as ``qft cost`` counts."""

    way: str  # grouped, per_observable or surrogate
    circuits: int  # sent
    jobs: int  # of batch_size circuits
    shots: int  # of all circuits
    round_trips: int  # that wait for one another
    seconds: float | None  # null: neither rate nor round_trip were given
    money: float | None  # null: no price was given


@dataclass
class MitigatedForecast:
    """The loss with one kind of mitigation, by the way that mode chooses."""

    mitigation: str  # none, read-out, zero-noise extrapolation or both
    options: Plain  # backend.mitigation
    exact: float  # loss with infinitely many shots
    loss: Expected  # loss with these shots, of each circuit that is sent
    circuits: int  # of the loss and the answers, those of the mitigation included
    money: float | None  # null: no price was given


@dataclass
class Retrained:
    """What some steps of training with the chip's noise give back, beside as many without it. Losses on the chip.

    All of infinitely many shots, in nats per token.
    """

    steps: int  # of the optimizer, twice
    lr: float  # peak learning rate
    before: float  # of the run as it is
    without_noise: float  # after the steps on the noiseless simulator
    with_noise: float  # after the steps on the exact noisy one


@dataclass
class Forecast(Document):
    """Losses are in nats per token, of the samples named by ``part``."""

    FILE: ClassVar[str] = "forecast.json"
    ADVICE: ClassVar[str] = "forecast again"

    run: str  # its directory
    adapter: str  # method
    chip: str  # name of the chip, or of the noise
    backend: Plain  # resolved config of the simulator that forecasts
    shots: int  # of a circuit
    mode: str  # direct: a circuit a row; surrogate: each module's response is measured once
    seed: int  # of the simulated measurements
    part: str  # held-out, or validation where nothing is held out
    samples: int  # that the loss is of
    tokens: int  # supervised tokens
    base: float  # loss without the adapter
    ideal: float  # loss of the adapter without noise
    exact: float  # loss on the chip with infinitely many shots
    loss: Expected  # loss on the chip with these shots
    margin: float | None  # losses closer than this are equal, as the data set states
    circuits: int  # of one measurement of the loss, equal ones counted once
    layers: list[LayerForecast]  # in the order of the model
    curve: list[CurvePoint]  # by rising shots
    answers: int  # test answers that the scores are of
    scores: dict[str, ScoreForecast]  # name of the score -> forecast
    costs: list[CostForecast]  # of the loss and the answers together
    record: Record  # versions and machine
    mitigated: list[MitigatedForecast] = field(default_factory=list)  # where it was asked for
    retrained: Retrained | None = absent()  # where it was asked for
