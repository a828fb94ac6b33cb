"""The bootstrap over test rows: how much figures vary between test sets of this size.

Efron 1979 (Annals of Statistics 7). Rows are drawn with replacement, the same draw for every
model, so that differences are paired. A draw is a vector of row counts, and every count that F1
needs is a product of these with a matrix of 0 and 1: many draws of all models are one matrix
product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

METRICS = ("accuracy", "f1_weighted", "f1_macro", "f1_micro")
"""What is resampled, in the order of the last axis below."""

_DRAWN = 4_000_000  # row counts at a time, 16 MB: about 740 draws of 5,427 rows
_STACKED = 64_000_000  # flags of several models at a time, 256 MB: 200 models on 5,427 x 28

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
        ValueError: shapes differ, or there are no rows.
    """
    _check(truth, decided)
    return _bootstrap(truth, decided, lambda: iter([np.ones((1, len(truth)), np.float32)]))[:, 0]


def bootstrap_metrics(
    truth: Flags, decided: Sequence[Flags], resamples: int, seed: int = 0
) -> npt.NDArray[np.float64]:
    """Measure several models' decisions on resampled rows, the same rows for all.

    Args:
        truth, decided: as for :func:`measure_decisions`.
        resamples: how many draws.
        seed: of the draws: draw i is row i of
            ``numpy.random.default_rng(seed).integers(0, rows, (resamples, rows))``.

    Returns:
        Shape (models, resamples, 4).

    Raises:
        ValueError: shapes differ, or there are no rows.
    """
    _check(truth, decided)
    return _bootstrap(truth, decided, lambda: _draw_weights(len(truth), resamples, seed))


def _bootstrap(
    truth: Flags, decided: Sequence[Flags], draw: Callable[[], Iterator[Matrix]]
) -> npt.NDArray[np.float64]:
    """Measure all models under every row of weights; each call of ``draw`` repeats the draws."""
    rows, labels = truth.shape
    together = max(1, _STACKED // (rows * (2 * labels + 1)))
    measured = []
    for start in range(0, len(decided), together):
        stacked = _stack(truth, decided[start : start + together])
        chunks = [_measure(weights, stacked, labels) for weights in draw()]
        measured.append(np.concatenate(chunks).transpose(1, 0, 2))
    return np.concatenate(measured)


def _draw_weights(rows: int, resamples: int, seed: int) -> Iterator[Matrix]:
    """Yield how often each row is drawn, in chunks of shape (draws, rows)."""
    random = np.random.default_rng(seed)
    most = max(1, _DRAWN // rows)
    for start in range(0, resamples, most):
        draws = min(most, resamples - start)
        drawn = random.integers(0, rows, (draws, rows))
        drawn += np.arange(draws)[:, None] * rows
        counts = np.bincount(drawn.ravel(), minlength=draws * rows)
        yield counts.reshape(draws, rows).astype(np.float32)


def _stack(truth: Flags, decided: Sequence[Flags]) -> Matrix:
    """Concatenate what is counted: the truth, then each model's hits, labels and right rows.

    Shape (rows, labels + models x (2 x labels + 1)).
    """
    parts = [truth]
    for own in decided:
        parts += [truth & own, own, (truth == own).all(axis=1, keepdims=True)]
    return np.concatenate(parts, axis=1, dtype=np.float32)


def _measure(weights: Matrix, stacked: Matrix, labels: int) -> npt.NDArray[np.float64]:
    """Return the metrics under each row of ``weights``, shape (draws, models, 4)."""
    # float32 holds every whole number up to 16.7 million, so these sums of counts are exact
    counts = (weights @ stacked).astype(np.float64)
    actual = counts[:, None, :labels]
    own = counts[:, labels:].reshape(len(counts), -1, 2 * labels + 1)
    hits, given, right = np.split(own, [labels, 2 * labels], axis=2)
    mentions = actual + given
    f1 = _divide(2 * hits, mentions)
    total = np.broadcast_to(weights.sum(axis=1, dtype=np.float64)[:, None], right.shape[:2])
    return np.stack(
        [
            right[..., 0] / total,
            _divide((f1 * actual).sum(axis=2), np.broadcast_to(actual.sum(axis=2), total.shape)),
            _divide(f1.sum(axis=2), (mentions > 0).sum(axis=2)),
            _divide(2 * hits.sum(axis=2), mentions.sum(axis=2)),
        ],
        axis=2,
    )


def _divide(
    above: npt.NDArray[np.float64], below: npt.NDArray[np.float64] | npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Divide arrays of one shape, with 0 where the divisor is 0."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _check(truth: Flags, decided: Sequence[Flags]) -> None:
    shapes = {truth.shape, *(own.shape for own in decided)}
    if truth.ndim != 2 or not len(truth) or len(shapes) != 1:
        raise ValueError(
            f"truth and decisions need one shape (rows, labels) with rows in it, not {shapes}"
        )
