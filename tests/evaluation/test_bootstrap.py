"""The bootstrap against scikit-learn on rows that were really resampled, and a closed form."""

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from distillora.evaluation.bootstrap import METRICS, bootstrap_metrics, measure_decisions


def made_up(rows=80, labels=5, models=3, share=0.3, seed=0):
    """A truth and several models' decisions, of which the last label is very rare."""
    random = np.random.default_rng(seed)
    shares = np.append(np.full(labels - 1, share), 0.01)
    truth = random.random((rows, labels)) < shares
    decided = [truth ^ (random.random((rows, labels)) < 0.2 * shares) for _ in range(models)]
    return truth, decided


def by_scikit_learn(truth, decided):
    occurring = np.flatnonzero(truth.any(axis=0) | decided.any(axis=0))
    averages = {
        "f1_weighted": {"average": "weighted"},
        "f1_macro": {"average": "macro", "labels": occurring},
        "f1_micro": {"average": "micro"},
    }
    measured = {"accuracy": accuracy_score(truth, decided)}
    for name, how in averages.items():
        measured[name] = f1_score(truth, decided, zero_division=0, **how)
    return [measured[name] for name in METRICS]


def test_measured_is_what_scikit_learn_measures():
    truth, decided = made_up()
    expected = [by_scikit_learn(truth, own) for own in decided]
    assert measure_decisions(truth, decided) == pytest.approx(np.array(expected), abs=1e-12)


def test_every_draw_is_what_scikit_learn_measures_on_the_resampled_rows():
    truth, decided = made_up(rows=40)
    measured = bootstrap_metrics(truth, decided, resamples=25, seed=4)
    assert measured.shape == (3, 25, 4)
    draws = np.random.default_rng(4).integers(0, 40, (25, 40))
    expected = [[by_scikit_learn(truth[d], own[d]) for d in draws] for own in decided]
    assert measured == pytest.approx(np.array(expected), abs=1e-12)


def test_one_class_a_row_is_measured_as_scikit_learn_does():
    random = np.random.default_rng(1)
    classes, guesses = random.integers(0, 4, (2, 60))
    truth, decided = np.eye(6, dtype=bool)[classes], np.eye(6, dtype=bool)[guesses]
    accuracy, weighted, macro, micro = measure_decisions(truth, [decided])[0]
    assert accuracy == micro == pytest.approx(accuracy_score(classes, guesses))
    assert weighted == pytest.approx(f1_score(classes, guesses, average="weighted"))
    assert macro == pytest.approx(f1_score(classes, guesses, average="macro"))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_the_standard_error_of_accuracy_is_the_binomial_one(share):
    rows = 1000
    right = np.arange(rows) < share * rows
    truth = np.eye(2, dtype=bool)[np.zeros(rows, dtype=int)]
    decided = np.eye(2, dtype=bool)[np.where(right, 0, 1)]
    accuracy = bootstrap_metrics(truth, [decided], resamples=4000)[0, :, 0]
    assert accuracy.mean() == pytest.approx(share, abs=0.002)
    # the spread of 4,000 draws is itself uncertain by 1.1 %
    assert accuracy.std() == pytest.approx(math.sqrt(share * (1 - share) / rows), rel=0.04)


def test_all_models_are_measured_on_the_same_draws():
    truth, (own, *_) = made_up()
    first, second = bootstrap_metrics(truth, [own, own.copy()], resamples=50)
    assert (first == second).all()
    assert first.std(axis=0).min() > 0


def test_draws_depend_on_the_seed_alone():
    truth, decided = made_up()
    one = bootstrap_metrics(truth, decided, 30, seed=1)
    assert (bootstrap_metrics(truth, decided[:1], 30, seed=1) == one[:1]).all()
    assert not (bootstrap_metrics(truth, decided, 30, seed=2) == one).all()


@pytest.mark.slow
def test_large_splits_and_many_models_are_counted_in_pieces():
    rows = 1_500_000  # two draws, and eight models, fit into a piece
    random = np.random.default_rng(2)
    truth = random.random((rows, 2)) < 0.5
    decided = [truth ^ (random.random((rows, 1)) < error / 100) for error in range(9)]
    measured = bootstrap_metrics(truth, decided, resamples=3, seed=6)
    drawn = np.random.default_rng(6).integers(0, rows, (3, rows))
    right = [(truth == own).all(axis=1) for own in decided]
    assert measured[:, :, 0] == pytest.approx(
        np.array([[own[d].mean() for d in drawn] for own in right]), abs=1e-12
    )


def test_labels_that_nobody_mentions_count_nowhere():
    truth = np.array([[True, False], [True, False]])
    none = np.zeros_like(truth)
    assert measure_decisions(truth, [truth]).tolist() == [[1, 1, 1, 1]]
    assert measure_decisions(truth, [none]).tolist() == [[0, 0, 0, 0]]
    assert measure_decisions(none, [none]).tolist() == [[1, 0, 0, 0]]


@pytest.mark.parametrize(
    ("truth", "decided"),
    [((3, 2), (3, 3)), ((3, 2), (4, 2)), ((0, 2), (0, 2)), ((3,), (3,))],
)
def test_what_does_not_fit_is_refused(truth, decided):
    with pytest.raises(ValueError, match="one shape"):
        bootstrap_metrics(np.zeros(truth, dtype=bool), [np.zeros(decided, dtype=bool)], 10)
