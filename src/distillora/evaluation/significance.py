"""Intervals and tests of figures and their differences, from plain arrays."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import stats

from distillora.evaluation.uncertainty import SeedPart, Uncertain

Figures = npt.NDArray[np.float64]


def estimate_over_seeds(by_seed: Figures, resampled: Figures) -> Uncertain:
    """Estimate a figure's mean over seeds, uncertain in the seeds and in the test rows.

    The variance of the mean has two parts. Over other test rows it is the bootstrap variance of the
    mean. Over other seeds it is the variance between them divided by their number, less what the
    rows account for: models of different seeds err on different rows, which makes their figures
    differ even if no seed is better than another, and the bootstrap has counted that. With a single
    seed the second part is unknown, and the interval covers the test rows alone.

    Args:
        by_seed: the figure on the test rows, shape (seeds,).
        resampled: the same on bootstrap draws, shape (seeds, resamples).
    """
    rows = float(resampled.mean(axis=0).var(ddof=1))
    return Uncertain(float(by_seed.mean()), rows, _seed_parts(by_seed, resampled))


def difference_over_seeds(
    first: Figures,
    second: Figures,
    first_resampled: Figures,
    second_resampled: Figures,
    *,
    paired: bool,
) -> Uncertain:
    """Estimate how much a figure of one model exceeds that of another on the same test rows.

    Test rows are always paired. Seeds are paired if ``paired`` is true, which is right when both
    were made with the same seeds (a student and its teacher share more than the number). Otherwise
    each model's seeds add their own part; a single seed adds none.

    Args:
        first, second: the figure by seed, shapes (seeds,).
        first_resampled, second_resampled: on the same bootstrap draws, shapes (seeds, resamples).
        paired: whether seed i of one belongs to seed i of the other.
    """
    if paired:
        return estimate_over_seeds(first - second, first_resampled - second_resampled)
    rows = float((first_resampled.mean(axis=0) - second_resampled.mean(axis=0)).var(ddof=1))
    parts = _seed_parts(first, first_resampled) + _seed_parts(second, second_resampled)
    return Uncertain(float(first.mean() - second.mean()), rows, parts)


def _seed_parts(by_seed: Figures, resampled: Figures) -> tuple[SeedPart, ...]:
    """Return the variance that several seeds add; nothing for a single one."""
    seeds = len(by_seed)
    if seeds == 1:
        return ()
    moved = resampled - resampled.mean(axis=1, keepdims=True)
    churn = float(moved.var(axis=0, ddof=1).mean())
    return (SeedPart(float(by_seed.var(ddof=1)) / seeds, seeds - 1, churn / seeds),)


def smallest_p(rows: int) -> float:
    """Return the smallest two-sided p-value that a paired test on this many rows can give.

    If two models are alike, which of them gave which answer is a coin toss for each row: the most
    extreme of 2^rows outcomes, in either direction, has p = 2^(1 - rows). The bootstrap has no such
    bound: if one model is right in all of three rows and the other in none, all draws are equal.
    """
    return min(1.0, 2.0 ** (1 - rows))


def mcnemar(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> float:
    """Return the two-sided p-value that two models are right equally often on the same rows.

    With one seed each it is McNemar's exact test (McNemar 1947, Psychometrika 12): of the rows
    where one of the two is right, each model should have half. With several seeds a row's answers
    are correlated, so rows are the units: the sum of the rows' differences over the square root
    of the sum of their squares is compared with a normal distribution (Durkalski et al. 2003,
    Statistics in Medicine 22, for matched pairs in clusters; McNemar's statistic if there is one
    answer a row). The seeds are taken as they are: the test is about these models.

    Args:
        first, second: whether each answer is right, shape (seeds, rows); the numbers of seeds
            may differ.
    """
    difference = first.mean(axis=0) - second.mean(axis=0)
    if len(first) == len(second) == 1:
        wins, losses = int((difference > 0).sum()), int((difference < 0).sum())
        if wins + losses == 0:
            return 1.0
        return float(stats.binomtest(wins, wins + losses).pvalue)
    size = math.sqrt(float(difference @ difference))
    if size == 0:
        return 1.0
    p = float(2 * stats.norm.sf(abs(float(difference.sum())) / size))
    return max(p, smallest_p(int(np.count_nonzero(difference))))


def holm(p_values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Correct p-values so that the chance of any false finding stays below the level.

    Holm 1979 (Scandinavian Journal of Statistics 6): the smallest of m is multiplied by m, the
    next by m - 1, and none may fall below the one before it. Shape (m,) in and out.

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    rising = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(rising, 1.0)
    return corrected
