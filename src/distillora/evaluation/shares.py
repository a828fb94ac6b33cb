"""The share of its teachers' score that a student keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from distillora.evaluation.bootstrap import METRICS
from distillora.evaluation.calibration import fit_temperature
from distillora.evaluation.evidence import Estimate, ShareEvidence
from distillora.evaluation.predictions import Predictions, decide_logits, read_predictions
from distillora.evaluation.resampled import Flags, ResampledArm, resample_arms
from distillora.evaluation.results import ArmResult, TaskType
from distillora.evaluation.significance import estimate_over_seeds
from distillora.evaluation.threshold_choice import choose_thresholds
from distillora.probabilities import sigmoid

Model = tuple[str, int]
"""An arm at a seed."""


@dataclass(frozen=True)
class Taught:
    """The teachers of a student at all its seeds, and the decisions of their mean, by seed."""

    teachers: tuple[Model, ...]
    decisions: Mapping[int, Flags]


def teachers_of(run: ArmResult) -> tuple[Model, ...]:
    """Return the models whose mean logits a student learnt from."""
    seeds = run.teacher_seeds or (run.seed,)
    return tuple((teacher, seed) for teacher in run.teachers for seed in seeds)


def read_teachers(runs: Sequence[ArmResult], run_dir: Path, task: TaskType) -> dict[str, Taught]:
    """Compute what the teachers of each student decide together, from their predictions files.

    Their logits are averaged, as the student saw them. For multi-label the mean gets a temperature
    and thresholds of its own from the validation split, as every arm does.

    Raises:
        IntegrityError: a predictions file is missing or torn.
    """
    made = {(run.name, run.seed): run for run in runs}
    models: dict[str, dict[int, tuple[Model, ...]]] = {}
    for run in runs:
        if run.teachers:
            models.setdefault(run.name, {})[run.seed] = teachers_of(run)
    # the same models often teach several students, at several seeds
    together = dict.fromkeys(own for by_seed in models.values() for own in by_seed.values())
    decided = {
        own: _decide_together([made[model] for model in own], run_dir, task) for own in together
    }
    return {
        student: Taught(
            tuple(dict.fromkeys(model for own in by_seed.values() for model in own)),
            {seed: decided[own] for seed, own in by_seed.items()},
        )
        for student, by_seed in models.items()
    }


def _decide_together(runs: Sequence[ArmResult], run_dir: Path, task: TaskType) -> Flags:
    test = [read_predictions(run_dir, run) for run in runs]
    logits = _mean_logits(test)
    if task == "single_label":
        return decide_logits(logits, task)
    validation = [read_predictions(run_dir, run, "validation") for run in runs]
    tuned_on, truth = _mean_logits(validation), validation[0].truth
    temperature = fit_temperature(tuned_on, truth, task)
    thresholds = choose_thresholds(sigmoid(tuned_on / temperature), truth).thresholds
    return decide_logits(logits, task, temperature, thresholds)


def _mean_logits(found: Sequence[Predictions]) -> npt.NDArray[np.float64]:
    return np.asarray(np.mean([own.logits for own in found], axis=0))


def measure_shares(
    truth: Flags,
    arms: Mapping[str, ResampledArm],
    taught: Mapping[str, Taught],
    metric: str,
    resamples: int,
) -> tuple[ShareEvidence, ...]:
    """Compare each student with its teachers; one with a score of 0 is left out.

    Args:
        truth: which labels a row has, shape (rows, labels).
        arms: measured on the same rows and draws.
        taught: by student.
        metric: whose share.
        resamples: bootstrap draws, as many as the arms have.
    """
    together = resample_arms(truth, {name: t.decisions for name, t in taught.items()}, resamples)
    i = METRICS.index(metric)
    shares = []
    for name, teachers in together.items():
        share = _share(arms[name], teachers, i)
        if share is not None:
            shares.append(
                ShareEvidence(
                    student=name,
                    teachers=tuple(f"{arm}, seed {seed}" for arm, seed in taught[name].teachers),
                    metric=metric,
                    teacher_score=float(teachers.figures[:, i].mean()),
                    share=share,
                )
            )
    return tuple(shares)


def _share(student: ResampledArm, teachers: ResampledArm, metric: int) -> Estimate | None:
    """Return the ratio of two figures; its interval is that of the logarithm.

    None where a figure, on the test rows or on a draw of them, is 0.
    """
    above, below = student.resampled[:, :, metric], teachers.resampled[:, :, metric]
    figures = student.figures[:, metric], teachers.figures[:, metric]
    if not all((values > 0).all() for values in (above, below, *figures)):
        return None
    by_seed = figures[0] / figures[1]
    low, high = estimate_over_seeds(np.log(by_seed), np.log(above / below)).interval()
    mean = float(by_seed.mean())
    # exp of a wide interval may be beyond any float
    return Estimate(
        mean=mean,
        deviation=float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None,
        low=min(mean, math.exp(max(low, -700.0))),
        high=max(mean, math.exp(min(high, 700.0))),
    )
