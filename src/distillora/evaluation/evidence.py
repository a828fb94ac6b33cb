"""The part of ``results.json`` about comparisons: intervals, tests, contrasts and shares."""

from __future__ import annotations

from distillora.evaluation.scores import Record

FEWEST_SEEDS = 3
"""A difference is shown only with at least so many seeds on each side."""


class Estimate(Record):
    """A figure on test over an arm's seeds.

    Attributes:
        mean, deviation: over the seeds; the sample standard deviation is None for a single one.
        low, high: the 95 % interval, which covers test rows and, from two seeds on, seeds.
    """

    mean: float
    deviation: float | None
    low: float
    high: float


class Difference(Record):
    """How much a figure of one arm exceeds another's: 95 % interval and two-sided p-value."""

    mean: float
    low: float
    high: float
    p: float


class ContrastEvidence(Record):
    """The answer to one question that the recipe asks: ``first`` minus ``second`` in ``metric``.

    Attributes:
        question: in the recipe's words.
        difference: with its raw p-value.
        p_holm: corrected for all contrasts of the recipe that have enough seeds (Holm 1979); None
            where one side has fewer than ``FEWEST_SEEDS``: such a contrast is not tested.
        detectable: the minimum detectable difference: the smallest true difference that a
            contrast like this shows with a probability of 0.8, at the level that the correction
            leaves it (0.05 over the number of contrasts tested), given the variances measured here.
            0 where nothing differs on any draw of the test rows; None without ``p_holm``.
        seeds: how many seeds each side has; a baseline, which draws no random numbers, counts as
            having enough.
        shown: whether the difference is shown: ``p_holm`` below 0.05, with enough seeds.
    """

    question: str
    first: str
    second: str
    metric: str
    difference: Difference
    p_holm: float | None
    detectable: float | None
    seeds: tuple[int, int]
    shown: bool

    @property
    def same(self) -> bool:
        """Whether both sides score the same, on these test rows and on every draw of them."""
        return self.difference.mean == self.difference.low == self.difference.high == 0


class ShareEvidence(Record):
    """A student's score divided by that of the mean of its teachers' logits.

    Attributes:
        student: the arm.
        teachers: the models that taught each seed, as ``arm, seed n``; those of all seeds.
        metric: whose score.
        teacher_score: of the mean of their logits, mean over the student's seeds.
        share: the ratio, mean over the student's seeds, with its 95 % interval.
    """

    student: str
    teachers: tuple[str, ...]
    metric: str
    teacher_score: float
    share: Estimate


class ArmEvidence(Record):
    """One arm: its seeds, and an estimate for each metric."""

    name: str
    seeds: tuple[int, ...]
    metrics: dict[str, Estimate]


class PairEvidence(Record):
    """``first`` minus ``second``, for each metric, and McNemar's test of the accuracies."""

    first: str
    second: str
    differences: dict[str, Difference]
    mcnemar: float


class Evidence(Record):
    """All comparisons of a run on the test split, at the arms' own thresholds.

    Attributes:
        headline: the metric of the verdict.
        level: of the intervals.
        resamples: bootstrap draws of the test rows.
        arms: in the recipe's order.
        contrasts: the questions that the recipe names, in its order: the one family of tests that
            is corrected.
        shares: of each student, how much of its teachers' score it keeps.
        pairs: each two arms once, ``first`` before ``second`` in the recipe's order. Exploratory:
            their p-values are raw, and nothing is shown by them.
    """

    headline: str
    level: float
    resamples: int
    arms: tuple[ArmEvidence, ...]
    contrasts: tuple[ContrastEvidence, ...] = ()
    shares: tuple[ShareEvidence, ...] = ()
    pairs: tuple[PairEvidence, ...]

    def arm(self, name: str) -> ArmEvidence:
        """Return the evidence on one arm; KeyError if there is no such arm."""
        return {arm.name: arm for arm in self.arms}[name]

    def difference(self, first: str, second: str, metric: str | None = None) -> Difference:
        """Return ``first`` minus ``second`` for a metric, by default the headline's.

        Raises:
            KeyError: there is no such pair, or no such metric.
        """
        key = metric or self.headline
        for pair in self.pairs:
            if (pair.first, pair.second) == (first, second):
                return pair.differences[key]
            if (pair.second, pair.first) == (first, second):
                found = pair.differences[key]
                turned = {"mean": -found.mean, "low": -found.high, "high": -found.low}
                return found.model_copy(update=turned)
        raise KeyError(f"{first}, {second}")
