"""The part of ``results.json`` that says how sure its comparisons are."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class EvidenceRecord(BaseModel):
    """A frozen part of the evidence; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Estimate(EvidenceRecord):
    """A figure on test over an arm's seeds.

    Attributes:
        mean, deviation: over the seeds; the sample standard deviation is None for a single one.
        low, high: the 95 % interval, which covers test rows and, from two seeds on, seeds.
    """

    mean: float
    deviation: float | None
    low: float
    high: float


class Difference(EvidenceRecord):
    """How much a figure of one arm exceeds another's: 95 % interval and two-sided p-values.

    ``p_holm`` is corrected for all pairs of arms.
    """

    mean: float
    low: float
    high: float
    p: float
    p_holm: float


class ArmEvidence(EvidenceRecord):
    """One arm: its seeds, and an estimate for each metric."""

    name: str
    seeds: tuple[int, ...]
    metrics: dict[str, Estimate]


class PairEvidence(EvidenceRecord):
    """``first`` minus ``second``, for each metric, and McNemar's test of the accuracies."""

    first: str
    second: str
    differences: dict[str, Difference]
    mcnemar: float
    mcnemar_holm: float


class Evidence(EvidenceRecord):
    """All comparisons of a run on the test split, at the arms' own thresholds.

    Attributes:
        headline: the metric that the verdict goes by.
        level: of the intervals.
        resamples: bootstrap draws of the test rows.
        arms: in the recipe's order.
        pairs: each two arms once, ``first`` before ``second`` in that order.
    """

    headline: str
    level: float
    resamples: int
    arms: tuple[ArmEvidence, ...]
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
