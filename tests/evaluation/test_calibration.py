"""Temperature and calibration error, against known temperatures and errors added up by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from distillora.evaluation.calibration import calibration_error, fit_temperature
from distillora.probabilities import sigmoid, softmax


def draw_classes(logits: np.ndarray, seed: int) -> np.ndarray:
    """Draw each row's class from its own distribution, by the Gumbel trick."""
    noise = np.random.default_rng(seed).gumbel(size=logits.shape)
    return (logits + noise).argmax(axis=1)


@pytest.mark.parametrize("true", [0.4, 1.0, 2.5])
def test_the_temperature_that_made_the_logits_wrong_is_found(true: float) -> None:
    right = np.random.default_rng(0).normal(size=(20_000, 6))
    classes = draw_classes(right, 1)
    assert fit_temperature(right * true, classes, "single_label") == pytest.approx(true, rel=0.05)
    truth = np.random.default_rng(2).random(right.shape) < sigmoid(right)
    assert fit_temperature(right * true, truth, "multi_label") == pytest.approx(true, rel=0.05)


def test_no_temperature_of_a_fine_grid_does_better() -> None:
    random = np.random.default_rng(3)
    logits, classes = random.normal(size=(300, 4)) * 3, random.integers(0, 4, 300)
    found = fit_temperature(logits, classes, "single_label")
    loss = log_loss(classes, softmax(logits / found))
    for other in np.geomspace(0.1, 15, 200):
        assert loss <= log_loss(classes, softmax(logits / other)) + 1e-9


def test_a_temperature_beyond_reason_is_not_chosen() -> None:
    unsure = np.array([[0.5, 0.0], [0.0, 0.5]] * 20)
    always_right = unsure.argmax(axis=1)
    assert fit_temperature(unsure, always_right, "single_label") == pytest.approx(0.05, rel=0.01)
    assert fit_temperature(unsure, 1 - always_right, "single_label") == pytest.approx(20, rel=0.01)


def test_the_calibration_error_is_the_gap_of_each_bin_weighted_by_its_rows() -> None:
    # confidence 0.9 in three rows, of which two are right; 0.6 in one row, which is wrong
    confidence = np.array([0.9, 0.9, 0.9, 0.6])
    logits = np.stack([np.log(confidence), np.log(1 - confidence)], axis=1)
    expected = 0.75 * abs(0.9 - 2 / 3) + 0.25 * 0.6
    error = calibration_error(logits, np.array([0, 0, 1, 1]), "single_label")
    assert error == pytest.approx(expected)


def test_the_error_over_labels_is_that_of_sklearns_reliability_curve() -> None:
    random = np.random.default_rng(4)
    logits = random.normal(size=(500, 7)) * 2
    truth = random.random(logits.shape) < 0.3
    found, claimed = calibration_curve(truth.ravel(), sigmoid(logits).ravel(), n_bins=15)
    rows = np.histogram(sigmoid(logits), bins=np.linspace(0, 1, 16))[0]
    expected = (rows / rows.sum() * np.abs(found - claimed)).sum()
    assert calibration_error(logits, truth, "multi_label") == pytest.approx(expected)


def test_certainty_falls_into_the_last_bin() -> None:
    assert calibration_error([[60.0, -60.0]], np.array([0]), "single_label") == pytest.approx(0)
