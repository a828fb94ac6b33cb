"""How the best arm stands to the others: what the run shows, and what it does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from distillora.evaluation.evidence import Difference, Evidence
from distillora.report import formats
from distillora.report.summary import ArmSummary

SIGNIFICANT = 0.05
METRIC_NAMES = {
    "accuracy": "accuracy",
    "f1_weighted": "weighted F1",
    "f1_macro": "macro F1",
    "f1_micro": "micro F1",
}
_MOST_NAMED = 3


def metric_title(metric: str) -> str:
    """Write a metric's name as a heading.

    >>> metric_title("f1_macro")
    'Macro F1'
    """
    name = METRIC_NAMES[metric]
    return name[0].upper() + name[1:]


@dataclass(frozen=True)
class Standing:
    """The other arms by what the headline metric shows against the best one, in order."""

    metric: str
    worse: tuple[str, ...]
    alike: tuple[str, ...]
    better: tuple[str, ...]
    differences: dict[str, Difference]

    @property
    def others(self) -> int:
        """How many arms the best one was compared with."""
        return len(self.differences)


def stand(best: ArmSummary, rivals: Sequence[ArmSummary], evidence: Evidence) -> Standing:
    """Sort the rivals of an arm by what is shown at a corrected p of 0.05."""
    differences = {
        arm.name: evidence.difference(best.name, arm.name) for arm in rivals if arm is not best
    }
    shown = {name for name, found in differences.items() if found.p < SIGNIFICANT}
    return Standing(
        metric=METRIC_NAMES[evidence.headline],
        worse=tuple(name for name in differences if name in shown and differences[name].mean > 0),
        alike=tuple(name for name in differences if name not in shown),
        better=tuple(name for name in differences if name in shown and differences[name].mean < 0),
        differences=differences,
    )


def tell_standing(best: ArmSummary, standing: Standing) -> str:
    """Say in words what is shown, and what is not."""
    sentences = (
        _tell_alike(best, standing),
        _tell_shown(best, standing, standing.worse, "is better in {} than"),
        _tell_shown(best, standing, standing.better, "turned out worse on test in {} than"),
    )
    return " ".join(filter(None, sentences))


def _tell_alike(best: ArmSummary, standing: Standing) -> str:
    if not standing.alike:
        return ""
    if len(standing.alike) == 1:
        (other,) = standing.alike
        return (
            f"No difference in {standing.metric} is shown between ‘{best.name}’ and ‘{other}’ "
            f"({tell_interval(standing.differences[other])})."
        )
    others = _names(standing, standing.alike)
    return f"No difference in {standing.metric} is shown between ‘{best.name}’ and {others}."


def _tell_shown(best: ArmSummary, standing: Standing, names: Sequence[str], verb: str) -> str:
    if not names:
        return ""
    lead = f"‘{best.name}’ {verb.format(standing.metric)}"
    if len(names) > _MOST_NAMED:
        sizes = sorted(abs(100 * standing.differences[name].mean) for name in names)
        return f"{lead} {_names(standing, names)}, by {sizes[0]:.1f} to {sizes[-1]:.1f} points."
    told = [f"‘{name}’ ({tell_interval(standing.differences[name])})" for name in names]
    return f"{lead} {formats.name_list(told)}."


def _names(standing: Standing, names: Sequence[str]) -> str:
    if len(names) > 2 * _MOST_NAMED:
        which = "all" if len(names) == standing.others else f"{len(names)} of the"
        return f"{which} {standing.others} other arms"
    return f"each of {formats.name_list([f'‘{name}’' for name in names])}"


def tell_interval(found: Difference) -> str:
    """Write a difference in points, with its 95 % interval.

    >>> tell_interval(Difference(mean=0.012, low=-0.001, high=0.025, p=0.08, p_holm=0.16))
    '+1.2 points, 95% interval -0.1 to +2.5'
    """
    mean, low, high = (formats.points(value) for value in (found.mean, found.low, found.high))
    return f"{mean} points, 95% interval {low} to {high}"
