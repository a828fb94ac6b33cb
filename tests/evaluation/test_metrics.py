"""Metrics against scikit-learn, PyTorch and hand-made cases."""

import warnings

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from distillora.errors import RunError
from distillora.evaluation.metrics import (
    epoch_metrics,
    multi_label_metrics,
    sigmoid,
    single_label_metrics,
)

NAMES = [f"label {number}" for number in range(28)]


@pytest.fixture
def classes():
    return np.random.default_rng(0).integers(0, 28, 400)


@pytest.fixture
def multi_hot():
    matrix = np.random.default_rng(1).random((400, 28)) < 0.08
    matrix[np.arange(400), np.arange(400) % 28] = True
    return matrix.astype(np.float32)


@pytest.fixture
def logits(classes):
    noise = np.random.default_rng(2).normal(size=(400, 28))
    return (noise + 1.5 * np.eye(28)[classes]).astype(np.float32)


def test_single_label_quality_is_what_scikit_learn_says(logits, classes):
    measured = single_label_metrics(logits, classes, NAMES)
    predicted = logits.argmax(axis=1)
    assert measured.rows == 400
    assert measured.accuracy == pytest.approx(sk.accuracy_score(classes, predicted))
    for average in ("weighted", "macro"):
        expected = sk.f1_score(classes, predicted, average=average, zero_division=0)
        assert getattr(measured, f"f1_{average}") == pytest.approx(expected)
    report = sk.classification_report(
        classes, predicted, labels=range(28), target_names=NAMES, output_dict=True, zero_division=0
    )
    for label in measured.per_label:
        assert label.precision == pytest.approx(report[label.label]["precision"])
        assert label.recall == pytest.approx(report[label.label]["recall"])
        assert label.f1 == pytest.approx(report[label.label]["f1-score"])
        assert label.support == report[label.label]["support"]


def test_single_label_has_no_multi_label_figures(logits, classes):
    measured = single_label_metrics(logits, classes, NAMES)
    assert measured.hamming_loss is measured.average_precision is measured.tuned is None


def test_every_label_is_listed_and_macro_f1_averages_over_those_that_occur():
    classes = np.array([0, 0, 1])
    logits = np.eye(5)[[0, 2, 1]] * 9
    measured = single_label_metrics(logits, classes, NAMES[:5])
    assert [label.label for label in measured.per_label] == NAMES[:5]
    assert [label.support for label in measured.per_label] == [2, 1, 0, 0, 0]
    # label 2 is only predicted, labels 3 and 4 do not occur at all
    assert measured.f1_macro == pytest.approx((2 / 3 + 1 + 0) / 3)
    expected = sk.f1_score(classes, [0, 2, 1], average="macro", zero_division=0)
    assert measured.f1_macro == pytest.approx(expected)


def test_losses_are_those_of_torch(logits, classes, multi_hot):
    exact = torch.tensor(logits, dtype=torch.float64)
    cross_entropy = torch.nn.functional.cross_entropy(exact, torch.tensor(classes))
    binary = torch.nn.BCEWithLogitsLoss()(exact, torch.tensor(multi_hot, dtype=torch.float64))
    assert single_label_metrics(logits, classes, NAMES).loss == pytest.approx(cross_entropy.item())
    assert multi_label_metrics(logits, multi_hot, NAMES).loss == pytest.approx(binary.item())


def test_huge_logits_give_exact_losses():
    logits = np.array([[1000.0, -1000.0], [1000.0, -1000.0]], dtype=np.float32)
    assert single_label_metrics(logits, np.array([0, 1]), NAMES[:2]).loss == 1000.0
    multi_hot = np.array([[1, 0], [0, 1]])
    assert multi_label_metrics(logits, multi_hot, NAMES[:2]).loss == 500.0


def test_multi_label_quality_is_what_scikit_learn_says(logits, multi_hot):
    measured = multi_label_metrics(logits, multi_hot, NAMES)
    predicted = logits >= 0
    assert measured.accuracy == measured.subset_accuracy
    assert measured.accuracy == pytest.approx(sk.accuracy_score(multi_hot, predicted))
    assert measured.hamming_loss == pytest.approx(sk.hamming_loss(multi_hot, predicted))
    for average in ("weighted", "macro", "micro"):
        expected = sk.f1_score(multi_hot, predicted, average=average, zero_division=0)
        assert getattr(measured, f"f1_{average}") == pytest.approx(expected)
    expected = sk.average_precision_score(multi_hot, logits, average="macro")
    assert measured.average_precision == pytest.approx(expected)


def test_tuned_metrics_use_the_given_thresholds(logits, multi_hot):
    thresholds = np.linspace(0.2, 0.8, 28)
    tuned = multi_label_metrics(logits, multi_hot, NAMES, thresholds).tuned
    predicted = sigmoid(logits) >= thresholds
    assert tuned is not None
    assert tuned.hamming_loss == pytest.approx(sk.hamming_loss(multi_hot, predicted))
    for average in ("weighted", "macro", "micro"):
        expected = sk.f1_score(multi_hot, predicted, average=average, zero_division=0)
        assert getattr(tuned, f"f1_{average}") == pytest.approx(expected)


def test_labels_that_do_not_occur_leave_average_precision_and_macro_f1_alone():
    multi_hot = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]])
    logits = np.where(multi_hot == 1, 3.0, -3.0)
    measured = multi_label_metrics(logits, multi_hot, NAMES[:3])
    assert measured.average_precision == measured.f1_macro == measured.f1_micro == 1.0
    assert measured.per_label[2].f1 == 0.0


def test_rare_labels_cause_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        single_label_metrics(np.eye(3)[[0, 0]], np.array([0, 1]), NAMES[:3])
        empty = multi_label_metrics(-np.ones((2, 3)), np.zeros((2, 3)), NAMES[:3])
    assert empty.average_precision is None
    assert empty.f1_micro == empty.f1_macro == empty.f1_weighted == 0.0
    assert empty.accuracy == 1.0


def test_epoch_metrics_are_a_part_of_the_full_ones(logits, classes, multi_hot):
    single = single_label_metrics(logits, classes, NAMES)
    assert epoch_metrics(logits, classes, "single_label") == {
        "accuracy": single.accuracy,
        "f1_weighted": single.f1_weighted,
        "f1_macro": single.f1_macro,
    }
    multi = epoch_metrics(logits, multi_hot, "multi_label")
    full = multi_label_metrics(logits, multi_hot, NAMES)
    assert multi["average_precision"] == full.average_precision
    assert multi["f1_macro"] == full.f1_macro


def test_sigmoid_neither_overflows_nor_leaves_its_range():
    with np.errstate(all="raise"):
        values = sigmoid(np.array([-1e4, -1.0, 0.0, 1.0, 1e4]))
    expected = torch.tensor([-1e4, -1.0, 0.0, 1.0, 1e4], dtype=torch.float64).sigmoid()
    assert values == pytest.approx(expected.numpy())


def test_what_does_not_fit_is_refused(logits, classes, multi_hot):
    with pytest.raises(ValueError, match=r"need \(399, 28\)"):
        single_label_metrics(logits, classes[:-1], NAMES)
    with pytest.raises(ValueError, match="multi_hot has shape"):
        multi_label_metrics(logits, multi_hot[:, :-1], NAMES)
    with pytest.raises(ValueError, match="there are 28 labels"):
        multi_label_metrics(logits, multi_hot, NAMES, np.full(27, 0.5))
    with pytest.raises(ValueError, match="at least one row"):
        single_label_metrics(logits[:0], classes[:0], NAMES)
    with pytest.raises(ValueError, match="reach from 0 to 28"):
        single_label_metrics(logits[:2], np.array([0, 28]), NAMES)


def test_diverged_outputs_are_explained(logits, classes):
    logits[3, 4] = np.nan
    with pytest.raises(RunError, match="learning_rate"):
        epoch_metrics(logits, classes, "single_label")
