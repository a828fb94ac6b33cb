"""Intervals and tests against scipy, statsmodels and simulations in which the truth is known."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from distillora.evaluation.bootstrap import bootstrap_metrics, measure_decisions
from distillora.evaluation.significance import (
    Uncertain,
    difference_over_seeds,
    estimate_over_seeds,
    holm,
    mcnemar,
    smallest_p,
)

ACCURACY, MACRO = 0, 2


def unmoved(by_seed, resamples=50):
    """Draws on which the figures do not move: then the seeds are all that is uncertain."""
    return np.repeat(by_seed[:, None], resamples, axis=1)


def test_an_interval_is_students_and_without_few_degrees_the_normal_one():
    found = Uncertain(0.4, 0.03, 5)
    assert found.interval() == pytest.approx(stats.t.interval(0.95, 5, loc=0.4, scale=0.03))
    assert found.interval(0.9) == pytest.approx(stats.t.interval(0.9, 5, loc=0.4, scale=0.03))
    wide = Uncertain(0.4, 0.03, math.inf)
    assert wide.interval() == pytest.approx(stats.norm.interval(0.95, loc=0.4, scale=0.03))


def test_a_p_value_is_below_5_percent_where_the_interval_leaves_out_0():
    half = stats.t.ppf(0.975, 4) * 0.1
    assert Uncertain(half * 1.001, 0.1, 4).p < 0.05 < Uncertain(half * 0.999, 0.1, 4).p
    assert Uncertain(half, 0.1, 4).p == pytest.approx(Uncertain(-half, 0.1, 4).p)


def test_without_any_error_only_0_is_nothing():
    assert Uncertain(0.0, 0.0, math.inf).p == 1
    assert Uncertain(0.1, 0.0, math.inf).p == 0
    assert Uncertain(0.1, 0.0, math.inf).interval() == (0.1, 0.1)


def test_seeds_alone_give_the_interval_and_p_of_the_t_test():
    by_seed = np.array([0.51, 0.53, 0.50, 0.56])
    expected = stats.ttest_1samp(by_seed, 0)
    found = estimate_over_seeds(by_seed, unmoved(by_seed))
    assert found.interval() == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.p == pytest.approx(expected.pvalue)


def test_paired_seeds_alone_give_the_paired_t_test():
    first, second = np.array([0.51, 0.55, 0.58]), np.array([0.50, 0.52, 0.58])
    expected = stats.ttest_rel(first, second)
    found = difference_over_seeds(first, second, unmoved(first), unmoved(second), paired=True)
    assert found.interval() == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.p == pytest.approx(expected.pvalue)


def test_seeds_of_their_own_alone_give_welchs_t_test():
    first, second = np.array([0.51, 0.55, 0.58, 0.57]), np.array([0.50, 0.505, 0.51])
    expected = stats.ttest_ind(first, second, equal_var=False)
    found = difference_over_seeds(first, second, unmoved(first), unmoved(second), paired=False)
    assert found.interval() == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.p == pytest.approx(expected.pvalue)


def test_one_seed_gives_the_normal_interval_of_the_bootstrap():
    draws = np.random.default_rng(0).normal(0.5, 0.02, (1, 800))
    found = estimate_over_seeds(np.array([0.5]), draws)
    expected = stats.norm.interval(0.95, loc=0.5, scale=draws.std(ddof=1))
    assert found.interval() == pytest.approx(expected)


def test_one_seed_against_several_counts_the_seeds_that_there_are():
    several, one = np.array([0.5, 0.52, 0.54]), np.array([0.4])
    found = difference_over_seeds(several, one, unmoved(several), unmoved(one), paired=False)
    assert found.value == pytest.approx(0.12)
    assert found.error == pytest.approx(stats.sem(several))
    assert found.freedom == pytest.approx(2)


def test_seeds_that_agree_leave_the_rows_alone():
    draws = np.random.default_rng(0).normal(0.5, 0.02, (1, 800)).repeat(3, axis=0)
    found = estimate_over_seeds(np.full(3, 0.5), draws)
    assert found.error == pytest.approx(draws[0].std(ddof=1))
    assert found.freedom == math.inf


def test_the_degrees_of_freedom_are_satterthwaites():
    by_seed = np.array([0.48, 0.50, 0.52])
    draws = by_seed[:, None] + np.random.default_rng(0).normal(0, 0.02, 800)
    found = estimate_over_seeds(by_seed, draws)
    rows_part, seeds_part = draws[0].var(ddof=1), 0.02**2 / 3
    assert found.error**2 == pytest.approx(rows_part + seeds_part)
    expected = (rows_part + seeds_part) ** 2 / (seeds_part**2 / 2)
    assert found.freedom == pytest.approx(expected)


@pytest.mark.parametrize(
    ("only_first", "only_second"), [(0, 0), (1, 0), (5, 14), (40, 41), (3, 30)]
)
def test_mcnemar_is_the_exact_test_of_statsmodels(only_first, only_second):
    first = np.repeat([True, False, True, False], [only_first, only_second, 20, 9])
    second = np.repeat([False, True, True, False], [only_first, only_second, 20, 9])
    table = [[20, only_first], [only_second, 9]]
    expected = statsmodels_mcnemar(table, exact=True).pvalue if only_first + only_second else 1.0
    assert mcnemar(first[None], second[None]) == pytest.approx(expected)


def test_mcnemar_over_seeds_that_agree_is_the_test_of_one_seed_without_correction():
    first = np.repeat([True, False, True, False], [31, 52, 60, 57])
    second = np.repeat([False, True, True, False], [31, 52, 60, 57])
    expected = statsmodels_mcnemar([[60, 31], [52, 57]], exact=False, correction=False).pvalue
    seeds = [np.tile(own, (3, 1)) for own in (first, second)]
    assert mcnemar(*seeds) == pytest.approx(expected)
    assert mcnemar(seeds[0], second[None]) == pytest.approx(expected)
    assert mcnemar(seeds[0], seeds[0]) == 1


def test_mcnemar_over_seeds_finds_nothing_in_95_of_100_pairs_of_equal_models():
    random = np.random.default_rng(0)
    found = []
    for _ in range(1500):
        easy = random.uniform(0.2, 1.0, 300)  # rows differ, so answers to one row hang together
        first, second = (random.random((3, 300)) < easy for _ in range(2))
        found.append(mcnemar(first, second))
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.017)


@pytest.mark.parametrize("rows", [1, 2, 3, 6, 20])
def test_no_paired_test_on_few_rows_can_show_more_than_all_of_them(rows):
    assert smallest_p(rows) == pytest.approx(stats.binomtest(rows, rows).pvalue)
    always, never = np.ones((3, rows), dtype=bool), np.zeros((3, rows), dtype=bool)
    assert mcnemar(always, never) >= smallest_p(rows)


def test_many_rows_put_no_floor_under_a_p_value():
    assert smallest_p(5427) == 0


@pytest.mark.parametrize("count", [0, 1, 2, 45])
def test_holm_is_that_of_statsmodels(count):
    p = np.random.default_rng(count).random(count) ** 3
    p[: count // 3] = p[:1].repeat(count // 3)  # ties
    expected = multipletests(p, method="holm")[1] if count else []
    assert holm(p) == pytest.approx(expected)


# Simulations: arms of three seeds answer rows of two equally frequent labels. A model is right on
# a row with probability 0.7, plus the seed's own luck (normal, as Student's t takes it to be), plus
# what makes the row easy or hard; so the true accuracy is 0.7, and so is the true macro F1, for the
# labels are alike. Of 600 intervals that hold
# the truth with probability 0.95, between 0.92 and 0.98 do so (by 3.3 standard errors).
REPEATS, ROWS, RESAMPLES = 600, 250, 120


def simulate_arm(random, seeds, luck, hard, truth):
    right = 0.7 + luck * random.normal(size=(seeds, 1)) + hard
    return [truth ^ ~own[:, None] for own in random.random((seeds, ROWS)) < right]


def coverage(estimate, truth_value, luck, hardness, seeds=(3, 3)):
    """The share of simulated intervals that hold the true value."""
    random = np.random.default_rng(1)
    held = 0
    for repeat in range(REPEATS):
        truth = np.eye(2, dtype=bool)[random.integers(0, 2, ROWS)]
        hard = hardness * random.choice([-1, 1], ROWS)
        arms = [simulate_arm(random, count, luck, hard, truth) for count in seeds]
        flat = [own for arm in arms for own in arm]
        figures = measure_decisions(truth, flat)
        draws = bootstrap_metrics(truth, flat, RESAMPLES, seed=repeat)
        low, high = estimate(figures, draws, seeds[0]).interval()
        held += low <= truth_value <= high
    return held / REPEATS


def accuracy_of_the_first(figures, draws, seeds):
    return estimate_over_seeds(figures[:seeds, ACCURACY], draws[:seeds, :, ACCURACY])


def macro_of_the_first(figures, draws, seeds):
    return estimate_over_seeds(figures[:seeds, MACRO], draws[:seeds, :, MACRO])


def difference(paired):
    def estimate(figures, draws, seeds):
        return difference_over_seeds(
            figures[:seeds, ACCURACY],
            figures[seeds:, ACCURACY],
            draws[:seeds, :, ACCURACY],
            draws[seeds:, :, ACCURACY],
            paired=paired,
        )

    return estimate


@pytest.mark.parametrize("estimate", [accuracy_of_the_first, macro_of_the_first])
@pytest.mark.parametrize(("luck", "hardness"), [(0.03, 0.15), (0.06, 0.0)])
def test_the_interval_of_a_figure_holds_the_truth_95_times_of_100(estimate, luck, hardness):
    assert coverage(estimate, 0.7, luck, hardness, seeds=(3,)) == pytest.approx(0.95, abs=0.03)


def test_the_interval_of_one_seed_holds_the_truth_if_seeds_do_not_matter():
    found = coverage(accuracy_of_the_first, 0.7, luck=0.0, hardness=0.15, seeds=(1,))
    assert found == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(("paired", "seeds"), [(True, (3, 3)), (False, (3, 3)), (False, (3, 5))])
def test_the_interval_of_a_difference_holds_the_truth_95_times_of_100(paired, seeds):
    found = coverage(difference(paired), 0.0, luck=0.04, hardness=0.15, seeds=seeds)
    assert found == pytest.approx(0.95, abs=0.03)


def test_where_seeds_do_not_matter_the_interval_of_a_difference_errs_on_the_cautious_side():
    assert 0.95 <= coverage(difference(True), 0.0, luck=0.0, hardness=0.15) < 1
