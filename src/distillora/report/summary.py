"""The runs of each arm, over its seeds."""

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
    """A figure over the seeds: its mean, and its sample standard deviation from two seeds on."""

    mean: float
    deviation: float | None


@dataclass(frozen=True)
class ArmSummary:
    """One arm and its runs, one a seed.

    Attributes:
        name, runs: which arm, and what was measured of it at each seed.
        comparable_time: whether it was trained with the machine to itself, so that the time
            compares with that of others.
        comparable_before: the same of all arms that it starts from or learns from.
    """

    name: str
    runs: tuple[ArmResult, ...]
    comparable_time: bool = True
    comparable_before: bool = True

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

    def known(self, read: MaybeReader) -> float | None:
        """Return the mean of a figure; None when a run has no such figure."""
        spread = self.spread(read)
        return None if spread is None else spread.mean

    def mean(self, read: Reader) -> float:
        """Return the mean of a figure that every run has."""
        return statistics.fmean(read(run) for run in self.runs)


def summarise(results: Results) -> tuple[ArmSummary, ...]:
    """Group the runs by arm, in the recipe's order; arms of one shape are equally fast."""
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
    """Return all arms made before this one: those it starts from, learns from or averages."""
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


def latency(run: ArmResult) -> float | None:
    """Return the time for one text, in milliseconds; None where it was not measured."""
    return run.cost.latency_ms


def training_seconds(run: ArmResult) -> float | None:
    """Return the wall time of training; None for an arm that was taken as it is."""
    return run.cost.training_seconds or None


def model_bytes(run: ArmResult) -> float:
    """Return the size of the weights that ship."""
    return run.cost.model_bytes
