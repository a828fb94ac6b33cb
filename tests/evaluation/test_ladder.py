"""The ladder of thresholds against scikit-learn and the metrics of a run."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from distillora.evaluation.metrics import multi_label_metrics
from distillora.evaluation.thresholds import compare_thresholds, tune_one_threshold, tune_thresholds

LABELS = [f"label {i}" for i in range(6)]


@pytest.fixture(scope="module")
def splits():
    """Logits and truth of validation and test; six labels, the last of them rare."""
    random = np.random.default_rng(3)
    shares = np.array([0.4, 0.3, 0.2, 0.1, 0.05, 0.02])
    truth = [random.random((400, 6)) < shares for _ in range(2)]
    return [(1.8 * t - 2 + random.normal(size=t.shape), t) for t in truth]


@pytest.fixture(scope="module")
def climbed(splits):
    (validation, validation_truth), (test, test_truth) = (
        (1 / (1 + np.exp(-logits)), truth) for logits, truth in splits
    )
    tuned = tune_thresholds(validation, validation_truth, smoothing=0.4, shrinkage=30)
    ladder = compare_thresholds(validation, validation_truth, test, test_truth, tuned)
    return ladder, tuned, validation, validation_truth, test, test_truth


def test_each_rung_is_measured_on_test_at_its_thresholds(climbed):
    ladder, tuned, validation, validation_truth, test, test_truth = climbed
    thresholds = {
        "fixed": 0.5,
        "one": tune_one_threshold(validation, validation_truth),
        "exact": tune_thresholds(validation, validation_truth),
        "tuned": tuned,
        "oracle": tune_thresholds(test, test_truth),
    }
    for way, cuts in thresholds.items():
        rung, decided = getattr(ladder, way), test >= cuts
        for average in ("weighted", "macro", "micro"):
            expected = f1_score(test_truth, decided, average=average, zero_division=0)
            assert getattr(rung, f"f1_{average}") == pytest.approx(expected)
        assert rung.accuracy == pytest.approx((decided == test_truth).all(axis=1).mean())


def test_the_rungs_that_a_run_reports_are_its_metrics(splits, climbed):
    ladder, tuned, *_ = climbed
    logits, truth = splits[1]
    measured = multi_label_metrics(logits, truth, LABELS, tuned)
    for metric in ("accuracy", "f1_weighted", "f1_macro", "f1_micro"):
        assert getattr(ladder.fixed, metric) == pytest.approx(getattr(measured, metric))
        assert getattr(ladder.tuned, metric) == pytest.approx(getattr(measured.tuned, metric))


def test_no_rung_has_a_better_macro_f1_than_the_oracle(climbed):
    ladder, *_ = climbed
    macro = {way: rung.f1_macro for way, rung in ladder}
    assert max(macro, key=macro.get) == "oracle"
    assert macro["fixed"] < macro["one"]
