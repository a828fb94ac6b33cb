"""Quality of logits against true labels, from plain arrays.

Losses are computed in float64 with ``logaddexp``, so that a logit of 1,000 does not overflow.
Precision, recall and F1 are scikit-learn's, with 0 where there is nothing to divide by.

``f1_macro`` averages over the labels that occur in the truth or in the predictions. That is
scikit-learn's default for single-label, and how published figures were computed; a label that a
small validation split lacks counts neither for nor against a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from distillora.errors import RunError
from distillora.evaluation.results import LabelMetrics, SplitMetrics, TaskType, TunedMetrics
from distillora.probabilities import sigmoid

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.integer]


class _Scores(TypedDict):
    accuracy: float
    f1_weighted: float
    f1_macro: float
    per_label: tuple[LabelMetrics, ...]


def single_label_metrics(
    logits: Floats, classes: Integers, label_names: Sequence[str]
) -> SplitMetrics:
    """Measure one class per row; the prediction is the label with the largest logit.

    Args:
        logits: shape (rows, labels).
        classes: the true class of each row, shape (rows,).
        label_names: label 0 first.

    Raises:
        ValueError: shapes do not match, there are no rows, or a class is unknown.
        RunError: a logit is not finite.
    """
    logits = _checked_logits(logits, len(classes), len(label_names))
    _check_classes(classes, logits.shape[1])
    return SplitMetrics(
        rows=len(classes),
        loss=_cross_entropy(logits, classes),
        **_scores(classes, logits.argmax(axis=1), label_names),
    )


def multi_label_metrics(
    logits: Floats,
    multi_hot: npt.ArrayLike,
    label_names: Sequence[str],
    thresholds: npt.ArrayLike | None = None,
    temperature: float = 1.0,
) -> SplitMetrics:
    """Measure any number of labels per row; a label is predicted at a probability of 0.5 or more.

    Args:
        logits: shape (rows, labels).
        multi_hot: 1 where a row has a label, else 0; shape (rows, labels).
        label_names: label 0 first.
        thresholds: shape (labels,); when given, ``tuned`` holds the metrics at these.
        temperature: divides the logits before they meet the thresholds.

    Raises:
        ValueError: shapes do not match, or there are no rows.
        RunError: a logit is not finite.
    """
    truth = np.asarray(multi_hot).astype(np.int64)
    logits = _checked_logits(logits, len(truth), len(label_names))
    if truth.shape != logits.shape:
        raise ValueError(f"multi_hot has shape {truth.shape}, logits have {logits.shape}")
    probabilities = sigmoid(logits / temperature)
    plain = _set_metrics(truth, probabilities >= 0.5, label_names)
    tuned = None
    if thresholds is not None:
        cuts = _checked_thresholds(thresholds, len(label_names))
        tuned = _set_metrics(truth, probabilities >= cuts, label_names)
    return SplitMetrics(
        rows=len(truth),
        loss=_binary_cross_entropy(logits, truth),
        subset_accuracy=plain.accuracy,
        average_precision=_average_precision(logits, truth),
        tuned=tuned,
        **plain.model_dump(),
    )


def epoch_metrics(logits: Floats, targets: npt.ArrayLike, task: TaskType) -> dict[str, float]:
    """Compute the metrics that the training loop logs after an epoch and may choose it by.

    Args:
        logits: shape (rows, labels).
        targets: classes of shape (rows,), or a multi-hot matrix of shape (rows, labels).
        task: which of the two.

    Returns:
        ``accuracy``, ``f1_weighted``, ``f1_macro``, and for multi-label ``average_precision``
        unless no label occurs.
    """
    names = [str(number) for number in range(np.shape(logits)[1])]
    measured = (
        single_label_metrics(logits, np.asarray(targets, dtype=np.int64), names)
        if task == "single_label"
        else multi_label_metrics(logits, targets, names)
    )
    keys = ("accuracy", "f1_weighted", "f1_macro", "average_precision")
    return measured.model_dump(include=set(keys), exclude_none=True)


def _scores(
    truth: Integers, predicted: npt.NDArray[np.generic], label_names: Sequence[str]
) -> _Scores:
    """Measure classes of shape (rows,) or label sets of shape (rows, labels)."""
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, predicted, labels=range(len(label_names)), average=None, zero_division=0
    )
    occurs = (support > 0) | (_count(predicted, len(label_names)) > 0)
    right = truth == predicted
    return {
        "accuracy": float((right if truth.ndim == 1 else right.all(axis=1)).mean()),
        "f1_weighted": float(f1 @ support / support.sum()) if support.any() else 0.0,
        "f1_macro": float(f1[occurs].mean()) if occurs.any() else 0.0,
        "per_label": tuple(
            LabelMetrics(
                label=name, support=int(s), precision=float(p), recall=float(r), f1=float(f)
            )
            for name, s, p, r, f in zip(label_names, support, precision, recall, f1, strict=True)
        ),
    }


def _set_metrics(
    truth: Integers, predicted: npt.NDArray[np.bool_], label_names: Sequence[str]
) -> TunedMetrics:
    hits = int((predicted & (truth == 1)).sum())
    mentions = int(predicted.sum() + truth.sum())
    return TunedMetrics(
        f1_micro=2 * hits / mentions if mentions else 0.0,
        hamming_loss=float((predicted != truth).mean()),
        **_scores(truth, predicted.astype(np.int64), label_names),
    )


def _count(labels: npt.NDArray[np.generic], n_labels: int) -> npt.NDArray[np.int64]:
    numbers = labels.nonzero()[1] if labels.ndim == 2 else labels.astype(np.int64)
    return np.bincount(numbers, minlength=n_labels)


def _cross_entropy(logits: npt.NDArray[np.float64], classes: Integers) -> float:
    own = logits[np.arange(len(classes)), classes]
    return float((np.logaddexp.reduce(logits, axis=1) - own).mean())


def _binary_cross_entropy(logits: npt.NDArray[np.float64], truth: Integers) -> float:
    """Average over all cells, as ``torch.nn.BCEWithLogitsLoss`` does."""
    return float((np.logaddexp(0.0, logits) - logits * truth).mean())


def _average_precision(logits: npt.NDArray[np.float64], truth: Integers) -> float | None:
    """Average over the labels that occur; without a positive row it is not defined."""
    values = [
        average_precision_score(truth[:, label], logits[:, label])
        for label in np.flatnonzero(truth.any(axis=0))
    ]
    return float(np.mean(values)) if values else None


def _checked_logits(logits: Floats, rows: int, labels: int) -> npt.NDArray[np.float64]:
    exact = np.asarray(logits, dtype=np.float64)
    if exact.shape != (rows, labels) or not rows:
        raise ValueError(
            f"logits have shape {exact.shape}; {rows} rows of truth and {labels} label names "
            f"need {(rows, labels)}, and at least one row"
        )
    if not np.isfinite(exact).all():
        raise RunError(
            "The model's outputs are not finite numbers: training has diverged. "
            "Lower training.learning_rate, or set training.precision to fp32."
        )
    return exact


def _check_classes(classes: Integers, labels: int) -> None:
    if classes.min() < 0 or classes.max() >= labels:
        raise ValueError(
            f"classes reach from {classes.min()} to {classes.max()}, not 0..{labels}-1"
        )


def _checked_thresholds(thresholds: npt.ArrayLike, labels: int) -> npt.NDArray[np.float64]:
    cuts = np.asarray(thresholds, dtype=np.float64)
    if cuts.shape != (labels,):
        raise ValueError(f"thresholds have shape {cuts.shape}, and there are {labels} labels")
    return cuts
