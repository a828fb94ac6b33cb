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
    seeds. Those contrasts are one family, whatever their metric. A contrast with too few seeds can
    never be shown: it is described, but not tested, and makes no other one harder to show. The
    chance that the run shows any false difference stays below 0.05, for how many seeds an arm has
    is settled before anything is measured.

    Args:
        contrasts: in the recipe's order.
        arms: every arm that they name.
        headline: the metric of those that leave it to us.
    """
    family = sum(_has_enough_seeds(contrast, arms) for contrast in contrasts)
    return correct_family([_test(contrast, arms, headline, family) for contrast in contrasts])


def correct_family(found: Sequence[ContrastEvidence]) -> tuple[ContrastEvidence, ...]:
    """Correct the p-values of contrasts for one another, and say which differences are shown.

    Only those with enough seeds, which have a ``detectable`` difference; the others get no
    ``p_holm``.
    """
    tested = [i for i, one in enumerate(found) if one.detectable is not None]
    corrected = dict(zip(tested, holm([found[i].difference.p for i in tested]), strict=True))
    return tuple(
        one.model_copy(update={"p_holm": float(p), "shown": bool(p < SIGNIFICANT)})
        if (p := corrected.get(i)) is not None
        else one.model_copy(update={"p_holm": None, "shown": False})
        for i, one in enumerate(found)
    )


def _has_enough_seeds(contrast: Contrast, arms: Mapping[str, Measured]) -> bool:
    return arms[contrast.first].enough_seeds and arms[contrast.second].enough_seeds


def _test(
    contrast: Contrast, arms: Mapping[str, Measured], headline: str, family: int
) -> ContrastEvidence:
    first, second = arms[contrast.first], arms[contrast.second]
    metric = headline if contrast.metric == "auto" else contrast.metric
    found = first.subtract(second, metric)
    difference = first.describe(found)
    return ContrastEvidence(
        question=contrast.question,
        first=contrast.first,
        second=contrast.second,
        metric=metric,
        difference=difference,
        p_holm=None,
        detectable=found.detectable(SIGNIFICANT / family)
        if _has_enough_seeds(contrast, arms)
        else None,
        seeds=(len(first.seeds), len(second.seeds)),
        shown=False,
    )
