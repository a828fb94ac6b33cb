"""Bring results recorded with schema 1 to schema 2: how every run recorded before was migrated.

    git checkout f9ec74b -- results && python results/migrate.py

Evidence of schema 1 recorded, of each difference, mean, interval and p-value of a t test at
Satterthwaite's degrees of freedom. Interval and p-value together give back the standard error and
the degrees of freedom, and these the two parts of the variance, test rows and seeds. From the parts
come new intervals, raw p-values, and, for the contrasts that the bundled recipe of the run's name
asks today, corrected p-values and detectable differences; its description and the wording of its
questions are taken from there, too. What cannot come back is how much of the
seeds' variance is due to test rows (churn); it is taken as 0, which makes intervals wider and
differences harder to show than predictions would. Shares stay empty: they need the predictions.

The recorded recipes get the defaults that they ran with written out, for these have changed since.
All runs are marked as trained with two jobs: each shared its machine with other trainings, as its
README says, and had recorded at most the one job of the process that scored it. Files of schema 2
are left alone.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

from scipy import stats
from scipy.optimize import brentq

from distillora.evaluation.comparison import SIGNIFICANT, correct_family
from distillora.evaluation.evidence import (
    FEWEST_SEEDS,
    ArmEvidence,
    ContrastEvidence,
    Difference,
    Estimate,
    Evidence,
)
from distillora.evaluation.results import Results
from distillora.evaluation.uncertainty import SeedPart, Uncertain
from distillora.recipe import Contrast, load_recipe, parse_recipe
from distillora.report import write_report


def split_difference(found: Difference, freedom: int | None) -> Uncertain:
    """Give back the variance's parts; ``freedom`` is that of the seeds, None without any."""
    half = max(found.high - found.mean, found.mean - found.low)
    if freedom is None:
        return Uncertain(found.mean, (half / stats.norm.ppf(0.975)) ** 2)
    share = _seed_share(abs(found.mean), half, found.p, freedom)
    return _split(found.mean, half, share, freedom)


def _split(mean: float, half: float, share: float, freedom: int) -> Uncertain:
    satterthwaite = freedom / share**2 if share > 0 else math.inf
    total = (half / _quantile(satterthwaite)) ** 2
    parts = (SeedPart(share * total, freedom),)
    return Uncertain(mean, (1 - share) * total, parts)


def _quantile(freedom: float) -> float:
    return float(stats.t.ppf(0.975, freedom) if math.isfinite(freedom) else stats.norm.ppf(0.975))


def _recorded_p(distance: float, half: float, share: float, freedom: int) -> float:
    satterthwaite = freedom / share**2 if share > 0 else math.inf
    standard = distance / half * _quantile(satterthwaite)
    tail = stats.t.sf(standard, satterthwaite) if share > 0 else stats.norm.sf(standard)
    return float(2 * tail)


def _seed_share(distance: float, half: float, p: float, freedom: int) -> float:
    """Find which share of the variance is the seeds', from the recorded p-value."""
    if distance == 0 or half == 0:
        return 1.0  # cannot be told apart; the careful guess

    def miss(share: float) -> float:
        return math.log(max(_recorded_p(distance, half, share, freedom), 1e-300)) - math.log(
            max(p, 1e-300)
        )

    low, high = miss(1e-6), miss(1.0)
    if low * high > 0:
        return 1e-6 if abs(low) < abs(high) else 1.0
    return float(brentq(miss, 1e-6, 1.0, xtol=1e-12))


def split_estimate(found: Estimate, seeds: int) -> Uncertain:
    """Give back the parts of an arm's own figure, of which the deviation is recorded."""
    half = max(found.high - found.mean, found.mean - found.low)
    if seeds == 1 or found.deviation is None:
        return Uncertain(found.mean, (half / stats.norm.ppf(0.975)) ** 2)
    own, freedom = found.deviation**2 / seeds, seeds - 1
    if own == 0:
        return Uncertain(found.mean, (half / stats.norm.ppf(0.975)) ** 2)

    def miss(share: float) -> float:
        return _quantile(freedom / share**2) * math.sqrt(own / share) - half

    share = 1.0 if miss(1.0) >= 0 else float(brentq(miss, 1e-9, 1.0))
    return Uncertain(found.mean, own / share - own, (SeedPart(own, freedom),))


def renew_difference(found: Uncertain) -> Difference:
    low, high = found.interval()
    return Difference(mean=found.value, low=max(low, -1.0), high=min(high, 1.0), p=found.p)


def renew_arm(arm: ArmEvidence) -> ArmEvidence:
    metrics = {}
    for name, found in arm.metrics.items():
        low, high = split_estimate(found, len(arm.seeds)).interval()
        metrics[name] = found.model_copy(update={"low": max(low, 0.0), "high": min(high, 1.0)})
    return arm.model_copy(update={"metrics": metrics})


class Run:
    """A recorded run and the parts of each of its differences."""

    def __init__(self, results: Results) -> None:
        assert results.evidence is not None
        self.evidence: Evidence = results.evidence
        self.seeds = {arm.name: arm.seeds for arm in self.evidence.arms}
        self.baselines = {r.name for r in results.arms if not r.is_encoder and not r.is_ensemble}

    def parts(self, first: str, second: str, metric: str) -> Uncertain:
        return split_difference(
            self.evidence.difference(first, second, metric), self.freedom(first, second)
        )

    def freedom(self, first: str, second: str) -> int | None:
        counts = sorted({len(self.seeds[first]), len(self.seeds[second])} - {1})
        several = len(counts) > 1 or (counts and 1 not in self.counts(first, second))
        if several and self.seeds[first] != self.seeds[second]:
            raise SystemExit(f"{first}, {second}: two sets of several seeds cannot be split")
        return counts[0] - 1 if counts else None

    def counts(self, first: str, second: str) -> tuple[int, int]:
        return len(self.seeds[first]), len(self.seeds[second])

    def enough(self, name: str) -> bool:
        return name in self.baselines or len(self.seeds[name]) >= FEWEST_SEEDS

    def answer(self, contrasts: tuple[Contrast, ...]) -> tuple[ContrastEvidence, ...]:
        family = sum(self.enough(c.first) and self.enough(c.second) for c in contrasts)
        return correct_family([self.test(contrast, family) for contrast in contrasts])

    def test(self, contrast: Contrast, family: int) -> ContrastEvidence:
        first, second = contrast.first, contrast.second
        metric = self.evidence.headline if contrast.metric == "auto" else contrast.metric
        found = self.parts(first, second, metric)
        difference = renew_difference(found)
        enough = self.enough(first) and self.enough(second)
        return ContrastEvidence(
            question=contrast.question,
            first=first,
            second=second,
            metric=metric,
            difference=difference,
            p_holm=None,
            detectable=found.detectable(SIGNIFICANT / family) if enough else None,
            seeds=self.counts(first, second),
            shown=False,
        )


def migrate(results: Results) -> Results:
    run = Run(results)
    recipe = load_recipe(str(results.recipe["name"]))
    asked = tuple(c for c in recipe.contrasts if {c.first, c.second} <= set(run.seeds))
    for left_out in set(recipe.contrasts) - set(asked):
        print(f"  left out, for the run has no such arm: {left_out.first} - {left_out.second}")
    pairs = tuple(
        pair.model_copy(
            update={
                "differences": {
                    metric: renew_difference(run.parts(pair.first, pair.second, metric))
                    for metric in pair.differences
                }
            }
        )
        for pair in run.evidence.pairs
    )
    evidence = run.evidence.model_copy(
        update={
            "arms": tuple(renew_arm(arm) for arm in run.evidence.arms),
            "contrasts": run.answer(asked),
            "pairs": pairs,
        }
    )
    named = {
        "description": recipe.description,
        "contrasts": [c.model_dump(mode="json") for c in asked],
    }
    return results.model_copy(update={"recipe": results.recipe | named, "evidence": evidence})


def to_schema_2(path: Path) -> Results:
    """Read results of schema 1, with the defaults of their time written out."""
    values = json.loads(path.read_text("utf-8"))
    values["schema_version"] = 2
    evidence = values.get("evidence") or {"pairs": ()}
    for pair in evidence["pairs"]:  # corrected over all pairs, which are exploration now
        del pair["mcnemar_holm"]
        for difference in pair["differences"].values():
            del difference["p_holm"]
    recipe = values["recipe"]
    recipe["training"].setdefault("head_learning_rate", None)
    for arm in recipe["arms"].values():
        arm["training"].setdefault("head_learning_rate", None)
        arm["init"].setdefault("output_bias", "zero")
        if arm["tuning"]["method"] == "lora":
            arm["tuning"].setdefault("targets", "auto")
    values["recipe"] = parse_recipe(recipe).model_dump(mode="json")
    values["environment"]["jobs"] = 2
    return Results.model_validate(values)


def main() -> None:
    """Migrate every recorded run that needs it, and write its report anew."""
    for path in sorted(Path(__file__).parent.glob("*/results.json")):
        if json.loads(path.read_text("utf-8"))["schema_version"] != 1:
            continue
        results = to_schema_2(path)
        if results.evidence is not None:
            results = migrate(results)
        path.write_text(results.model_dump_json(indent=1), "utf-8")
        (path.parent / "recipe.yaml").write_text(parse_recipe(results.recipe).dump(), "utf-8")
        write_report(path.parent)


if __name__ == "__main__":
    main()
