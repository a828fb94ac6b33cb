"""From the decisions of every arm at every seed to the evidence: intervals, tests, all pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from distillora.errors import IntegrityError
from distillora.evaluation.bootstrap import METRICS, bootstrap_metrics, measure_decisions
from distillora.evaluation.evidence import (
    ArmEvidence,
    Difference,
    Estimate,
    Evidence,
    PairEvidence,
)
from distillora.evaluation.predictions import decide, read_predictions, true_labels
from distillora.evaluation.results import ArmResult, Task
from distillora.evaluation.significance import (
    LEVEL,
    difference_over_seeds,
    estimate_over_seeds,
    holm,
    mcnemar,
    smallest_p,
)

RESAMPLES = 10_000
HEADLINE: dict[Task, str] = {"single_label": "f1_weighted", "multi_label": "f1_macro"}

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Measured:
    """One arm: figures by seed (seeds, 4), on draws (seeds, resamples, 4), right rows."""

    seeds: tuple[int, ...]
    figures: npt.NDArray[np.float64]
    resampled: npt.NDArray[np.float64]
    right: Flags


def compare_runs(
    runs: Sequence[ArmResult], run_dir: Path, task: Task, resamples: int = RESAMPLES
) -> Evidence:
    """Compare all arms of a run from their predictions files.

    Raises:
        IntegrityError: a predictions file is missing or torn, or arms were scored on other rows.
    """
    truth: Flags | None = None
    decisions: dict[str, dict[int, Flags]] = {}
    for run in runs:
        found = read_predictions(run_dir, run)
        own = true_labels(found, task)
        if truth is not None and not np.array_equal(own, truth):
            raise IntegrityError(
                f"{run_dir / run.predictions} was scored on other test rows than the arms before "
                "it. Delete that arm's result.json and run `distillora compare` again."
            )
        truth = own
        decisions.setdefault(run.name, {})[run.seed] = decide(found, run, task)
    assert truth is not None
    return compare_decisions(truth, decisions, HEADLINE[task], resamples)


def compare_decisions(
    truth: Flags,
    decisions: Mapping[str, Mapping[int, Flags]],
    headline: str,
    resamples: int = RESAMPLES,
) -> Evidence:
    """Compare arms by what they decided on the same rows.

    Args:
        truth: which labels a row has, shape (rows, labels).
        decisions: arm -> seed -> which labels it gives a row, the same shape.
        headline: one of ``METRICS``.
        resamples: bootstrap draws.
    """
    # in the order of the seeds, so that the same ones pair up whichever was made first
    ordered = {name: dict(sorted(by_seed.items())) for name, by_seed in decisions.items()}
    arms = _measure(truth, ordered, resamples)
    return Evidence(
        headline=headline,
        level=LEVEL,
        resamples=resamples,
        arms=tuple(
            ArmEvidence(name=name, seeds=arm.seeds, metrics=_estimates(arm))
            for name, arm in arms.items()
        ),
        pairs=_compare_pairs(arms),
    )


def _measure(
    truth: Flags, decisions: Mapping[str, Mapping[int, Flags]], resamples: int
) -> dict[str, _Measured]:
    flat = [own for by_seed in decisions.values() for own in by_seed.values()]
    figures = measure_decisions(truth, flat)
    resampled = bootstrap_metrics(truth, flat, resamples)
    arms, start = {}, 0
    for name, by_seed in decisions.items():
        own = slice(start, start + len(by_seed))
        right = np.stack([(truth == d).all(axis=1) for d in by_seed.values()])
        arms[name] = _Measured(tuple(by_seed), figures[own], resampled[own], right)
        start = own.stop
    return arms


def _estimates(arm: _Measured) -> dict[str, Estimate]:
    estimates = {}
    for i, metric in enumerate(METRICS):
        by_seed = arm.figures[:, i]
        found = estimate_over_seeds(by_seed, arm.resampled[:, :, i])
        low, high = found.interval()
        deviation = float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None
        estimates[metric] = Estimate(
            mean=found.value, deviation=deviation, low=max(low, 0.0), high=min(high, 1.0)
        )
    return estimates


def _compare_pairs(arms: Mapping[str, _Measured]) -> tuple[PairEvidence, ...]:
    pairs = list(combinations(arms, 2))
    by_metric = {
        metric: _correct([_difference(arms[a], arms[b], i) for a, b in pairs])
        for i, metric in enumerate(METRICS)
    }
    tested = [mcnemar(arms[a].right, arms[b].right) for a, b in pairs]
    corrected = holm(tested).tolist()
    return tuple(
        PairEvidence(
            first=a,
            second=b,
            differences={metric: by_metric[metric][k] for metric in METRICS},
            mcnemar=tested[k],
        )
        for k, (a, b) in enumerate(pairs)
    )


def _difference(first: _Measured, second: _Measured, metric: int) -> Difference:
    found = difference_over_seeds(
        first.figures[:, metric],
        second.figures[:, metric],
        first.resampled[:, :, metric],
        second.resampled[:, :, metric],
        paired=first.seeds == second.seeds,
    )
    low, high = found.interval()
    p = max(found.p, smallest_p(first.right.shape[1]))
    return Difference(mean=found.value, low=max(low, -1.0), high=min(high, 1.0), p=p)


def _correct(differences: Sequence[Difference]) -> list[Difference]:
    """Correct the p-values of one metric for all pairs of arms."""
    corrected = holm([found.p for found in differences]).tolist()
    return [
        found.model_copy(update={"p": p})
        for found, p in zip(differences, corrected, strict=True)
    ]
