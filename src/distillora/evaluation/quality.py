"""From logits on validation and test to all figures of an arm, whatever model they come from.

Temperature, thresholds and the way to set them are chosen on validation. Test labels are only used
to measure, and by the oracle thresholds of the ladder, which are not kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix

from distillora.evaluation.calibration import calibration_error, fit_temperature
from distillora.evaluation.metrics import multi_label_metrics, single_label_metrics
from distillora.evaluation.predictions import Predictions
from distillora.evaluation.results import Ladder, Metrics, SplitMetrics, TaskType
from distillora.evaluation.threshold_choice import Chosen, choose_thresholds
from distillora.evaluation.thresholds import compare_thresholds
from distillora.probabilities import sigmoid


class Evaluation(TypedDict):
    """The fields of ``ArmResult`` that follow from logits and labels alone."""

    metrics: Metrics
    temperature: float
    thresholds: tuple[float, ...] | None
    threshold_method: Literal["exact", "smoothed", "shrunk"] | None
    ladder: Ladder | None
    confusions: tuple[tuple[int, ...], ...]


def evaluate_logits(
    validation: Predictions, test: Predictions, task: TaskType, label_names: Sequence[str]
) -> Evaluation:
    """Calibrate on validation, choose thresholds there, and measure both splits.

    Args:
        validation, test: logits and labels of each split.
        task: single-label or multi-label.
        label_names: label 0 first.

    Raises:
        ValueError: shapes do not match, or there are no rows.
        RunError: a logit is not finite.
    """
    temperature = fit_temperature(validation.logits, _targets(validation, task), task)
    chosen = ladder = None
    if task == "multi_label":
        scores = [sigmoid(split.logits / temperature) for split in (validation, test)]
        chosen = choose_thresholds(scores[0], validation.truth)
        ladder = compare_thresholds(
            scores[0], validation.truth, scores[1], test.truth, chosen.thresholds
        )
    measured = {
        name: _measure(split, task, label_names, temperature, chosen)
        for name, split in (("validation", validation), ("test", test))
    }
    if task == "single_label" and any(_has_several(split) for split in (validation, test)):
        measured["validation"] = _with_any_label(measured["validation"], validation)
        measured["test"] = _with_any_label(measured["test"], test)
    return {
        "metrics": Metrics(validation=measured["validation"], test=measured["test"]),
        "temperature": temperature,
        "thresholds": tuple(chosen.thresholds.tolist()) if chosen else None,
        "threshold_method": chosen.method if chosen else None,
        "ladder": ladder,
        "confusions": _count_confusions(test),
    }


def accuracy_any_label(logits: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Return the share of rows whose most probable label is any of the row's labels.

    Args:
        logits: shape (rows, labels).
        truth: which labels a row has, the same shape.
    """
    best = np.asarray(logits).argmax(axis=1)
    return float(np.asarray(truth, dtype=bool)[np.arange(len(best)), best].mean())


def _targets(split: Predictions, task: TaskType) -> npt.NDArray[np.generic]:
    return split.truth if task == "multi_label" else split.classes


def _measure(
    split: Predictions,
    task: TaskType,
    label_names: Sequence[str],
    temperature: float,
    chosen: Chosen | None,
) -> SplitMetrics:
    targets = _targets(split, task)
    if chosen is not None:
        cuts = chosen.thresholds
        measured = multi_label_metrics(split.logits, targets, label_names, cuts, temperature)
    else:
        measured = single_label_metrics(split.logits, split.classes, label_names)
    errors = {
        "calibration_error": calibration_error(split.logits / temperature, targets, task),
        "uncalibrated_error": calibration_error(split.logits, targets, task),
    }
    return measured.model_copy(update=errors)


def _has_several(split: Predictions) -> bool:
    return bool((split.truth.sum(axis=1) > 1).any())


def _with_any_label(measured: SplitMetrics, split: Predictions) -> SplitMetrics:
    share = accuracy_any_label(split.logits, split.truth)
    return measured.model_copy(update={"accuracy_any_label": share})


def _count_confusions(test: Predictions) -> tuple[tuple[int, ...], ...]:
    labels = range(test.logits.shape[1])
    counts = confusion_matrix(test.classes, test.logits.argmax(axis=1), labels=labels)
    return tuple(tuple(row) for row in counts.tolist())
