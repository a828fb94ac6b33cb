"""Check the intervals and tests of the evidence on simulated arms, of which the truth is known.

Every arm of a simulated run is equally good, so each difference that a test finds is a false one.
``figures`` draws the arms' figures themselves, by their variances: that of the mean over other test
rows is 1, ``churn`` of it because each seed errs on rows of its own, and the seeds' luck adds
``luck``. ``decisions`` draws what each model decides on each of 2,000 rows, and goes through the
bootstrap.

    python benchmarks/statistics_simulation.py figures --save figures.json
    python benchmarks/statistics_simulation.py decisions --save decisions.json

Prints a line for each setting: how often the 95 % interval of one arm holds the truth
(``coverage``), how often one contrast at 5 % finds a difference (``size``), how often any of six
contrasts does after Holm's correction (``family``), and how often a true difference as large as the
minimum detectable one is found at the corrected level (``power``). ``detectable`` is that
difference in standard errors. ``satterthwaite`` is what a t test at Satterthwaite's degrees of
freedom would give.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.optimize import brentq

from distillora.artifacts import write_atomic
from distillora.evaluation.bootstrap import METRICS
from distillora.evaluation.resampled import resample_arms
from distillora.evaluation.significance import difference_over_seeds, estimate_over_seeds, holm
from distillora.evaluation.uncertainty import SeedPart, Uncertain
from distillora.runtime import describe_environment

ARMS = 4
PAIRS = list(combinations(range(ARMS), 2))
LEVEL = 0.05
DRAWS = 200
ROWS = 2000
LABEL_SHARES = np.array([0.4, 0.3, 0.2, 0.1])
TASTE = 0.5  # how far arms differ in which rows are hard for them
SKILL = 0.6

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def draw_figures(
    random: np.random.Generator, seeds: int, luck: float, churn: float, rows: float = 1.0
) -> tuple[Array, Array]:
    """Return equally good arms' figures by seed, (arms, seeds), and on draws, (..., draws).

    Args:
        random: where they are drawn from.
        seeds: of each arm.
        luck: what the seeds' luck adds to the variance of an arm's mean.
        churn: the share of ``rows`` that is due to rows of each seed's own.
        rows: the variance of an arm's mean over other test rows.
    """
    own = np.sqrt(rows * churn * seeds)
    together = np.sqrt(rows * (1 - churn))
    figures = (
        np.sqrt(luck * seeds) * random.normal(size=(ARMS, seeds))
        + own * random.normal(size=(ARMS, seeds))
        + together * random.normal(size=(ARMS, 1))
    )
    noise = _exact_noise(ARMS * (seeds + 1)).reshape(ARMS, seeds + 1, DRAWS)
    resampled = figures[..., None] + together * noise[:, :1] + own * noise[:, 1:]
    return figures, resampled


def _exact_noise(series: int) -> Array:
    """Return uncorrelated draws whose sample mean is 0 and whose sample variance is 1."""
    raw = np.random.default_rng(0).normal(size=(DRAWS, series))
    basis = np.linalg.qr(raw - raw.mean(axis=0))[0]
    return np.asarray(basis.T * np.sqrt(DRAWS - 1))


def satterthwaite_p(found: Uncertain) -> float:
    """Return the p-value at Satterthwaite's degrees of freedom, churn counted in both parts."""
    seeds = sum(part.variance for part in found.seeds)
    total = found.rows + seeds
    spread = sum(part.variance**2 / part.freedom for part in found.seeds)
    freedom = total**2 / spread if spread > 0 else np.inf
    return float(2 * stats.t.sf(abs(found.value) / np.sqrt(total), freedom))


def satterthwaite_detectable(rows: float, part: SeedPart, level: float) -> float:
    """Return the minimum detectable difference at Satterthwaite's degrees of freedom."""
    measured = part.variance * stats.chi2.ppf(np.arange(0.5, 4000) / 4000, part.freedom)
    measured /= part.freedom
    total = rows + measured
    freedom = part.freedom * (total / np.maximum(measured, 1e-9)) ** 2
    critical = stats.t.isf(level / 2, np.minimum(freedom, 1e6)) * np.sqrt(total)
    error = np.sqrt(rows + part.variance - part.churn)

    def power(value: float) -> float:
        return float(stats.norm.cdf((value - critical) / error).mean())

    return float(brentq(lambda value: power(value) - 0.8, 0.0, 100 * critical.max()))


def check_figures(seeds: int, luck: float, churn: float, repeats: int, rows: float = 1.0) -> Any:
    """Simulate one setting on the level of figures; return its line of the table."""
    random = np.random.default_rng([seeds, round(100 * luck), round(100 * churn)])
    part = SeedPart(2 * (luck + rows * churn), seeds - 1, 2 * rows * churn)
    error = np.sqrt(2 * (rows + luck))
    level = LEVEL / len(PAIRS)
    detectable = Uncertain(0.0, 2 * rows, (part,)).detectable(level)
    held, power = 0, 0
    p, old = [], []
    for _ in range(repeats):
        figures, resampled = draw_figures(random, seeds, luck, churn, rows)
        held += estimate_over_seeds(figures[0], resampled[0]).p >= LEVEL  # the truth is 0
        found = [
            difference_over_seeds(figures[a], figures[b], resampled[a], resampled[b], paired=True)
            for a, b in PAIRS
        ]
        p.append([one.p for one in found])
        old.append([satterthwaite_p(one) for one in found])
        true = Uncertain(found[0].value + detectable, found[0].rows, found[0].seeds)
        power += true.p < level
    return {
        "seeds": seeds,
        "rows": rows,
        "churn": churn,
        "luck": luck,
        "coverage": held / repeats,
        **_count_false(p),
        "power": power / repeats,
        "detectable": detectable / error,
        "satterthwaite": {
            **_count_false(old),
            "detectable": satterthwaite_detectable(2 * rows, part, level) / error,
        },
    }


def _count_false(p: list[list[float]]) -> dict[str, float]:
    return {
        "size": float((np.array(p)[:, 0] < LEVEL).mean()),
        "family": float(np.mean([holm(run).min() < LEVEL for run in p])),
    }


def draw_decisions(
    random: np.random.Generator, seeds: int, luck: float
) -> tuple[Flags, dict[str, dict[int, Flags]]]:
    """Return the truth of 2,000 rows and what equally good arms decide on them.

    A model is right where skill, luck of the seed, ease of the row, taste of the arm and noise of
    its own sum to more than 0; where it is wrong, it takes a label at random.

    Args:
        random: where they are drawn from.
        seeds: of each arm.
        luck: its standard deviation, where that of ease and noise is 1.
    """
    labels = np.arange(len(LABEL_SHARES))
    truth = random.choice(labels, ROWS, p=LABEL_SHARES)
    ease = random.normal(size=ROWS)
    decisions: dict[str, dict[int, Flags]] = {}
    for arm in range(ARMS):
        taste = TASTE * random.normal(size=ROWS)
        decisions[f"arm-{arm}"] = {}
        for seed in range(seeds):
            reached = SKILL + luck * random.normal() + ease + taste + random.normal(size=ROWS)
            wrong = (truth + random.integers(1, len(labels), ROWS)) % len(labels)
            chosen = np.where(reached > 0, truth, wrong)
            decisions[f"arm-{arm}"][seed] = chosen[:, None] == labels
    return truth[:, None] == labels, decisions


def true_accuracy(luck: float) -> float:
    """Return the accuracy of these arms over all rows and seeds."""
    return float(stats.norm.cdf(SKILL / np.sqrt(2 + TASTE**2 + luck**2)))


def check_decisions(seeds: int, luck: float, repeats: int, metric: str = "f1_macro") -> Any:
    """Simulate one setting on the level of decisions; return its line of the table."""
    random = np.random.default_rng([seeds, round(100 * luck)])
    held, p, old, parts = 0, [], [], []
    for _ in range(repeats):
        truth, decisions = draw_decisions(random, seeds, luck)
        arms = [*resample_arms(truth, decisions, DRAWS).values()]
        own = arms[0].estimate(METRICS[0])
        held += Uncertain(own.value - true_accuracy(luck), own.rows, own.seeds).p >= LEVEL
        found = [arms[a].subtract(arms[b], metric) for a, b in PAIRS]
        p.append([arms[0].describe(one).p for one in found])
        old.append([satterthwaite_p(one) for one in found])
        parts += [(one.rows, one.seeds[0].churn, one.seeds[0].variance) for one in found]
    rows, churn, variance = np.mean(parts, axis=0)
    return {
        "seeds": seeds,
        "luck": luck,
        "error_in_points": 100 * float(np.sqrt(rows + max(variance - churn, 0))),
        "churn_of_rows": float(churn / rows),
        "luck_of_rows": float(max(variance - churn, 0) / rows),
        "coverage": held / repeats,
        **_count_false(p),
        "satterthwaite": _count_false(old),
    }


def figure_settings(repeats: int) -> Iterator[Any]:
    """Yield the lines of the table of figures."""
    for seeds in (3, 5):
        for churn in (0.0, 0.5, 1.0):
            for luck in (0.0, 0.1, 0.3, 1.0, 3.0, 10.0):
                yield check_figures(seeds, luck, churn, repeats)
        yield check_figures(seeds, 1.0, 0.0, repeats, rows=0.0)


def decision_settings(repeats: int) -> Iterator[Any]:
    """Yield the lines of the table of decisions."""
    for seeds in (3, 5):
        for luck in (0.0, 0.02, 0.05, 0.2):
            yield check_decisions(seeds, luck, repeats)


def main() -> None:
    """Simulate, print a line for each setting, and save them all if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("level", choices=["figures", "decisions"])
    parser.add_argument("--repeats", type=int, help="runs for each setting")
    parser.add_argument("--save", type=Path, help="write the lines to this JSON file")
    options = parser.parse_args()

    settings = figure_settings if options.level == "figures" else decision_settings
    repeats = options.repeats or (10_000 if options.level == "figures" else 1000)
    lines = []
    for line in settings(repeats):
        lines.append(json.loads(json.dumps(line), parse_float=lambda text: round(float(text), 4)))
        print(json.dumps(lines[-1]), flush=True)
    if options.save:
        record = {"repeats": repeats, "settings": lines}
        record |= {"environment": describe_environment("fp32")}
        write_atomic(options.save, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
