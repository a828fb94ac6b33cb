"""Per-label thresholds for multi-label predictions, chosen on validation data."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def tune_thresholds(
    probabilities: npt.ArrayLike, multi_hot: npt.ArrayLike, default: float = 0.5
) -> npt.NDArray[np.float64]:
    """Find, for each label, the threshold with the largest F1.

    A label is predicted where its probability is at least the threshold. The search is exact:
    F1 changes only where the threshold passes a score, so one cut between each two neighbouring
    scores is tried. A cut stands in the middle of its gap (``default`` itself, where the gap
    holds it), which leaves the most room for rounding. Of equally good cuts the one nearest to
    ``default`` is taken. A label without positives keeps ``default``.

    Args:
        probabilities: in [0, 1], shape (rows, labels).
        multi_hot: 1 where a row has a label, else 0; shape (rows, labels).
        default: in (0, 1).

    Returns:
        Thresholds in (0, 1], shape (labels,).

    Raises:
        ValueError: shapes that differ, no rows, or a score outside [0, 1].
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    truth = np.asarray(multi_hot).astype(np.int64)
    _check(scores, truth)
    order = np.argsort(-scores, axis=0, kind="stable")
    scores = np.take_along_axis(scores, order, axis=0)
    hits = np.cumsum(np.take_along_axis(truth, order, axis=0), axis=0)

    below = np.vstack([scores[1:], np.zeros((1, scores.shape[1]))])
    cuts = _cuts_between(scores, below, default)
    f1 = 2 * hits / (np.arange(1, len(scores) + 1)[:, None] + hits[-1])
    f1[scores <= below] = -1.0  # equal scores cannot be cut apart
    away = np.abs(cuts - default)
    away[f1 < f1.max(axis=0)] = np.inf
    best = np.take_along_axis(cuts, away.argmin(axis=0)[None], axis=0)[0]
    return np.where(f1.max(axis=0) > 0, best, default)


def _cuts_between(
    upper: npt.NDArray[np.float64], lower: npt.NDArray[np.float64], default: float
) -> npt.NDArray[np.float64]:
    middle = lower + (upper - lower) / 2
    # between two neighbouring floats the middle rounds to one of them; only the upper one cuts
    middle = np.where(middle > lower, middle, upper)
    return np.where((lower < default) & (default <= upper), default, middle)


def _check(scores: npt.NDArray[np.float64], truth: npt.NDArray[np.int64]) -> None:
    if scores.ndim != 2 or scores.shape != truth.shape or not len(scores):
        raise ValueError(
            f"probabilities of shape {scores.shape} and multi_hot of shape {truth.shape}: "
            "both need (rows, labels) and at least one row"
        )
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("probabilities must be numbers in [0, 1]; apply a sigmoid to logits")
