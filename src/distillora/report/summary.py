"""The runs of each arm, over its seeds."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from distillora.evaluation.results import (
    ArmResult,
    LabelMetrics,
    Results,
    SplitMetrics,
    TunedMetrics,
)

Reader = Callable[[ArmResult], float]
MaybeReader = Callable[[ArmResult], float | None]


@dataclass(frozen=True)
class Spread:
    """A figure over the seeds: its mean, and its sample standard deviation from two seeds on."""

    mean: float
    deviation: float | None


@dataclass(frozen=True)
class ArmSummary:
    """One arm and its runs, one a seed."""

    name: str
    runs: tuple[ArmResult, ...]

    @property
    def first(self) -> ArmResult:
        """The first run, for what does not depend on the seed."""
        return self.runs[0]

    def spread(self, read: MaybeReader) -> Spread | None:
        """Sum a figure up over the seeds; None when a run has no such figure."""
        values = [value for run in self.runs if (value := read(run)) is not None]
        if not values or len(values) < len(self.runs):
            return None
        return Spread(
            statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None
        )

    def mean(self, read: Reader) -> float:
        """Return the mean of a figure that every run has."""
        return statistics.fmean(read(run) for run in self.runs)


def summarise(results: Results) -> tuple[ArmSummary, ...]:
    """Group the runs by arm, in the recipe's order."""
    runs: dict[str, list[ArmResult]] = {name: [] for name in results.recipe.get("arms", {})}
    for run in results.arms:
        runs.setdefault(run.name, []).append(run)
    return tuple(ArmSummary(name, tuple(own)) for name, own in runs.items() if own)


def operating_point(split: SplitMetrics) -> SplitMetrics | TunedMetrics:
    """Return the metrics at tuned thresholds where there are any, else the plain ones."""
    return split.tuned or split


def chosen_by(run: ArmResult) -> float:
    """Return the validation figure by which arms are compared.

    Weighted F1 for single-label; average precision for multi-label, for it needs no threshold
    (thresholds are tuned on the same rows, which flatters F1 there).
    """
    validation = run.metrics.validation
    precision = validation.average_precision
    return validation.f1_weighted if precision is None else precision


def f1_on_test(run: ArmResult) -> float:
    """Return weighted F1 on test."""
    return operating_point(run.metrics.test).f1_weighted


def accuracy_on_test(run: ArmResult) -> float:
    """Return accuracy on test (multi-label: share of rows with exactly the right labels)."""
    return operating_point(run.metrics.test).accuracy


def labels_on_test(run: ArmResult) -> tuple[LabelMetrics, ...]:
    """Return the figures of each label on test."""
    return operating_point(run.metrics.test).per_label


def latency(run: ArmResult) -> float:
    """Return the time for one text, in milliseconds."""
    return run.cost.latency_ms


def model_bytes(run: ArmResult) -> float:
    """Return the size of the weights that ship."""
    return run.cost.model_bytes
