"""Estimates with variance from the test rows and from the seeds: interval, test and power."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import special

LEVEL = 0.95
POWER = 0.8

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Grid:
    """Points of integration: for one seed part and for each of two; tails below exp(-tail / 2)."""

    single: int
    double: int
    tail: float

    def points(self, parts: int, freedom: int) -> tuple[Array, Array]:
        return _chi_squared(freedom, self.double if parts > 1 else self.single, self.tail)


_FINE = _Grid(single=400, double=100, tail=60.0)  # p-values down to 1e-10
# power to three digits with one seed part, to two with two
_COARSE = _Grid(single=120, double=28, tail=30.0)


@dataclass(frozen=True)
class SeedPart:
    """The variance that few seeds add to the mean over them.

    Attributes:
        variance: the sample variance between the seeds, over their number.
        freedom: its degrees of freedom, the number of seeds less one.
        churn: how large that would be if seeds differed only in the test rows that each gets
            right by luck; ``Uncertain.rows`` contains it already.
    """

    variance: float
    freedom: int
    churn: float = 0.0

    @property
    def likely(self) -> float:
        """The best guess of the true value of ``variance``: it cannot be below ``churn``."""
        return max(self.variance, self.churn)


@dataclass(frozen=True)
class Uncertain:
    """An estimate, normal about its true value with a variance of several parts.

    The variance from the test rows is known well, from thousands of rows; that from the seeds is
    not, from three or five. What is not known is averaged over: the true variance of a seed part
    with k degrees of freedom is taken as k x its sample variance / W, where W has the chi-squared
    distribution with k degrees of freedom, less the churn that the rows account for. The estimate
    is then distributed about the true value as a mixture of normal distributions.

    With one seed part and no rows this is Student's t; without seed parts it is normal; in between
    it is the solution of Behrens and Fisher (Fisher 1935, Annals of Eugenics 6), whose tests keep
    below their level (Robinson 1976, Annals of Statistics 4). Welch and Satterthwaite's degrees of
    freedom do not: they are large in the very samples whose seeds agree by luck. With three seeds,
    such a test at 5 % finds a difference in up to 7 of 100 pairs that have none, and six tests
    corrected for one another find one in up to 17 of 100 runs; see docs/results.md.

    Attributes:
        value: the estimate.
        rows: its variance over other test rows.
        seeds: what the seeds add; none where there is one seed, or nothing random.
    """

    value: float
    rows: float
    seeds: tuple[SeedPart, ...] = ()

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the confidence interval around the value."""
        half = float(_critical(1 - level, *self._mixture())[0])
        return self.value - half, self.value + half

    @property
    def p(self) -> float:
        """The two-sided p-value of the hypothesis that the true value is 0.

        Without any variance it is 1 for a value of 0, else 0.
        """
        if self.value == 0:
            return 1.0
        return float(_tails(np.array([abs(self.value)]), *self._mixture())[0])

    def detectable(self, level: float, power: float = POWER) -> float:
        """Return the smallest true value that tests like this one find with this probability.

        The variances measured here are taken as the true ones, a seed part as no less than its
        churn. In each new sample the test measures the seed parts again, so its critical value
        varies; the power is the mean over that.

        Args:
            level: of the two-sided test.
            power: the probability.
        """
        weights, drawn = self._draw_variances()
        rows = np.full(len(weights), self.rows)
        critical = _critical(level, *_mix(rows, drawn, self.seeds, _COARSE))
        extra = sum(part.likely - part.churn for part in self.seeds)
        deviation = np.sqrt(self.rows + extra)
        if deviation == 0:
            return 0.0

        def find(value: Array) -> Array:
            above = special.ndtr((value[:, None] - critical) / deviation)
            below = special.ndtr((-value[:, None] - critical) / deviation)
            return np.asarray((above + below) @ weights)

        return float(_solve(lambda value: power - find(value), np.array([deviation]))[0])

    def _mixture(self) -> tuple[Array, Array]:
        """Return variances, shape (1, nodes), and their weights, shape (nodes,)."""
        measured = np.array([[part.variance for part in self.seeds]])
        return _mix(np.array([self.rows]), measured, self.seeds, _FINE)

    def _draw_variances(self) -> tuple[Array, Array]:
        """Return what new samples would measure: weights (draws,), variances (draws, parts)."""
        weights, drawn = np.ones(1), np.empty((1, 0))
        for part in self.seeds:
            chi_squared, own = _COARSE.points(len(self.seeds), part.freedom)
            measured = part.likely * chi_squared / part.freedom
            drawn = np.column_stack(
                [np.repeat(drawn, len(own), axis=0), np.tile(measured, len(weights))]
            )
            weights = np.outer(weights, own).ravel()
        return weights, drawn


def _mix(
    rows: Array, measured: Array, parts: tuple[SeedPart, ...], grid: _Grid
) -> tuple[Array, Array]:
    """Return the variances that each sample allows, and their weights.

    Args:
        rows: of each sample, shape (samples,).
        measured: variance of each seed part in each sample, shape (samples, parts).
        parts: whose degrees of freedom and churn count.
        grid: the points of integration.

    Returns:
        Shapes (samples, points) and (points,).
    """
    variances, weights = rows[:, None], np.ones(1)
    for number, part in enumerate(parts):
        chi_squared, own = grid.points(len(parts), part.freedom)
        true = measured[:, number, None] * part.freedom / chi_squared
        extra = np.maximum(true - part.churn, 0)
        variances = (variances[:, :, None] + extra[:, None, :]).reshape(len(rows), -1)
        weights = np.outer(weights, own).ravel()
    return variances, weights


@lru_cache
def _chi_squared(freedom: int, nodes: int, tail: float) -> tuple[Array, Array]:
    """Return points and weights that integrate over a chi-squared distribution.

    The trapezoidal rule over the logarithm, where the density is smooth and falls off
    exponentially on both sides; ``exp(-tail / 2)`` of it is left out below.
    """
    lowest, highest = -tail / freedom, np.log(freedom + 12 * np.sqrt(2 * freedom) + 60)
    logs = np.linspace(lowest, highest, nodes)
    density = freedom / 2 * logs - np.exp(logs) / 2
    weights = np.exp(density - density.max())
    return np.exp(logs), weights / weights.sum()


def _tails(distance: Array, variances: Array, weights: Array) -> Array:
    """Return the chance that each sample's mixture is further from 0 than its distance."""
    # 0 / 0 is a value of 0 without any variance: nothing is nearer
    with np.errstate(divide="ignore", invalid="ignore"):
        standard = np.nan_to_num(distance[:, None] / np.sqrt(2 * variances), nan=0.0, posinf=np.inf)
    return np.asarray(special.erfc(standard) @ weights)


def _critical(level: float, variances: Array, weights: Array) -> Array:
    """Return the distance from 0 that each sample's mixture exceeds with this chance."""
    typical = variances[:, weights.argmax()]
    scale = np.sqrt(np.where(typical > 0, typical, variances.max(axis=1)))
    return _solve(lambda distance: _tails(distance, variances, weights) - level, scale)


def _solve(falling: Callable[[Array], Array], scale: Array) -> Array:
    """Find where a falling function of positive numbers crosses 0, by doubling and bisection."""
    low, high = np.zeros_like(scale), np.array(scale)
    while (beyond := (falling(high) > 0) & (high > 0)).any():
        high = np.where(beyond, 2 * high, high)
    for _ in range(60):
        middle = (low + high) / 2
        above = falling(middle) > 0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return high
