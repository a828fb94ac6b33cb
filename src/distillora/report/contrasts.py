"""The contrasts of a recipe and their answers, in a table and in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from distillora.evaluation.evidence import (
    FEWEST_SEEDS,
    ContrastEvidence,
    Difference,
    Evidence,
    ShareEvidence,
)
from distillora.evaluation.results import Results
from distillora.evaluation.shares import teachers_of
from distillora.report import formats
from distillora.report.formats import MISSING, Cell, Table, Text
from distillora.report.summary import ArmSummary, summarise

METRIC_NAMES = {
    "accuracy": "accuracy",
    "f1_weighted": "weighted F1",
    "f1_macro": "macro F1",
    "f1_micro": "micro F1",
}

TELLING = 0.02
"""The largest minimum detectable difference with which "not shown" is informative: 2 points, which
is more than most choices between small models depend on."""

_MOST_DETAILED = 3

NOTHING_ASKED = "The recipe names no contrasts, so no difference is tested."
ONE_SEED = (
    "With one seed, the intervals cover only the test texts, so no difference is called shown: "
    f"that takes {FEWEST_SEEDS} seeds."
)


def metric_title(metric: str) -> str:
    """Write a metric's name as a heading.

    >>> metric_title("f1_macro")
    'Macro F1'
    """
    name = METRIC_NAMES[metric]
    return name[0].upper() + name[1:]


def contrast_table(evidence: Evidence) -> Table:
    """Return the recipe's questions and their answers, one contrast per row."""
    header = ("Contrast", "Question", "Difference", "p", "p, corrected", "Detectable", "Answer")
    rows = tuple(_contrast_row(found, evidence.headline) for found in evidence.contrasts)
    return Table(
        "The questions of the recipe", header, rows, _explain(evidence), words=True, mark="shown"
    )


def _explain(evidence: Evidence) -> str:
    return (
        f"Difference: first minus second, in points of {METRIC_NAMES[evidence.headline]} unless "
        f"another metric is named, with its {evidence.level:.0%} interval. p-values are two-sided"
        f"{_tell_family(evidence)} Shown: a corrected p below 0.05, with "
        f"{FEWEST_SEEDS} seeds or more on both sides; a baseline draws no random numbers, so one "
        "is enough. Detectable: the smallest true difference, in points, that 80% of such runs "
        "would show, based on the variances measured here."
    )


def _tell_family(evidence: Evidence) -> str:
    """Continue "p-values are two-sided" with the contrasts that the correction covers."""
    asked = len(evidence.contrasts)
    tested = sum(found.p_holm is not None for found in evidence.contrasts)
    if tested == 0:
        return " and not corrected: with so few seeds, no contrast is tested."
    if tested == asked:
        over = f" over these {asked} contrasts" if asked > 1 else ""
        return f" and corrected by Holm’s method{over}."
    which = f"the {tested} contrasts that have" if tested > 1 else "the one contrast that has"
    return (
        f" and corrected by Holm’s method over {which} enough seeds. The others are not tested: "
        "they cannot be shown and do not affect the correction."
    )


def _contrast_row(found: ContrastEvidence, headline: str) -> tuple[Cell, ...]:
    difference = found.difference
    low, high = formats.points(difference.low), formats.points(difference.high)
    metric = "" if found.metric == headline else METRIC_NAMES[found.metric]
    return (
        Cell(f"{found.first} − {found.second}", metric),
        Cell(found.question),
        Cell(formats.points(difference.mean), f"{low} to {high}", best=found.shown),
        Cell(p_value(difference.p)),
        Cell(MISSING if found.p_holm is None else p_value(found.p_holm)),
        Cell(
            MISSING
            if found.detectable is None or found.same
            else formats.least_points(found.detectable)
        ),
        Cell(answer(found)),
    )


def answer(found: ContrastEvidence) -> str:
    """Return what a contrast shows, or what it could have shown."""
    if found.same:
        same = "Nothing differs: both score the same on every draw of the test texts."
        return same if min(found.seeds) >= FEWEST_SEEDS else f"{same} {_too_few_seeds(found)}"
    if found.detectable is None:
        return _too_few_seeds(found)
    if found.shown:
        higher, lower = (
            (found.first, found.second)
            if found.difference.mean > 0
            else (found.second, found.first)
        )
        return f"Shown: ‘{higher}’ scores higher than ‘{lower}’."
    points = f"{formats.least_points(found.detectable)} points"
    if found.detectable <= TELLING:
        return (
            f"Not shown: a difference of {points} or more would have been shown in 80% of such "
            "runs."
        )
    return (
        f"This run could not tell: only differences above {points} would have been shown in 80% "
        "of such runs."
    )


def _too_few_seeds(found: ContrastEvidence) -> str:
    if found.seeds == (1, 1):
        return "One seed: the interval covers only the test texts."
    few = [
        f"{seeds} of ‘{name}’"
        for name, seeds in zip((found.first, found.second), found.seeds, strict=True)
        if seeds < FEWEST_SEEDS
    ]
    told = f"Too few seeds: {formats.name_list(few)}; {FEWEST_SEEDS} are needed."
    if len(few) > 1 or 1 not in found.seeds:  # next to an arm with two, one may be a baseline's
        return told
    single = (found.first, found.second)[found.seeds.index(1)]
    return f"{told} The interval does not cover other seeds of ‘{single}’."


def tell_contrasts(evidence: Evidence, names: Sequence[str]) -> str:
    """Summarise the contrasts that involve certain arms."""
    if not evidence.contrasts:
        return NOTHING_ASKED
    if all(len(arm.seeds) == 1 for arm in evidence.arms):
        return ONE_SEED
    about = [found for found in evidence.contrasts if {found.first, found.second} & set(names)]
    if not about:
        arms = formats.name_list([f"‘{name}’" for name in names])
        return f"None of the recipe’s contrasts involves {arms}."
    shown = [_tell_shown(found) for found in about if found.shown]
    same = [found for found in about if found.same]
    others = [found for found in about if not found.shown and not found.same]
    told = [*shown, _tell_not_shown(others), _tell_same(same)]
    return " ".join(filter(None, told))


def _tell_shown(found: ContrastEvidence) -> str:
    if found.difference.mean < 0:
        first, second, difference = found.second, found.first, _turn(found.difference)
    else:
        first, second, difference = found.first, found.second, found.difference
    return (
        f"Shown: ‘{first}’ has a higher {METRIC_NAMES[found.metric]} than ‘{second}’ "
        f"({tell_interval(difference)})."
    )


def _turn(found: Difference) -> Difference:
    return Difference(mean=-found.mean, low=-found.high, high=-found.low, p=found.p)


def _tell_same(contrasts: Sequence[ContrastEvidence]) -> str:
    told = [
        f"between ‘{found.first}’ and ‘{found.second}’ in {METRIC_NAMES[found.metric]}"
        for found in contrasts
    ]
    return f"Nothing differs {formats.name_list(told)}." if told else ""


def _tell_not_shown(contrasts: Sequence[ContrastEvidence]) -> str:
    if not contrasts:
        return ""
    brief = len(contrasts) > _MOST_DETAILED
    told = [
        f"between ‘{found.first}’ and ‘{found.second}’ in {METRIC_NAMES[found.metric]}"
        + ("" if brief else f" ({tell_interval(found.difference)})")
        for found in contrasts
    ]
    return f"No difference is shown {formats.name_list(told)}."


def tell_interval(found: Difference) -> str:
    """Write a difference in points, with its 95 % interval.

    >>> tell_interval(Difference(mean=0.012, low=-0.001, high=0.025, p=0.08))
    '+1.2 points, 95% interval -0.1 to +2.5'
    """
    mean, low, high = (formats.points(value) for value in (found.mean, found.low, found.high))
    return f"{mean} points, 95% interval {low} to {high}"


def p_value(value: float) -> str:
    """Write a p-value with three decimals.

    >>> p_value(0.0312), p_value(0.00004)
    ('0.031', '< 0.001')
    """
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def share_table(evidence: Evidence) -> Table | None:
    """Return each student's share of its teachers' score; None if no arm has a teacher."""
    if not evidence.shares:
        return None
    metric = METRIC_NAMES[evidence.headline]
    header = ("Student", "Taught by", f"Teachers’ {metric}", f"Student’s {metric}", "Share")
    rows = tuple(_share_row(share, evidence) for share in evidence.shares)
    note = (
        "Share: the student’s score divided by that of the mean of its teachers’ logits, averaged "
        "over the student’s seeds, with the 95% interval of the ratio. If the same teachers teach "
        "all seeds of a student, the interval covers the test texts and the student’s seeds, but "
        "not other teachers."
    )
    return Table(f"Share of the teachers’ {metric}", header, rows, note, words=True)


def _share_row(share: ShareEvidence, evidence: Evidence) -> tuple[Cell, ...]:
    own, ratio = evidence.arm(share.student).metrics[share.metric], share.share
    return (
        Cell(share.student),
        Cell("; ".join(share.teachers)),
        Cell(formats.ratio(share.teacher_score)),
        Cell(formats.ratio(own.mean)),
        Cell(f"{ratio.mean:.1%}", f"{ratio.low:.1%} to {ratio.high:.1%}"),
    )


def shared_teachers(results: Results) -> Text | None:
    """Name the arms whose seeds share a teacher, and so are not independent."""
    sharing = [arm for arm in summarise(results) if _shares_teacher(arm)]
    if not sharing:
        return None
    arms = formats.name_list([f"‘{arm.name}’" for arm in sharing])
    teachers = dict.fromkeys(name for arm in sharing for name in arm.first.teachers)
    several = "arms’" if len(sharing) > 1 else "arm’s"
    return Text(
        f"The seeds of {arms} learned from the same models of "
        f"{formats.name_list([f'‘{name}’' for name in teachers])}, so they are not independent: "
        f"the spread over these {several} seeds does not include the variation between teachers. "
        "With `teacher_seeds: own` and teachers trained at every seed, each seed has its own "
        "teacher."
    )


def _shares_teacher(arm: ArmSummary) -> bool:
    if any(len(run.teacher_seeds) > 1 for run in arm.runs):
        return True
    taught = Counter(model for run in arm.runs for model in set(teachers_of(run)))
    return any(count > 1 for count in taught.values())
