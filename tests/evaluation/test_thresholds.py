"""Thresholds against a search over every possible cut."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import f1_score

from distillora.evaluation.thresholds import tune_one_threshold, tune_thresholds


def best_f1(scores, truth):
    """F1 of the best cut, by trying one threshold at each score."""
    return max(f1_score(truth, scores >= cut, zero_division=0) for cut in np.unique(scores))


@pytest.mark.parametrize("decimals", [1, 2, 9])
def test_thresholds_reach_the_best_f1_that_any_cut_has(decimals):
    random = np.random.default_rng(decimals)
    truth = random.random((60, 9)) < np.linspace(0.05, 0.9, 9)
    scores = np.clip(0.3 * truth + random.random((60, 9)) * 0.7, 0.01, 1).round(decimals)
    scores = np.maximum(scores, 0.01)  # coarse rounding makes ties, and 0 can never be cut off
    thresholds = tune_thresholds(scores, truth)
    for label in range(9):
        reached = f1_score(truth[:, label], scores[:, label] >= thresholds[label], zero_division=0)
        assert reached == pytest.approx(best_f1(scores[:, label], truth[:, label]))


def test_a_cut_stands_in_the_middle_of_its_gap():
    thresholds = tune_thresholds([[0.9], [0.8], [0.6], [0.1]], [[1], [1], [0], [0]])
    assert thresholds == pytest.approx([0.7])


def test_the_default_is_kept_where_nothing_is_better():
    thresholds = tune_thresholds([[0.9], [0.1]], [[1], [0]])
    assert thresholds == pytest.approx([0.5])
    assert tune_thresholds([[0.9], [0.1]], [[1], [0]], default=0.3) == pytest.approx([0.3])


def test_of_equally_good_cuts_the_one_nearest_to_the_default_wins():
    scores = [[0.9], [0.7], [0.3], [0.2], [0.1]]
    truth = [[1], [0], [0], [1], [0]]
    # F1 is 2/3 above 0.7 (threshold 0.8) and above 0.1 (threshold 0.15)
    assert tune_thresholds(scores, truth) == pytest.approx([0.8])


def test_a_label_without_positives_keeps_the_default():
    thresholds = tune_thresholds([[0.9, 0.2], [0.1, 0.4]], [[1, 0], [0, 0]], default=0.4)
    assert thresholds == pytest.approx([0.4, 0.4])


def test_a_positive_with_probability_0_is_never_chased():
    assert tune_thresholds([[0.0], [0.0]], [[1], [0]]) == pytest.approx([0.5])


def test_neighbouring_floats_are_still_cut_apart():
    low = 0.7
    high = np.nextafter(low, 1)
    scores = np.array([[high], [low]])
    assert (scores >= tune_thresholds(scores, [[1], [0]])).tolist() == [[True], [False]]


@pytest.mark.parametrize(
    ("scores", "truth", "message"),
    [
        ([[0.1, 0.2]], [[1]], "both need"),
        (np.empty((0, 2)), np.empty((0, 2)), "at least one row"),
        ([[1.5]], [[1]], "sigmoid"),
        ([[np.nan]], [[1]], "sigmoid"),
    ],
)
def test_what_does_not_fit_is_refused(scores, truth, message):
    with pytest.raises(ValueError, match=message):
        tune_thresholds(scores, truth)


def log_odds(p):
    return np.log(p / (1 - p))


def test_a_smoothed_threshold_stands_on_the_hill_and_not_on_a_lucky_row():
    random = np.random.default_rng(5)
    drawn = np.concatenate([random.normal(-1, 1, 400), random.normal(1, 1, 400)])
    scores = 1 / (1 + np.exp(-drawn))
    truth = np.repeat([0, 1], 400)
    smooth = tune_thresholds(scores[:, None], truth[:, None], smoothing=0.4)[0]
    # the densities' own optimum, where F1 is largest in the limit of many rows
    grid = np.linspace(-3, 3, 6001)
    hits, predicted = norm.sf(grid, 1), norm.sf(grid, 1) + norm.sf(grid, -1)
    best = grid[(2 * hits / (predicted + 1)).argmax()]
    assert log_odds(smooth) == pytest.approx(best, abs=0.25)


def test_smoothing_moves_less_than_the_exact_search_when_the_rows_change():
    def spread(smoothing):
        cuts = []
        for seed in range(40):
            random = np.random.default_rng(seed)
            truth = np.arange(500) < 15  # a rare label
            scores = 1 / (1 + np.exp(-random.normal(np.where(truth, 1, -2), 1)))
            cuts.append(tune_thresholds(scores[:, None], truth[:, None], smoothing=smoothing)[0])
        return np.std(log_odds(np.array(cuts)))

    assert spread(0.4) < 0.9 * spread(0.0)


def test_a_smoothed_threshold_without_positives_or_with_scores_at_the_edge_is_defined():
    scores = np.array([[0.0, 0.3], [1.0, 0.2], [0.4, 0.1]])
    thresholds = tune_thresholds(scores, [[0, 0], [1, 0], [0, 0]], default=0.4, smoothing=0.4)
    assert 0 < thresholds[0] <= 1
    assert thresholds[1] == pytest.approx(0.4)


def macro_f1(truth, decided):
    occurring = np.flatnonzero(truth.any(axis=0) | decided.any(axis=0))
    return f1_score(truth, decided, labels=occurring, average="macro", zero_division=0)


def simulated(rows, shares, seed):
    """Probabilities and truth of labels with these shares, separated alike."""
    random = np.random.default_rng(seed)
    truth = random.random((rows, len(shares))) < shares
    logits = np.log(np.maximum(shares, 0.01)) + 1.5 * truth + random.normal(size=truth.shape)
    return 1 / (1 + np.exp(-logits)), truth


def test_one_threshold_reaches_the_best_macro_f1_that_any_has():
    scores, truth = simulated(80, [0.5, 0.3, 0.1], seed=1)
    best = max(macro_f1(truth, scores >= cut) for cut in np.unique(scores))
    reached = macro_f1(truth, scores >= tune_one_threshold(scores, truth))
    assert reached == pytest.approx(best)


def test_of_equally_good_common_thresholds_the_one_nearest_to_one_half_wins():
    scores = [[0.9, 0.1], [0.2, 0.8]]
    assert tune_one_threshold(scores, [[1, 0], [0, 1]]) == pytest.approx(0.5, abs=0.001)
    low = [[0.3, 0.1], [0.2, 0.4]]
    assert tune_one_threshold(low, [[1, 0], [0, 1]]) == pytest.approx(0.3, abs=0.001)
    assert tune_one_threshold(scores, np.zeros((2, 2))) == pytest.approx(0.5, abs=0.001)


def test_shrinkage_draws_a_label_to_the_common_threshold_by_its_positives():
    scores, truth = simulated(400, [0.3, 0.1, 0.02], seed=2)
    own, common = tune_thresholds(scores, truth), tune_one_threshold(scores, truth)
    shrunk = tune_thresholds(scores, truth, shrinkage=25)
    positives = truth.sum(axis=0)
    weight = positives / (positives + 25)
    expected = weight * log_odds(own) + (1 - weight) * log_odds(common)
    assert log_odds(shrunk) == pytest.approx(expected)


def test_a_label_without_positives_takes_the_common_threshold():
    scores, truth = simulated(400, [0.3, 0.1, 0.0], seed=2)
    shrunk = tune_thresholds(scores, truth, shrinkage=25)
    assert shrunk[2] == pytest.approx(tune_one_threshold(scores, truth))


def test_shrinkage_does_better_on_rows_that_were_not_tuned_on():
    def mean_macro(shrinkage):
        reached = []
        for seed in range(12):
            scores, truth = simulated(500, [0.2, 0.1] + [0.015] * 8, seed)
            unseen, unseen_truth = simulated(4000, [0.2, 0.1] + [0.015] * 8, 100 + seed)
            cuts = tune_thresholds(scores, truth, smoothing=0.4, shrinkage=shrinkage)
            reached.append(macro_f1(unseen_truth, unseen >= cuts))
        return np.mean(reached)

    assert mean_macro(30) > mean_macro(0) + 0.003
