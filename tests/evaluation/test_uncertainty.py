"""Intervals, tests and their power against closed forms, quadrature and published tables."""

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.optimize import brentq

from distillora.evaluation.uncertainty import SeedPart, Uncertain


def behrens_fisher(distance, first, second):
    """P(|X + Y| > distance) for two scaled t, given as (variance, degrees of freedom)."""

    def tails(x):
        rest = [(sign * distance - x) / np.sqrt(second[0]) for sign in (1, -1)]
        return stats.t.sf(rest[0], second[1]) + stats.t.cdf(rest[1], second[1])

    scale = np.sqrt(first[0])
    inner = stats.t(first[1], scale=scale).pdf
    return integrate.quad(lambda x: inner(x) * tails(x), -np.inf, np.inf)[0]


def test_without_seeds_the_interval_is_the_normal_one():
    found = Uncertain(0.4, 0.03**2)
    assert found.interval() == pytest.approx(stats.norm.interval(0.95, loc=0.4, scale=0.03))
    assert found.p == pytest.approx(2 * stats.norm.sf(0.4 / 0.03))


@pytest.mark.parametrize("freedom", [1, 2, 4, 9, 49])
def test_with_seeds_alone_it_is_students(freedom):
    found = Uncertain(0.4, 0.0, (SeedPart(0.03**2, freedom),))
    for level in (0.9, 0.95, 0.99):
        expected = stats.t.interval(level, freedom, loc=0.4, scale=0.03)
        assert found.interval(level) == pytest.approx(expected)
    assert found.p == pytest.approx(2 * stats.t.sf(0.4 / 0.03, freedom), rel=1e-4)


@pytest.mark.parametrize("distance", [0.5, 2.0, 6.0, 30.0])
def test_rows_and_seeds_together_are_a_normal_and_a_t_variable(distance):
    found = Uncertain(distance, 1.5, (SeedPart(0.7, 2),))
    assert found.p == pytest.approx(behrens_fisher(distance, (1.5, np.inf), (0.7, 2)), rel=1e-6)


@pytest.mark.parametrize(
    ("first", "second"), [((0.7, 2), (1.3, 2)), ((0.2, 2), (3, 4)), ((1, 9), (1, 1))]
)
def test_two_sets_of_seeds_are_the_distribution_of_behrens_and_fisher(first, second):
    found = Uncertain(4.0, 0.0, (SeedPart(*first), SeedPart(*second)))
    assert found.p == pytest.approx(behrens_fisher(4.0, first, second), rel=1e-5)


def test_the_published_five_percent_point_of_behrens_and_fisher_is_found():
    # Fisher and Yates, Statistical Tables, table VI: 6 and 6 degrees of freedom, angle 45 degrees
    found = Uncertain(0.0, 0.0, (SeedPart(0.5, 6), SeedPart(0.5, 6)))
    assert found.interval()[1] == pytest.approx(2.435, abs=0.001)


def test_the_churn_of_seeds_over_rows_is_not_counted_twice():
    seeds = SeedPart(0.4, 2, churn=0.3)
    simulated = 0.3 + np.maximum(0.4 * 2 / np.random.default_rng(0).chisquare(2, 10**6) - 0.3, 0)
    expected = (2 * stats.norm.sf(3 / np.sqrt(0.2 + simulated))).mean()
    assert Uncertain(3.0, 0.5, (seeds,)).p == pytest.approx(expected, rel=0.01)


def test_seeds_that_agree_by_luck_make_no_interval_narrower_than_the_rows_do():
    rows = Uncertain(0.5, 0.01).interval()
    for variance in (0.0, 1e-6, 1e-4):
        found = Uncertain(0.5, 0.01, (SeedPart(variance, 2, churn=0.01),)).interval()
        assert found[0] <= rows[0] + 1e-12
        assert found[1] >= rows[1] - 1e-12


def test_an_interval_leaves_out_0_where_p_is_below_5_percent():
    parts = (SeedPart(0.2, 2, 0.1),)
    half = Uncertain(0.0, 0.3, parts).interval()[1]
    assert Uncertain(1.001 * half, 0.3, parts).p < 0.05 < Uncertain(0.999 * half, 0.3, parts).p
    assert Uncertain(half, 0.3, parts).p == pytest.approx(Uncertain(-half, 0.3, parts).p)


def test_without_any_variance_only_0_is_nothing():
    assert Uncertain(0.0, 0.0).p == 1
    assert Uncertain(0.1, 0.0).p == 0
    assert Uncertain(0.1, 0.0).interval() == (0.1, 0.1)
    assert Uncertain(0.1, 0.0).detectable(0.05) == 0
    assert Uncertain(0.0, 0.0, (SeedPart(0.0, 2),)).p == 1


def test_the_detectable_difference_without_seeds_is_that_of_the_normal_test():
    expected = 0.02 * (stats.norm.isf(0.025) + stats.norm.ppf(0.8))
    assert Uncertain(0.0, 0.02**2).detectable(0.05) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("freedom", [2, 4, 9])
@pytest.mark.parametrize("level", [0.05, 0.05 / 6])
def test_with_seeds_alone_it_is_that_of_the_noncentral_t_distribution(freedom, level):
    critical = stats.t.isf(level / 2, freedom)
    # the other tail is below 1e-6 and is left out
    expected = brentq(lambda d: stats.nct.sf(critical, freedom, d) - 0.8, 0.1, 2 * critical)
    found = Uncertain(0.0, 0.0, (SeedPart(0.02**2, freedom),)).detectable(level)
    assert found == pytest.approx(0.02 * expected, rel=1e-3)


@pytest.mark.parametrize(
    ("rows", "parts"),
    [
        (1.0, (SeedPart(0.5, 2, 0.2),)),
        (1.0, (SeedPart(3.0, 2, 0.2),)),
        (1.0, (SeedPart(0.5, 4, 0.5),)),
        pytest.param(1.0, (SeedPart(0.5, 2, 0.3), SeedPart(1.0, 4, 0.3)), marks=pytest.mark.slow),
    ],
)
def test_the_power_at_the_detectable_difference_is_80_percent(rows, parts):
    detectable = Uncertain(0.0, rows, parts).detectable(0.02)
    random = np.random.default_rng(0)
    variance = rows + sum(part.variance - part.churn for part in parts)
    found = 0
    for _ in range(2000):
        estimate = detectable + np.sqrt(variance) * random.normal()
        measured = tuple(
            SeedPart(p.variance * random.chisquare(p.freedom) / p.freedom, p.freedom, p.churn)
            for p in parts
        )
        found += Uncertain(estimate, rows, measured).p < 0.02
    assert found / 2000 == pytest.approx(0.8, abs=0.03)


def test_seeds_cannot_vary_less_than_their_churn_in_the_detectable_difference():
    lucky = Uncertain(0.0, 1.0, (SeedPart(0.001, 2, churn=0.5),))
    typical = Uncertain(0.0, 1.0, (SeedPart(0.5, 2, churn=0.5),))
    assert lucky.detectable(0.05) == pytest.approx(typical.detectable(0.05))
    assert typical.detectable(0.01) > typical.detectable(0.05)
