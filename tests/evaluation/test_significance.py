"""Estimates and tests against scipy and statsmodels."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from distillora.evaluation.significance import (
    difference_over_seeds,
    estimate_over_seeds,
    holm,
    mcnemar,
    smallest_p,
)


def unmoved(by_seed, resamples=50):
    """Draws on which the figures do not move: then the seeds are all that is uncertain."""
    return np.repeat(by_seed[:, None], resamples, axis=1)


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


def test_seeds_of_their_own_alone_are_more_careful_than_welchs_t_test():
    first, second = np.array([0.51, 0.55, 0.58, 0.57]), np.array([0.50, 0.505, 0.51])
    welch = stats.ttest_ind(first, second, equal_var=False)
    found = difference_over_seeds(first, second, unmoved(first), unmoved(second), paired=False)
    assert [(part.variance, part.freedom) for part in found.seeds] == [
        (pytest.approx(stats.sem(own) ** 2), len(own) - 1) for own in (first, second)
    ]
    assert found.value == pytest.approx(first.mean() - second.mean())
    assert welch.pvalue < found.p < 1.5 * welch.pvalue


def test_one_seed_gives_the_normal_interval_of_the_bootstrap():
    draws = np.random.default_rng(0).normal(0.5, 0.02, (1, 800))
    found = estimate_over_seeds(np.array([0.5]), draws)
    expected = stats.norm.interval(0.95, loc=0.5, scale=draws.std(ddof=1))
    assert found.interval() == pytest.approx(expected)


def test_one_seed_against_several_counts_the_seeds_that_there_are():
    several, one = np.array([0.5, 0.52, 0.54]), np.array([0.4])
    found = difference_over_seeds(several, one, unmoved(several), unmoved(one), paired=False)
    assert found.value == pytest.approx(0.12)
    assert found.interval() == pytest.approx(
        stats.t.interval(0.95, 2, loc=0.12, scale=stats.sem(several))
    )


def test_seeds_that_agree_in_every_row_leave_the_rows_alone():
    draws = np.random.default_rng(0).normal(0.5, 0.02, (1, 800)).repeat(3, axis=0)
    found = estimate_over_seeds(np.full(3, 0.5), draws)
    expected = stats.norm.interval(0.95, loc=0.5, scale=draws[0].std(ddof=1))
    assert found.interval() == pytest.approx(expected)


def test_the_variance_has_the_parts_that_the_draws_were_made_of():
    common, own = 0.02, 0.03  # what moves all seeds together, and each by itself
    random = np.random.default_rng(0)
    by_seed = np.array([0.48, 0.50, 0.52])
    draws = by_seed[:, None] + random.normal(0, common, 10**5) + random.normal(0, own, (3, 10**5))
    found = estimate_over_seeds(by_seed, draws)
    (part,) = found.seeds
    assert found.rows == pytest.approx(common**2 + own**2 / 3, rel=0.02)
    assert (part.variance, part.freedom) == (pytest.approx(0.02**2 / 3), 2)
    assert part.churn == pytest.approx(own**2 / 3, rel=0.02)


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
