"""What students keep of their teachers' score, and which students are not independent."""

from __future__ import annotations

from collections import Counter

from distillora.evaluation.evidence import Evidence, ShareEvidence
from distillora.evaluation.results import Results
from distillora.evaluation.shares import teachers_of
from distillora.report import formats
from distillora.report.blocks import Cell, Table, Text
from distillora.report.contrasts import METRIC_NAMES
from distillora.report.summary import ArmSummary, summarise


def share_table(evidence: Evidence) -> Table | None:
    """Return each student's share of its teachers' score; None where no arm was taught."""
    if not evidence.shares:
        return None
    metric = METRIC_NAMES[evidence.headline]
    header = ("Student", "Taught by", f"Teachers’ {metric}", f"Student’s {metric}", "Share")
    rows = tuple(_share_row(share, evidence) for share in evidence.shares)
    note = (
        "Share: the student’s score over that of the mean of its teachers’ logits, mean over the "
        "student’s seeds, with the 95% interval of the ratio. Where teachers teach all seeds of a "
        "student it covers the test texts and the student’s seeds, and not what other teachers "
        "would give."
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
    """Name the arms whose seeds share a teacher, and so are not independent of it."""
    sharing = [arm for arm in summarise(results) if _shares_teacher(arm)]
    if not sharing:
        return None
    arms = formats.name_list([f"‘{arm.name}’" for arm in sharing])
    teachers = dict.fromkeys(name for arm in sharing for name in arm.first.teachers)
    several = "arms’" if len(sharing) > 1 else "arm’s"
    return Text(
        f"The seeds of {arms} learnt from the same models of "
        f"{formats.name_list([f'‘{name}’' for name in teachers])}, so they are not independent of "
        f"them: the spread over these {several} seeds leaves out what other teachers would change. "
        "With `teacher_seeds: own`, and teachers trained at every seed, each seed has its own."
    )


def _shares_teacher(arm: ArmSummary) -> bool:
    if any(len(run.teacher_seeds) > 1 for run in arm.runs):
        return True
    taught = Counter(model for run in arm.runs for model in set(teachers_of(run)))
    return any(count > 1 for count in taught.values())
