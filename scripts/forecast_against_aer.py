"""Hold forecasts against measurements: Qiskit Aer's shots stand in for the chip.

    python scripts/forecast_against_aer.py outputs/run0 outputs/run1 ... [--samples 8] [--shots 1000] [--mode direct]

Each run is forecast by the exact noisy backend (``qft forecast``) and then measured once: the loss of the same samples
with Aer sampling the shots of every circuit under the same noise, by a simulator and random numbers of its own. Prints
a line a run, and in how many the measured loss lies in the forecast's 95 % interval.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qft.compose.typed import compose
from qft.config import ForecastConfig
from qft.quantum import backends
from qft.records import Forecast
from qft.runs import on_chip, stored
from qft.runs.forecast import forecast, measure


@dataclass(frozen=True)
class Held:
    """A forecast and the loss that Aer measured."""

    forecast: Forecast
    measured: float

    @property
    def inside(self) -> bool:
        """Whether the measured loss lies in the interval."""
        ends = self.forecast.loss.interval
        return ends is not None and ends[0] <= self.measured <= ends[1]

    @property
    def deviations(self) -> float:
        """How far the measured loss is from the expected one, in half widths of the interval."""
        low, high = self.forecast.loss.interval or (0.0, 0.0)
        return (self.measured - self.forecast.loss.mean) / ((high - low) / 2)


def hold(run: Path, seed: int, options: Sequence[str]) -> Held:
    """Forecast a run with ``qft forecast``'s options, and measure it once with Aer's shots drawn by ``seed``."""
    config = compose("forecast", ForecastConfig, [f"run={run}", "answers=0", *options])
    made = forecast(config)
    simulator = backends.load(
        "aer", noise=config.backend["noise"], scale=config.backend["scale"], shots=config.shots, seed=seed
    )
    loaded = on_chip.load(config, stored.subject(config))
    return Held(made, measure(loaded, simulator, config.mode))


def main() -> None:
    """Print a line a run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    for name, default in (("samples", 8), ("shots", 1000), ("mode", "direct"), ("repeats", 8), ("chip", "wukong_like")):
        parser.add_argument(f"--{name}", default=default)
    given: dict[str, Any] = vars(parser.parse_args())
    chip = given.pop("chip")
    runs = given.pop("runs")
    options = [f"chip={chip}", f"backend.noise={chip}", *(f"{key}={value}" for key, value in given.items())]
    results = []
    print("| run | noiseless | forecast | 95 % interval | Aer | inside |\n|---|---:|---:|---:|---:|---|")
    for k, run in enumerate(runs):
        held = hold(run, 1000 + k, options)
        results.append(held)
        loss = held.forecast.loss
        ends = "–" if loss.interval is None else f"{loss.interval[0]:.5f} to {loss.interval[1]:.5f}"
        row = (run.name, f"{held.forecast.ideal:.5f}", f"{loss.mean:.5f}", ends, f"{held.measured:.5f}")
        print("| " + " | ".join((*row, "yes" if held.inside else "no")) + " |", flush=True)
    print(f"\n{sum(h.inside for h in results)} of {len(results)} inside")


if __name__ == "__main__":
    main()
