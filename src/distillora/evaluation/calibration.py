"""Calibration: a temperature fitted on validation data, and the expected calibration error."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from distillora.probabilities import TaskType, to_probabilities

BINS = 15
_LOG_RANGE = (np.log(0.05), np.log(20.0))


def fit_temperature(logits: npt.ArrayLike, targets: npt.ArrayLike, task: TaskType) -> float:
    """Fit the temperature, between 0.05 and 20, that minimises the loss of the divided logits.

    One number divides all logits, so argmax does not change.
    Source: Guo et al. 2017 (arXiv 1706.04599), section 4.2; for multi-label the likelihood is
    that of each label's sigmoid.

    Args:
        logits: shape (rows, labels).
        targets: classes of shape (rows,), or 0 and 1 of shape (rows, labels) for multi-label.
        task: which of the two.
    """
    values, truth = np.asarray(logits, dtype=np.float64), np.asarray(targets)

    def loss(log_temperature: float) -> float:
        scaled = values / np.exp(log_temperature)
        if task == "single_label":
            chosen = scaled[np.arange(len(scaled)), truth.astype(np.int64)]
            return float((np.logaddexp.reduce(scaled, axis=1) - chosen).mean())
        return float((np.logaddexp(0.0, scaled) - truth * scaled).mean())

    found = minimize_scalar(loss, bounds=_LOG_RANGE, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def calibration_error(
    logits: npt.ArrayLike, targets: npt.ArrayLike, task: TaskType, bins: int = BINS
) -> float:
    """Return the expected calibration error, in [0, 1].

    Single-label: for the confidence of the predicted class (Guo et al. 2017, eq. 3). Multi-label:
    for the probabilities of all labels, pooled. Bins have equal width.

    Args:
        logits, targets: as for ``fit_temperature``; the logits already divided by a temperature.
        task: single-label or multi-label.
        bins: how many.
    """
    probabilities, truth = to_probabilities(logits, task), np.asarray(targets)
    if task == "single_label":
        right = probabilities.argmax(axis=1) == truth
        confidence = probabilities.max(axis=1)
    else:
        right, confidence = truth.ravel() > 0, probabilities.ravel()
    number = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    claimed = np.bincount(number, weights=confidence, minlength=bins)
    found = np.bincount(number, weights=right, minlength=bins)
    return float(np.abs(claimed - found).sum() / len(confidence))
