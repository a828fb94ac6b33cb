"""Per-label thresholds for multi-label predictions, chosen on validation data."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from distillora.evaluation.bootstrap import METRICS, measure_decisions
from distillora.evaluation.results import Ladder, Rung


def tune_thresholds(
    probabilities: npt.ArrayLike,
    multi_hot: npt.ArrayLike,
    default: float = 0.5,
    smoothing: float = 0.0,
    shrinkage: float = 0.0,
) -> npt.NDArray[np.float64]:
    """Find, for each label, the threshold with the largest F1.

    A label is predicted where its probability is at least the threshold. The search is exact:
    F1 changes only where the threshold passes a score, so one cut is tried between each two
    neighbouring scores. It is in the middle of its gap (at ``default``, if that is inside), which
    leaves the most room for rounding. Of equally good cuts, the one nearest to ``default`` is
    taken. Without ``shrinkage``, a label without positives keeps ``default``.

    With ``smoothing``, F1 over the threshold's log-odds is smoothed with a Gaussian before taking
    the maximum, so that one lucky row of a rare label does not decide. Such a threshold often does
    better on other rows, and it is robust to small changes of the model, such as int8.

    With ``shrinkage``, the thresholds of rare labels are shrunk towards the one that is best for
    all labels together (:func:`tune_one_threshold`), in log-odds: a label with n positives keeps
    n / (n + shrinkage) of its own, one without positives nothing.

    Args:
        probabilities: in [0, 1], shape (rows, labels).
        multi_hot: 1 where a row has a label, else 0; shape (rows, labels).
        default: in (0, 1).
        smoothing: standard deviation of that Gaussian, in log-odds; 0 for the exact search.
        shrinkage: the number of positives at which a label's own threshold counts half.

    Returns:
        Thresholds in (0, 1], shape (labels,).

    Raises:
        ValueError: shapes that differ, no rows, or a score outside [0, 1].
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    truth = np.asarray(multi_hot).astype(np.int64)
    check_scores(scores, truth)
    if smoothing > 0:
        columns = zip(scores.T, truth.T, strict=True)
        own = np.array([_smooth_best(s, t, default, smoothing) for s, t in columns])
    else:
        own = _exact_best(scores, truth, default)
    if shrinkage > 0:
        return _shrink(own, tune_one_threshold(scores, truth), truth.sum(axis=0), shrinkage)
    return own


def tune_one_threshold(probabilities: npt.ArrayLike, multi_hot: npt.ArrayLike) -> float:
    """Find the one threshold for all labels with the largest macro-F1.

    Macro-F1 as in :mod:`distillora.evaluation.metrics`. The threshold is sought on a grid of 1,000
    steps over the log-odds of the scores; of equally good ones the one nearest to 0.5 is taken.

    Args:
        probabilities: in [0, 1], shape (rows, labels).
        multi_hot: 1 where a row has a label, else 0; shape (rows, labels).

    Raises:
        ValueError: shapes that differ, no rows, or a score outside [0, 1].
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    truth = np.asarray(multi_hot).astype(np.int64)
    check_scores(scores, truth)
    logits = _log_odds(scores)
    cuts = np.linspace(logits.min(), logits.max(), 1000)
    actual = truth.sum(axis=0)
    total = np.zeros(len(cuts))
    occurring = np.zeros(len(cuts))
    for label in range(scores.shape[1]):
        predicted, hits = _count_above(logits[:, label], truth[:, label], cuts)
        mentions = predicted + actual[label]
        total += np.divide(2 * hits, mentions, out=np.zeros(len(cuts)), where=mentions > 0)
        occurring += mentions > 0
    macro = np.divide(total, occurring, out=np.zeros(len(cuts)), where=occurring > 0)
    best = cuts[macro >= macro.max() - 1e-12]
    return float(_probability(best[np.abs(best).argmin()]))


def _shrink(
    own: npt.NDArray[np.float64], common: float, positives: npt.NDArray[np.int64], amount: float
) -> npt.NDArray[np.float64]:
    weight = positives / (positives + amount)
    mixed = weight * _log_odds(own) + (1 - weight) * _log_odds(np.float64(common))
    return _probability(mixed)


def _exact_best(
    scores: npt.NDArray[np.float64], truth: npt.NDArray[np.int64], default: float
) -> npt.NDArray[np.float64]:
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


def _smooth_best(
    scores: npt.NDArray[np.float64], truth: npt.NDArray[Any], default: float, width: float
) -> float:
    """Return the threshold at the top of one label's smoothed F1; arrays of shape (rows,)."""
    if not truth.any():
        return default
    logits = _log_odds(scores)
    step = width / 8
    cuts = np.arange(logits.min() - 4 * width, logits.max() + 4 * width, step)
    predicted, hits = _count_above(logits, truth, cuts)
    f1 = 2 * hits / (predicted + truth.sum())
    offsets = np.arange(-4 * width, 4 * width + step / 2, step)
    kernel = np.exp(-0.5 * (offsets / width) ** 2)
    padded = np.pad(f1, len(kernel) // 2, mode="edge")
    smooth = np.convolve(padded, kernel / kernel.sum(), mode="valid")
    return float(_probability(cuts[smooth.argmax()]))


def _count_above(
    logits: npt.NDArray[np.float64], truth: npt.NDArray[Any], cuts: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return, for each cut, how many rows of a label reach it, and how many of these are right."""
    predicted = len(logits) - np.searchsorted(np.sort(logits), cuts)
    hits = truth.sum() - np.searchsorted(np.sort(logits[truth > 0]), cuts)
    return predicted, hits


def _log_odds(probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
    inside = np.clip(np.asarray(probabilities, dtype=np.float64), 1e-12, 1 - 1e-12)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def _probability(log_odds: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.asarray(log_odds, dtype=np.float64))))


def _cuts_between(
    upper: npt.NDArray[np.float64], lower: npt.NDArray[np.float64], default: float
) -> npt.NDArray[np.float64]:
    middle = lower + (upper - lower) / 2
    # between two neighbouring floats the middle rounds to one of them; only the upper one cuts
    middle = np.where(middle > lower, middle, upper)
    return np.where((lower < default) & (default <= upper), default, middle)


def check_scores(scores: npt.NDArray[np.float64], truth: npt.NDArray[np.generic]) -> None:
    """Refuse what thresholds cannot be tuned on.

    Raises:
        ValueError: shapes that differ, no rows, or a score outside [0, 1].
    """
    if scores.ndim != 2 or scores.shape != truth.shape or not len(scores):
        raise ValueError(
            f"probabilities of shape {scores.shape} and multi_hot of shape {truth.shape}: "
            "both need (rows, labels) and at least one row"
        )
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("probabilities must be numbers in [0, 1]; apply a sigmoid to logits")


Probabilities = npt.NDArray[np.float64]
MultiHot = npt.NDArray[np.generic]


def compare_thresholds(
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
