"""The number of seeds behind a report's figures, in words."""

from __future__ import annotations

from collections.abc import Sequence

from distillora.report import formats
from distillora.report.summary import ArmSummary


def most_seeds(arms: Sequence[ArmSummary]) -> int:
    """Return the largest number of seeds of any arm."""
    return max(len(arm.runs) for arm in arms)


def seed_exceptions(arms: Sequence[ArmSummary]) -> str:
    """Name the arms with fewer seeds than others, and their numbers; empty if there are none."""
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
    """Return a sentence about the number of seeds behind the figures of these arms."""
    most, fewer = most_seeds(arms), seed_exceptions(arms)
    if most == 1:
        return "All figures are from one seed; another seed may rank the arms differently."
    exceptions = f", except those of {fewer}" if fewer else ""
    return f"All figures are means over {most} seeds{exceptions}."


def over_seeds(arms: Sequence[ArmSummary]) -> str:
    """Return the same as the end of a caption; empty if no arm has several seeds."""
    most, fewer = most_seeds(arms), seed_exceptions(arms)
    if most == 1:
        return ""
    exceptions = f"; fewer: {fewer}" if fewer else ""
    return f", mean ± standard deviation over {most} seeds{exceptions}"
