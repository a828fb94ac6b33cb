"""Over how many seeds the figures of a report are means, in words."""

from __future__ import annotations

from collections.abc import Sequence

from distillora.report import formats
from distillora.report.summary import ArmSummary


def most_seeds(arms: Sequence[ArmSummary]) -> int:
    """Return how many seeds the arm with the most of them has."""
    return max(len(arm.runs) for arm in arms)


def seed_exceptions(arms: Sequence[ArmSummary]) -> str:
    """Name the arms with fewer seeds than others and say how many; empty if there are none."""
    most = most_seeds(arms)
    fewer = [f"‘{arm.name}’ ({_tell_runs(arm)})" for arm in arms if len(arm.runs) < most]
    return formats.name_list(fewer)


def _tell_runs(arm: ArmSummary) -> str:
    if len(arm.runs) > 1:
        return f"{len(arm.runs)} seeds"
    if arm.first.is_baseline:
        return "fitted once"
    return "scored once" if arm.first.is_ensemble else "one seed"


def tell_seeds(arms: Sequence[ArmSummary]) -> str:
    """Say in a sentence over how many seeds the figures of these arms are means."""
    most, fewer = most_seeds(arms), seed_exceptions(arms)
    if most == 1:
        return "All figures come from one seed: another one may order the arms otherwise."
    exceptions = f", except those of {fewer}" if fewer else ""
    return f"All figures are means over {most} seeds{exceptions}."


def over_seeds(arms: Sequence[ArmSummary]) -> str:
    """Return the end of a caption that says the same; empty if no arm has several seeds."""
    most, fewer = most_seeds(arms), seed_exceptions(arms)
    if most == 1:
        return ""
    exceptions = f"; fewer: {fewer}" if fewer else ""
    return f", mean ± standard deviation over {most} seeds{exceptions}"
