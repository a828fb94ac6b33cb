"""The bootstrap over test rows: how far figures would move on another test set of this size.

Efron 1979 (Annals of Statistics 7). Rows are drawn with replacement, the same draw for every
model, so that differences are paired. A draw is a vector of row counts, and every count that F1
needs is a product of these with a matrix of 0 and 1: all draws of all models are one matrix product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

METRICS = ("accuracy", "f1_weighted", "f1_macro", "f1_micro")
"""What is resampled, in the order of the last axis below."""

_CHUNK = 500  # draws at a time: 500 x 5,427 rows are 11 MB

Matrix = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


def measure_decisions(truth: Flags, decided: Sequence[Flags]) -> npt.NDArray[np.float64]:
    """Measure several models' decisions on the same rows.

    Args:
        truth: which labels a row has, shape (rows, labels).
        decided: for each model, which labels it gives a row, the same shape.

    Returns:
        Shape (models, 4): ``METRICS`` of each, as scikit-learn computes them (``f1_macro`` over
        the labels that occur in the truth or in the decisions).

    Raises:
        ValueError: shapes that differ, or no rows.
    """
    _check(truth, decided)
    once = np.ones((1, len(truth)), dtype=np.float32)
    actual = _count(once, truth)
    return np.stack([_measure(once, truth, actual, own)[0] for own in decided])


def bootstrap_metrics(
    truth: Flags, decided: Sequence[Flags], resamples: int, seed: int = 0
) -> npt.NDArray[np.float64]:
    """Measure several models' decisions on resampled rows, the same rows for all.

    Args:
        truth, decided: as for :func:`measure_decisions`.
        resamples: how many draws.
        seed: of the draws.

    Returns:
        Shape (models, resamples, 4).

    Raises:
        ValueError: shapes that differ, or no rows.
    """
    _check(truth, decided)
    measured = np.empty((len(decided), resamples, len(METRICS)))
    start = 0
    for weights in _draw_weights(len(truth), resamples, seed):
        end = start + len(weights)
        actual = _count(weights, truth)
        for model, own in enumerate(decided):
            measured[model, start:end] = _measure(weights, truth, actual, own)
        start = end
    return measured


def _draw_weights(rows: int, resamples: int, seed: int) -> Iterator[Matrix]:
    """Yield how often each row is drawn, in chunks of shape (draws, rows)."""
    random = np.random.default_rng(seed)
    for start in range(0, resamples, _CHUNK):
        draws = min(_CHUNK, resamples - start)
        drawn = random.integers(0, rows, (draws, rows))
        drawn += np.arange(draws)[:, None] * rows
        counts = np.bincount(drawn.ravel(), minlength=draws * rows)
        yield counts.reshape(draws, rows).astype(np.float32)


def _measure(
    weights: Matrix, truth: Flags, actual: npt.NDArray[np.float64], decided: Flags
) -> npt.NDArray[np.float64]:
    """Return the metrics under each row of ``weights``, shape (draws, 4).

    ``actual`` is how many rows of each draw have each label, shape (draws, labels).
    """
    hits = _count(weights, truth & decided)
    given = _count(weights, decided)
    mentions = actual + given
    f1 = np.divide(2 * hits, mentions, out=np.zeros_like(hits), where=mentions > 0)
    total = weights.sum(axis=1, dtype=np.float64)
    right = _count(weights, (truth == decided).all(axis=1, keepdims=True))[:, 0]
    return np.stack(
        [
            right / total,
            _divide((f1 * actual).sum(axis=1), actual.sum(axis=1)),
            _divide(f1.sum(axis=1), (mentions > 0).sum(axis=1)),
            _divide(2 * hits.sum(axis=1), mentions.sum(axis=1)),
        ],
        axis=1,
    )


def _count(weights: Matrix, flags: Flags) -> npt.NDArray[np.float64]:
    # float32 holds every whole number up to 16.7 million, so these sums of counts are exact
    return (weights @ flags.astype(np.float32)).astype(np.float64)


def _divide(
    above: npt.NDArray[np.float64], below: npt.NDArray[np.generic]
) -> npt.NDArray[np.float64]:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _check(truth: Flags, decided: Sequence[Flags]) -> None:
    shapes = {truth.shape, *(own.shape for own in decided)}
    if truth.ndim != 2 or not len(truth) or len(shapes) != 1:
        raise ValueError(
            f"truth and decisions need one shape (rows, labels) with rows in it, not {shapes}"
        )
