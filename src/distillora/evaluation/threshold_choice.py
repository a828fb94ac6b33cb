"""How to set the thresholds of multi-label predictions, chosen by cross-validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from distillora.evaluation.bootstrap import METRICS, bootstrap_metrics, measure_decisions
from distillora.evaluation.thresholds import check_scores, tune_thresholds

ThresholdMethod = Literal["exact", "smoothed", "shrunk"]

THRESHOLD_METHODS: Mapping[ThresholdMethod, Mapping[str, float]] = {
    "shrunk": {"smoothing": 0.4, "shrinkage": 30.0},
    "smoothed": {"smoothing": 0.4},
    "exact": {},
}
"""Ways to set thresholds, the most regularised first: settings of :func:`tune_thresholds`.
Their two numbers were chosen by cross-validation within GoEmotions' validation split."""

_FOLDS, _REPEATS, _DRAWS, _SEED = 5, 5, 200, 0
_MACRO = METRICS.index("f1_macro")


@dataclass(frozen=True)
class Chosen:
    """Thresholds, shape (labels,), and the method that set them."""

    thresholds: npt.NDArray[np.float64]
    method: ThresholdMethod


@dataclass(frozen=True)
class MethodScore:
    """What cross-validation says about a method.

    Attributes:
        macro_f1: of decisions on rows that the thresholds never saw.
        behind: how far that is below the best method's.
        error: the standard error of that difference.
    """

    macro_f1: float
    behind: float
    error: float


def choose_thresholds(probabilities: npt.ArrayLike, multi_hot: npt.ArrayLike) -> Chosen:
    """Choose a method of ``THRESHOLD_METHODS`` by cross-validation, and fit it to all rows.

    Of two scores that differ by less than a standard error, the higher one may be luck. So the
    method is the first of ``THRESHOLD_METHODS``, the most regularised, that is behind the best one
    by no more than the standard error of their difference (the one-standard-error rule of Breiman
    et al. 1984, *Classification and Regression Trees*, section 3.4.3). With fewer rows than folds
    it is the first one.

    Args:
        probabilities: in [0, 1], shape (rows, labels).
        multi_hot: 1 where a row has a label, else 0; shape (rows, labels).

    Raises:
        ValueError: shapes that differ, no rows, or a score outside [0, 1].
    """
    method: ThresholdMethod = "shrunk"
    if len(np.asarray(multi_hot)) >= _FOLDS:
        scored = score_methods(probabilities, multi_hot)
        method = next(name for name, own in scored.items() if own.behind <= own.error)
    return Chosen(tune_thresholds(probabilities, multi_hot, **THRESHOLD_METHODS[method]), method)


def score_methods(
    probabilities: npt.ArrayLike, multi_hot: npt.ArrayLike
) -> dict[ThresholdMethod, MethodScore]:
    """Compare the ``THRESHOLD_METHODS`` by cross-validation.

    Each method is fitted to four fifths of the rows and decides on the remaining fifth, in turn,
    so that every row is decided on once by thresholds that never saw it. A method's score is the
    macro F1 of these pooled decisions, averaged over 5 divisions into folds. The divisions have a
    fixed seed; rows are dealt to the folds by the rarest of their labels. Standard errors come from
    200 bootstrap draws of the rows, the same for every method.

    Args:
        probabilities: in [0, 1], shape (rows, labels).
        multi_hot: 1 where a row has a label, else 0; shape (rows, labels); at least 5 rows.

    Returns:
        The methods in the order of ``THRESHOLD_METHODS``.

    Raises:
        ValueError: shapes that differ, fewer than 5 rows, or a score outside [0, 1].
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    truth = np.asarray(multi_hot).astype(np.bool_)
    check_scores(scores, truth)
    if len(scores) < _FOLDS:
        raise ValueError(f"{len(scores)} rows are too few for {_FOLDS} folds")
    random = np.random.default_rng(_SEED)
    folds = [_deal_folds(truth, random) for _ in range(_REPEATS)]
    held_out = [
        _decide_held_out(scores, truth, fold, settings)
        for settings in THRESHOLD_METHODS.values()
        for fold in folds
    ]
    shape = (len(THRESHOLD_METHODS), _REPEATS)
    occurring = truth.any(axis=0)
    truth, held_out = truth[:, occurring], [decided[:, occurring] for decided in held_out]
    macro = measure_decisions(truth, held_out)[:, _MACRO].reshape(shape).mean(axis=1)
    drawn = bootstrap_metrics(truth, held_out, _DRAWS, _SEED)[:, :, _MACRO]
    drawn = drawn.reshape(*shape, _DRAWS).mean(axis=1)
    best = macro.argmax()
    return {
        method: MethodScore(
            macro_f1=float(macro[i]),
            behind=float(macro[best] - macro[i]),
            error=float((drawn[best] - drawn[i]).std()),
        )
        for i, method in enumerate(THRESHOLD_METHODS)
    }


def _deal_folds(truth: npt.NDArray[np.bool_], random: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return a fold for each row; rows with the same rarest label are spread over all folds."""
    rarest = np.where(truth, truth.sum(axis=0), len(truth) + 1).argmin(axis=1)
    rarest[~truth.any(axis=1)] = truth.shape[1]
    order = random.permutation(len(truth))
    order = order[np.argsort(rarest[order], kind="stable")]
    folds = np.empty(len(truth), np.int64)
    folds[order] = np.arange(len(truth)) % _FOLDS
    return folds


def _decide_held_out(
    scores: npt.NDArray[np.float64],
    truth: npt.NDArray[np.bool_],
    folds: npt.NDArray[np.int64],
    settings: Mapping[str, float],
) -> npt.NDArray[np.bool_]:
    """Return what each row is given by thresholds that were fitted to the other folds."""
    decided = np.zeros_like(truth)
    for fold in range(_FOLDS):
        own = folds == fold
        cuts = tune_thresholds(scores[~own], truth[~own], **settings)
        decided[own] = scores[own] >= cuts
    return decided
