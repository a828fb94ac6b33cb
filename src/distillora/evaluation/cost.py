"""The cost of running a finished model: latency of one text, throughput, size on disk."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

_WARM_UP = 5


@dataclass(frozen=True)
class Trial:
    """A model to time, and what it is timed on.

    Attributes:
        predict: turns inputs into logits.
        single: inputs of one text each.
        batch: the input of many texts at once.
        texts: how many texts ``batch`` holds.
    """

    predict: Callable[[Any], object]
    single: Sequence[Any]
    batch: Any
    texts: int


class Speed(NamedTuple):
    """Median milliseconds for one text, and median texts per second over many."""

    latency_ms: float
    throughput: float


def measure_rounds(
    trials: Mapping[str, Trial], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Speed]:
    """Time every model once in each round, and return its medians.

    Rounds are interleaved, so that a slow spell of the machine affects all models alike. In each
    round the first texts are scored once beforehand, untimed, to warm up.

    Args:
        trials: the models by name.
        rounds: at least one.
        clock: returns seconds.

    Returns:
        Latency as the median over the single texts of all rounds, throughput as the median over
        the rounds.
    """
    seconds: dict[str, list[float]] = {name: [] for name in trials}
    rates: dict[str, list[float]] = {name: [] for name in trials}
    for _ in range(rounds):
        for name, trial in trials.items():
            for text in trial.single[:_WARM_UP]:
                trial.predict(text)
            seconds[name] += [_time(trial, text, clock) for text in trial.single]
            rates[name].append(trial.texts / _time(trial, trial.batch, clock))
    return {
        name: Speed(1000 * statistics.median(seconds[name]), statistics.median(rates[name]))
        for name in trials
    }


def _time(trial: Trial, inputs: Any, clock: Callable[[], float]) -> float:
    start = clock()
    trial.predict(inputs)
    return clock() - start


def weights_bytes(folder: Path) -> int:
    """Return the size of the safetensors files in a folder."""
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))
