"""Arms measured on the same test rows, and on the same bootstrap draws of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from distillora.evaluation.bootstrap import METRICS, bootstrap_metrics, measure_decisions
from distillora.evaluation.evidence import FEWEST_SEEDS, Difference
from distillora.evaluation.significance import (
    difference_over_seeds,
    estimate_over_seeds,
    smallest_p,
)
from distillora.evaluation.uncertainty import Uncertain

Flags = npt.NDArray[np.bool_]
Decisions = Mapping[str, Mapping[int, Flags]]


@dataclass(frozen=True)
class ResampledArm:
    """One arm.

    Attributes:
        seeds: in rising order.
        figures: by seed and metric, shape (seeds, 4).
        resampled: the same on bootstrap draws, shape (seeds, resamples, 4).
        right: which rows have every label right, shape (seeds, rows).
        settled: whether it draws no random numbers, like TF-IDF: its variance over seeds is 0, so
            one seed is enough.
    """

    seeds: tuple[int, ...]
    figures: npt.NDArray[np.float64]
    resampled: npt.NDArray[np.float64]
    right: Flags
    settled: bool = False

    @property
    def enough_seeds(self) -> bool:
        """Whether a difference from this arm can be shown."""
        return self.settled or len(self.seeds) >= FEWEST_SEEDS

    def estimate(self, metric: str) -> Uncertain:
        """Estimate a figure of this arm."""
        i = METRICS.index(metric)
        return estimate_over_seeds(self.figures[:, i], self.resampled[:, :, i])

    def subtract(self, other: ResampledArm, metric: str) -> Uncertain:
        """Estimate how much a figure of this arm exceeds another's; equal seeds are paired."""
        i = METRICS.index(metric)
        return difference_over_seeds(
            self.figures[:, i],
            other.figures[:, i],
            self.resampled[:, :, i],
            other.resampled[:, :, i],
            paired=self.seeds == other.seeds,
        )

    def describe(self, found: Uncertain) -> Difference:
        """Describe a difference from this arm; its p-value is at least what the rows allow."""
        low, high = found.interval()
        p = max(found.p, smallest_p(self.right.shape[1]))
        return Difference(mean=found.value, low=max(low, -1.0), high=min(high, 1.0), p=p)


def resample_arms(
    truth: Flags, decisions: Decisions, resamples: int, settled: frozenset[str] = frozenset()
) -> dict[str, ResampledArm]:
    """Measure what arms decided on the same rows.

    Args:
        truth: which labels a row has, shape (rows, labels).
        decisions: arm -> seed -> which labels it gives a row, the same shape.
        resamples: bootstrap draws; the same in every call with as many rows.
        settled: the arms that draw no random numbers.
    """
    # in the order of the seeds, so that equal seeds are paired
    ordered = {name: dict(sorted(by_seed.items())) for name, by_seed in decisions.items()}
    flat = [own for by_seed in ordered.values() for own in by_seed.values()]
    if not flat:
        return {}
    figures = measure_decisions(truth, flat)
    resampled = bootstrap_metrics(truth, flat, resamples)
    arms, start = {}, 0
    for name, by_seed in ordered.items():
        own = slice(start, start + len(by_seed))
        right = np.stack([(truth == d).all(axis=1) for d in by_seed.values()])
        arms[name] = ResampledArm(
            tuple(by_seed), figures[own], resampled[own], right, settled=name in settled
        )
        start = own.stop
    return arms
