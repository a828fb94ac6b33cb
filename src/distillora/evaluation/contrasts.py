"""Answers to the questions that a recipe names: the one family of tests that is corrected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from distillora.evaluation.evidence import ContrastEvidence
from distillora.evaluation.measured import Measured
from distillora.evaluation.significance import holm
from distillora.recipe import Contrast

SIGNIFICANT = 0.05


def answer_contrasts(
    contrasts: Sequence[Contrast], arms: Mapping[str, Measured], headline: str
) -> tuple[ContrastEvidence, ...]:
    """Test each contrast of a recipe, corrected for all of them together.

    A difference is shown where its corrected p-value is below 0.05 and both sides have enough
    seeds. All contrasts are one family, whatever their metric.

    Args:
        contrasts: in the recipe's order.
        arms: every arm that they name.
        headline: the metric of those that leave it to us.
    """
    raw = [_test(contrast, arms, headline, len(contrasts)) for contrast in contrasts]
    corrected = holm([found.difference.p for found in raw]).tolist()
    return tuple(
        found.model_copy(
            update={"p_holm": p, "shown": p < SIGNIFICANT and found.detectable is not None}
        )
        for found, p in zip(raw, corrected, strict=True)
    )


def _test(
    contrast: Contrast, arms: Mapping[str, Measured], headline: str, family: int
) -> ContrastEvidence:
    first, second = arms[contrast.first], arms[contrast.second]
    metric = headline if contrast.metric == "auto" else contrast.metric
    found = first.subtract(second, metric)
    difference = first.describe(found)
    enough = first.enough_seeds and second.enough_seeds
    return ContrastEvidence(
        question=contrast.question,
        first=contrast.first,
        second=contrast.second,
        metric=metric,
        difference=difference,
        p_holm=difference.p,
        detectable=found.detectable(SIGNIFICANT / family) if enough else None,
        seeds=(len(first.seeds), len(second.seeds)),
        shown=False,
    )
