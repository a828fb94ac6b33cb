"""Compare: from the decisions of every arm at every seed to intervals, contrasts and shares."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from distillora.errors import IntegrityError
from distillora.evaluation.bootstrap import METRICS
from distillora.evaluation.evidence import (
    ArmEvidence,
    ContrastEvidence,
    Estimate,
    Evidence,
    PairEvidence,
)
from distillora.evaluation.predictions import decide, read_predictions, true_labels
from distillora.evaluation.resampled import Decisions, Flags, ResampledArm, resample_arms
from distillora.evaluation.results import ArmResult, TaskType
from distillora.evaluation.shares import Taught, measure_shares, read_teachers
from distillora.evaluation.significance import holm, mcnemar
from distillora.evaluation.uncertainty import LEVEL
from distillora.recipe import Contrast

RESAMPLES = 10_000
SIGNIFICANT = 0.05
HEADLINE: dict[TaskType, str] = {"single_label": "f1_weighted", "multi_label": "f1_macro"}


def compare_runs(
    runs: Sequence[ArmResult],
    run_dir: Path,
    task: TaskType,
    contrasts: Sequence[Contrast] = (),
    resamples: int = RESAMPLES,
) -> Evidence:
    """Compare all arms of a run from their predictions files.

    Args:
        runs: every arm at every seed.
        run_dir: where their predictions are.
        task: single-label or multi-label.
        contrasts: the questions that the recipe asks.
        resamples: bootstrap draws.

    Raises:
        IntegrityError: a predictions file is missing or torn, or is of other rows.
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
    return compare_decisions(
        truth,
        decisions,
        HEADLINE[task],
        resamples,
        contrasts=contrasts,
        # a TF-IDF baseline is made once, because it would be the same at every seed
        settled={run.name for run in runs if run.is_baseline},
        taught=read_teachers(runs, run_dir, task),
    )


def compare_decisions(
    truth: Flags,
    decisions: Decisions,
    headline: str,
    resamples: int = RESAMPLES,
    *,
    contrasts: Sequence[Contrast] = (),
    settled: Collection[str] = (),
    taught: Mapping[str, Taught] | None = None,
) -> Evidence:
    """Compare arms by what they decided on the same rows.

    Args:
        truth: which labels a row has, shape (rows, labels).
        decisions: arm -> seed -> which labels it gives a row, the same shape.
        headline: one of ``METRICS``.
        resamples: bootstrap draws.
        contrasts: the questions to answer.
        settled: the arms that draw no random numbers, so that one seed is enough.
        taught: the teachers of each student.
    """
    arms = resample_arms(truth, decisions, resamples, frozenset(settled))
    return Evidence(
        headline=headline,
        level=LEVEL,
        resamples=resamples,
        arms=tuple(
            ArmEvidence(name=name, seeds=arm.seeds, metrics=_estimates(arm))
            for name, arm in arms.items()
        ),
        contrasts=answer_contrasts(contrasts, arms, headline),
        shares=measure_shares(truth, arms, taught or {}, headline, resamples),
        pairs=tuple(_compare(arms, *pair) for pair in combinations(arms, 2)),
    )


def answer_contrasts(
    contrasts: Sequence[Contrast], arms: Mapping[str, ResampledArm], headline: str
) -> tuple[ContrastEvidence, ...]:
    """Test each contrast of a recipe, corrected for all of them together.

    A difference is shown if its corrected p-value is below 0.05 and both sides have enough seeds.
    Those contrasts are one family, whatever their metric. A contrast with too few seeds can never
    be shown: it is described but not tested, and the others are not corrected for it. The chance
    of showing any false difference stays below 0.05, because the number of seeds is fixed before
    anything is measured.

    Args:
        contrasts: in the recipe's order.
        arms: every arm that they name.
        headline: the metric of contrasts that name none.
    """
    family = sum(_has_enough_seeds(contrast, arms) for contrast in contrasts)
    return correct_family([_test(contrast, arms, headline, family) for contrast in contrasts])


def correct_family(found: Sequence[ContrastEvidence]) -> tuple[ContrastEvidence, ...]:
    """Correct the p-values of contrasts for one another, and decide which differences are shown.

    Only contrasts with enough seeds count, those with a ``detectable`` difference; the others get
    no ``p_holm``.
    """
    tested = [i for i, one in enumerate(found) if one.detectable is not None]
    corrected = dict(zip(tested, holm([found[i].difference.p for i in tested]), strict=True))
    return tuple(
        one.model_copy(update={"p_holm": float(p), "shown": bool(p < SIGNIFICANT)})
        if (p := corrected.get(i)) is not None
        else one.model_copy(update={"p_holm": None, "shown": False})
        for i, one in enumerate(found)
    )


def _has_enough_seeds(contrast: Contrast, arms: Mapping[str, ResampledArm]) -> bool:
    return arms[contrast.first].enough_seeds and arms[contrast.second].enough_seeds


def _test(
    contrast: Contrast, arms: Mapping[str, ResampledArm], headline: str, family: int
) -> ContrastEvidence:
    first, second = arms[contrast.first], arms[contrast.second]
    metric = headline if contrast.metric == "auto" else contrast.metric
    found = first.subtract(second, metric)
    difference = first.describe(found)
    return ContrastEvidence(
        question=contrast.question,
        first=contrast.first,
        second=contrast.second,
        metric=metric,
        difference=difference,
        p_holm=None,
        detectable=found.detectable(SIGNIFICANT / family)
        if _has_enough_seeds(contrast, arms)
        else None,
        seeds=(len(first.seeds), len(second.seeds)),
        shown=False,
    )


def _estimates(arm: ResampledArm) -> dict[str, Estimate]:
    estimates = {}
    for i, metric in enumerate(METRICS):
        by_seed = arm.figures[:, i]
        found = arm.estimate(metric)
        low, high = found.interval()
        deviation = float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None
        estimates[metric] = Estimate(
            mean=found.value, deviation=deviation, low=max(low, 0.0), high=min(high, 1.0)
        )
    return estimates


def _compare(arms: Mapping[str, ResampledArm], first: str, second: str) -> PairEvidence:
    one, other = arms[first], arms[second]
    return PairEvidence(
        first=first,
        second=second,
        differences={metric: one.describe(one.subtract(other, metric)) for metric in METRICS},
        mcnemar=mcnemar(one.right, other.right),
    )
