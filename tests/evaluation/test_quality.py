"""What follows from logits and labels alone, against scikit-learn and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss

from distillora.evaluation.calibration import fit_temperature
from distillora.evaluation.predictions import Predictions
from distillora.evaluation.quality import accuracy_any_label, evaluate_logits
from distillora.evaluation.threshold_choice import THRESHOLD_METHODS
from distillora.evaluation.thresholds import tune_thresholds
from distillora.probabilities import sigmoid

NAMES = ("joy", "anger", "fear", "neutral")


def outputs(seed: int, rows: int = 400, several: float = 0.3) -> Predictions:
    """Return noisy logits of rows with one label or two."""
    random = np.random.default_rng(seed)
    classes = random.integers(0, 4, rows)
    truth = np.eye(4, dtype=bool)[classes]
    second = random.random(rows) < several
    truth[second, random.integers(0, 4, rows)[second]] = True
    logits = random.normal(size=(rows, 4)) + 2 * truth - 1
    return Predictions(truth.argmax(axis=1), truth, logits)


def test_single_label_figures_are_scikit_learns() -> None:
    test = outputs(1)
    found = evaluate_logits(outputs(0), test, "single_label", NAMES)
    predicted = test.logits.argmax(axis=1)
    shares = np.exp(test.logits) / np.exp(test.logits).sum(axis=1, keepdims=True)
    measured = found["metrics"].test
    assert measured.accuracy == accuracy_score(test.classes, predicted)
    assert measured.f1_macro == pytest.approx(f1_score(test.classes, predicted, average="macro"))
    assert measured.loss == pytest.approx(log_loss(test.classes, shares))
    assert np.array_equal(found["confusions"], confusion_matrix(test.classes, predicted))
    assert (found["thresholds"], found["threshold_method"], found["ladder"]) == (None, None, None)


def test_temperature_and_thresholds_come_from_validation_alone() -> None:
    validation = outputs(0)
    found = evaluate_logits(validation, outputs(1), "multi_label", NAMES)
    other = evaluate_logits(validation, outputs(2, rows=90), "multi_label", NAMES)
    for key in ("temperature", "thresholds", "threshold_method"):
        assert found[key] == other[key]
    temperature = fit_temperature(validation.logits, validation.truth, "multi_label")
    assert found["temperature"] == temperature
    assert found["threshold_method"] is not None
    scores = sigmoid(validation.logits / temperature)
    settings = THRESHOLD_METHODS[found["threshold_method"]]
    assert found["thresholds"] == tuple(tune_thresholds(scores, validation.truth, **settings))


def test_multi_label_figures_are_scikit_learns_at_the_thresholds_that_ship() -> None:
    test = outputs(1)
    found = evaluate_logits(outputs(0), test, "multi_label", NAMES)
    decided = sigmoid(test.logits / found["temperature"]) >= np.array(found["thresholds"])
    tuned, ladder = found["metrics"].test.tuned, found["ladder"]
    assert tuned is not None and ladder is not None
    assert tuned.f1_macro == pytest.approx(f1_score(test.truth, decided, average="macro"))
    assert ladder.tuned.f1_macro == pytest.approx(tuned.f1_macro)
    assert found["metrics"].test.accuracy_any_label is None


def test_accuracy_against_any_label_counts_a_row_as_right_for_each_of_its_labels() -> None:
    test = outputs(1)
    found = evaluate_logits(outputs(0), test, "single_label", NAMES)["metrics"]
    right = [row[best] for row, best in zip(test.truth, test.logits.argmax(axis=1), strict=True)]
    assert found.test.accuracy_any_label == pytest.approx(sum(right) / len(right))
    assert found.test.accuracy_any_label > found.test.accuracy
    assert accuracy_any_label([[1.0, 2.0], [3.0, 0.0]], [[1, 1], [0, 1]]) == 0.5


@pytest.mark.parametrize(
    ("validation", "test", "given"), [(0.0, 0.0, False), (0.5, 0.0, True), (0.0, 0.5, True)]
)
def test_it_is_given_where_a_row_has_several_labels(
    validation: float, test: float, given: bool
) -> None:
    splits: list[Any] = [outputs(0, several=validation), outputs(1, several=test)]
    found = evaluate_logits(*splits, "single_label", NAMES)["metrics"]
    for measured, several in ((found.validation, validation), (found.test, test)):
        assert (measured.accuracy_any_label is not None) is given
        if given and not several:
            assert measured.accuracy_any_label == measured.accuracy
