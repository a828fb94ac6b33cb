"""The contrasts of a recipe, and checks that a run could answer them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pydantic import Field

from distillora.errors import did_you_mean
from distillora.recipe.sections import Init, Settings


class Contrast(Settings):
    """A question that the recipe asks: does ``first`` exceed ``second`` in ``metric`` on test?

    Attributes:
        question: in words, ending in a question mark.
        metric: by default the headline metric: weighted F1, for multi-label macro F1.
    """

    question: str = Field(min_length=1)
    first: str
    second: str
    metric: Literal["auto", "accuracy", "f1_weighted", "f1_macro", "f1_micro"] = "auto"


def check_contrasts(contrasts: Sequence[Contrast], arms: Mapping[str, Init]) -> None:
    """Refuse contrasts that name no arm, are asked twice, or cannot be answered with any seeds.

    Args:
        contrasts: in the recipe's order.
        arms: what each arm starts from.

    Raises:
        ValueError: naming the key.
    """
    asked: set[tuple[frozenset[str], str]] = set()
    for i, contrast in enumerate(contrasts):
        for key, arm in (("first", contrast.first), ("second", contrast.second)):
            if arm not in arms:
                raise ValueError(
                    f"contrasts.{i}.{key}: no arm is named '{arm}'.{_suggest(arm, arms)}"
                )
            if arms[arm].ensemble is not None and arms[arm].ensemble_seeds == "all":
                raise ValueError(f"contrasts.{i}.{key}: {_tell_single_score(arm, arms[arm])}")
        if contrast.first == contrast.second:
            raise ValueError(f"contrasts.{i}: '{contrast.first}' is contrasted with itself")
        what = (frozenset((contrast.first, contrast.second)), contrast.metric)
        if what in asked:
            raise ValueError(
                f"contrasts.{i}: '{contrast.first}' and '{contrast.second}' are contrasted "
                "twice; each question counts once in the correction"
            )
        asked.add(what)


def _tell_single_score(name: str, init: Init) -> str:
    reason = (
        f"'{name}' is an ensemble of all seeds, which has one score in the whole run, so no "
        "difference from it could be shown"
    )
    if init.ensemble is not None and len(init.ensemble) > 1:
        return f"{reason}; set arms.{name}.init.ensemble_seeds to own, which has one for each seed"
    return f"{reason}; leave the contrast out: the report has the difference, as exploratory"


def _suggest(name: str, arms: Iterable[str]) -> str:
    made = [arm for arm in arms if arm.startswith(f"{name}-")]
    if made:
        return f" Its grid makes arms; name one of them: {', '.join(made)}."
    return did_you_mean(name, arms)
