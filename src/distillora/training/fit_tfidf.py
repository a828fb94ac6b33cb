"""Fitting the TF-IDF baseline, its regularisation chosen on validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression

from distillora.models.tfidf import TfidfClassifier, TfidfConfig, fit_vectorizer
from distillora.training.objectives import label_bias

REGULARISATION = (1.0, 4.0, 16.0, 64.0)
"""Inverse strengths C of the L2 penalty that are tried, the strongest penalty first."""

_MAX_ITERATIONS = 2000

Logits = npt.NDArray[np.float32]
Weights = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class FittedTfidf:
    """The classifier with the best score on validation, and the score of every candidate.

    Attributes:
        model: the one with the highest score; of equal ones the more strongly penalised.
        scores: what ``measure`` returned, by C.
    """

    model: TfidfClassifier
    scores: dict[float, float]


def fit_tfidf(
    config: TfidfConfig,
    texts: Sequence[str],
    targets: npt.NDArray[Any],
    measure: Callable[[TfidfClassifier], float],
    candidates: Sequence[float] = REGULARISATION,
) -> FittedTfidf:
    """Fit one classifier for each candidate C and keep the best.

    Args:
        config: labels, task, what a feature is.
        texts: the training texts.
        targets: class numbers (rows,), or a multi-hot matrix (rows, labels).
        measure: the quality of a classifier on validation, higher is better.
        candidates: values of C to try, rising.

    Raises:
        ModelError: the texts have no feature that occurs often enough.
    """
    vectorizer = fit_vectorizer(config, texts)
    features = vectorizer.transform(texts)
    vocabulary = tuple(vectorizer.get_feature_names_out().tolist())
    fitted: list[TfidfClassifier] = []
    scores: dict[float, float] = {}
    for c in candidates:
        coefficients, intercept = fit_logistic(features, targets, config.num_labels, c)
        fitted.append(
            TfidfClassifier(
                config=_with_penalty(config, c),
                vocabulary=vocabulary,
                idf=vectorizer.idf_.astype(np.float32),
                coefficients=coefficients.astype(np.float32),
                intercept=intercept.astype(np.float32),
            )
        )
        scores[c] = measure(fitted[-1])
    return FittedTfidf(max(fitted, key=lambda model: scores[model.config.c]), scores)


def _with_penalty(config: TfidfConfig, c: float) -> TfidfConfig:
    changed = deepcopy(config)
    changed.c = c
    return changed


def fit_logistic(features: Any, targets: npt.NDArray[Any], n_labels: int, c: float) -> Weights:
    """Fit a multinomial model to classes, or one binary model a label to a multi-hot matrix.

    A label that every row has, or none, cannot be fitted: it gets coefficients of 0 and the
    intercept of its (smoothed) frequency.

    Args:
        features: sparse matrix, shape (rows, features).
        targets: class numbers (rows,), or 0 and 1 of shape (rows, labels).
        n_labels: how many labels there are.
        c: inverse strength of the L2 penalty.

    Returns:
        Coefficients (features, labels) and intercept (labels,).
    """
    coefficients = np.zeros((features.shape[1], n_labels))
    intercept = label_bias(targets, n_labels).astype(np.float64)
    if targets.ndim == 1:
        _fit_classes(features, targets, c, coefficients, intercept)
    else:
        _fit_each_label(features, targets, c, coefficients, intercept)
    return coefficients, intercept


def _fit_classes(
    features: Any, classes: npt.NDArray[Any], c: float, coefficients: Any, intercept: Any
) -> None:
    """Fill in coefficients and intercepts of the classes that occur."""
    seen = np.unique(classes)
    if len(seen) < 2:
        return
    model = LogisticRegression(C=c, max_iter=_MAX_ITERATIONS).fit(features, classes)
    # of two classes, scikit-learn fits the log-odds of the second
    own = seen[1:] if len(seen) == 2 else seen
    coefficients[:, own] = model.coef_.T
    bias = np.zeros(len(seen))
    bias[-len(own) :] = model.intercept_
    scores = features @ coefficients[:, seen] + bias
    # a class that does not occur gets its frequency on the scale of these scores
    intercept += logsumexp(scores, axis=1).mean()
    intercept[seen] = bias


def _fit_each_label(
    features: Any, multi_hot: npt.NDArray[Any], c: float, coefficients: Any, intercept: Any
) -> None:
    """Fill in coefficients and intercepts of the labels that some rows have and some have not."""
    for label in np.flatnonzero(multi_hot.any(axis=0) & ~multi_hot.all(axis=0)):
        # lbfgs stops on the mean gradient, which for a rare label is small from the start
        model = LogisticRegression(C=c, solver="liblinear", max_iter=_MAX_ITERATIONS)
        model.fit(features, multi_hot[:, label].astype(np.int64))
        coefficients[:, label] = model.coef_[0]
        intercept[label] = model.intercept_[0]
