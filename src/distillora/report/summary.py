"""Each arm's results over its seeds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from distillora.evaluation.results import (
    ArmResult,
    LabelMetrics,
    Results,
    SplitMetrics,
    TunedMetrics,
)
from distillora.report.timing import comparable_time, share_speed

Reader = Callable[[ArmResult], float]
MaybeReader = Callable[[ArmResult], float | None]


@dataclass(frozen=True)
class Spread:
    """The mean over the seeds, and the sample standard deviation (None with one seed)."""

    mean: float
    deviation: float | None


@dataclass(frozen=True)
class ArmSummary:
    """One arm and its results at each seed.

    Attributes:
        name: the arm's name.
        runs: its results, one per seed.
        comparable_time: whether it had the machine to itself during training, so that its
            training time is comparable.
        comparable_before: the same for all arms that it starts from or learns from.
    """

    name: str
    runs: tuple[ArmResult, ...]
    comparable_time: bool = True
    comparable_before: bool = True

    @property
    def first(self) -> ArmResult:
        """The first result, for properties that do not depend on the seed."""
        return self.runs[0]

    def spread(self, read: MaybeReader) -> Spread | None:
        """Summarise a figure over the seeds; None if it is missing at any seed."""
        values = [value for run in self.runs if (value := read(run)) is not None]
        if not values or len(values) < len(self.runs):
            return None
        return Spread(
            statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None
        )

    def known(self, read: MaybeReader) -> float | None:
        """Return the mean of a figure; None if it is missing at any seed."""
        spread = self.spread(read)
        return None if spread is None else spread.mean

    def mean(self, read: Reader) -> float:
        """Return the mean of a figure that is never missing."""
        return statistics.fmean(read(run) for run in self.runs)


def summarise(results: Results) -> tuple[ArmSummary, ...]:
    """Group results by arm, in the recipe's order; arms of one shape share their speed."""
    runs: dict[str, list[ArmResult]] = {name: [] for name in results.recipe.get("arms", {})}
    for run in share_speed(results):
        runs.setdefault(run.name, []).append(run)
    alone = {name: all(comparable_time(run, results) for run in own) for name, own in runs.items()}
    return tuple(
        ArmSummary(
            name,
            tuple(own),
            comparable_time=alone[name],
            comparable_before=all(alone.get(other, True) for other in _before(name, runs, results)),
        )
        for name, own in runs.items()
        if own
    )


def _before(name: str, runs: Mapping[str, Sequence[ArmResult]], results: Results) -> set[str]:
    """Return all arms that this one starts from, learns from or averages, transitively."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        init = results.recipe.get("arms", {}).get(current, {}).get("init", {})
        teachers = {teacher for run in runs.get(current, ()) for teacher in run.teachers}
        needs = ({init.get("arm"), *(init.get("ensemble") or ())} | teachers) - {None}
        waiting += needs - found
        found |= needs
    return found


def operating_point(split: SplitMetrics) -> SplitMetrics | TunedMetrics:
    """Return the metrics at tuned thresholds if there are any, or else the plain ones."""
    return split.tuned or split


def chosen_by(run: ArmResult) -> float:
    """Return the validation score that ranks arms.

    Weighted F1 for single-label. Average precision for multi-label, because thresholds are tuned on
    the same rows, which would flatter F1.
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
    """Return the test metrics of each label."""
    return operating_point(run.metrics.test).per_label


def latency(run: ArmResult) -> float | None:
    """Return the time for one text in milliseconds; None if it was not measured."""
    return run.cost.latency_ms


def training_seconds(run: ArmResult) -> float | None:
    """Return the wall time of training in seconds; None for an arm that was not trained."""
    return run.cost.training_seconds or None


def model_bytes(run: ArmResult) -> float:
    """Return the size of the final weights in bytes."""
    return run.cost.model_bytes
