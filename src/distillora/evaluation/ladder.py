"""How much of a multi-label figure is the model's, and how much the thresholds'."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from distillora.evaluation.bootstrap import METRICS, measure_decisions
from distillora.evaluation.results import Ladder, Rung
from distillora.evaluation.thresholds import tune_one_threshold, tune_thresholds

Probabilities = npt.NDArray[np.float64]
MultiHot = npt.NDArray[np.generic]


def climb_ladder(
    validation: Probabilities,
    validation_truth: MultiHot,
    test: Probabilities,
    test_truth: MultiHot,
    tuned: npt.NDArray[np.float64],
) -> Ladder:
    """Measure test predictions at thresholds that were set in five ways.

    Args:
        validation, test: probabilities, shape (rows, labels).
        validation_truth, test_truth: 1 where a row has a label, else 0; the same shapes.
        tuned: the thresholds that ship, shape (labels,).
    """
    labels = test.shape[1]
    ways = {
        "fixed": np.full(labels, 0.5),
        "one": np.full(labels, tune_one_threshold(validation, validation_truth)),
        "exact": tune_thresholds(validation, validation_truth),
        "tuned": tuned,
        "oracle": tune_thresholds(test, test_truth),
    }
    decided = [test >= cuts for cuts in ways.values()]
    figures = measure_decisions(test_truth.astype(np.bool_), decided)
    rungs = (Rung(**dict(zip(METRICS, own.tolist(), strict=True))) for own in figures)
    return Ladder(**dict(zip(ways, rungs, strict=True)))
