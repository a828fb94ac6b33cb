"""The tables and the chart of how sure a run's comparisons are."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from distillora.evaluation.evidence import ArmEvidence, Difference, Estimate, Evidence, PairEvidence
from distillora.report import formats
from distillora.report.blocks import MISSING, Block, Cell, Figure, Table, Text
from distillora.report.standing import METRIC_NAMES, SIGNIFICANT, metric_title
from distillora.report.theme import arm_scales, colour, draw

_ROW = 30  # pixels for an arm


def evidence_blocks(evidence: Evidence | None) -> list[Block]:
    """Return what the report says of intervals, and of all pairs where there are two arms."""
    if evidence is None:
        return []
    blocks: list[Block] = [Text(_explain(evidence)), interval_figure(evidence)]
    blocks.append(interval_table(evidence))
    if evidence.pairs:
        blocks += [beats_table(evidence), pairs_table(evidence)]
    return blocks


def _explain(evidence: Evidence) -> str:
    sentences = [
        f"Intervals are {evidence.level:.0%} and cover {_tell_cover(evidence)}.",
        f"They come from {evidence.resamples:,} paired bootstrap draws of the test texts, the same "
        "draws for every arm",
    ]
    if any(len(arm.seeds) > 1 for arm in evidence.arms):
        sentences[-1] += (
            ", and from the variance between seeds, with Student’s t at Satterthwaite’s degrees "
            "of freedom"
        )
    sentences[-1] += "."
    if evidence.pairs:
        over = f" and corrected by Holm over all {len(evidence.pairs)} pairs of arms"
        sentences.append(f"p-values are two-sided{over if len(evidence.pairs) > 1 else ''}.")
    return " ".join(sentences)


def _tell_cover(evidence: Evidence) -> str:
    several = [len(arm.seeds) > 1 for arm in evidence.arms]
    if all(several):
        return "both the test texts and the seeds: another set of texts of this size, other seeds"
    if any(several):
        return (
            "the test texts, and the seeds of those arms that have several; of an arm with one "
            "seed, nothing is known of what another would give"
        )
    return "the test texts alone: with one seed, nothing is known of what another would give"


def interval_table(evidence: Evidence) -> Table:
    """Return mean, deviation and interval of every metric, an arm a row."""
    header = ("Arm", "Seeds", *map(metric_title, METRIC_NAMES))
    rows = tuple(
        (
            Cell(arm.name),
            Cell(str(len(arm.seeds))),
            *(_estimate_cell(arm.metrics[metric]) for metric in METRIC_NAMES),
        )
        for arm in evidence.arms
    )
    deviation = any(len(arm.seeds) > 1 for arm in evidence.arms)
    spread = "± standard deviation over the seeds, and " if deviation else ""
    note = f"Under each mean: {spread}the {evidence.level:.0%} interval."
    return Table("Figures on test with their intervals", header, rows, note)


def _estimate_cell(estimate: Estimate) -> Cell:
    interval = f"{formats.ratio(estimate.low)}–{formats.ratio(estimate.high)}"
    if estimate.deviation is None:
        return Cell(formats.ratio(estimate.mean), interval)
    return Cell(formats.ratio(estimate.mean), f"± {formats.ratio(estimate.deviation)},\n{interval}")


def beats_table(evidence: Evidence) -> Table:
    """Return the matrix of which arm beats which, in points of the headline metric."""
    names = [arm.name for arm in evidence.arms]
    rows = tuple(
        (Cell(row), *(_beats_cell(evidence, row, column) for column in names)) for row in names
    )
    metric = METRIC_NAMES[evidence.headline]
    note = (
        f"Points of {metric} by which the arm of the row exceeds the arm of the column, and the "
        f"corrected p. Marked: the row’s arm beats the column’s, at a corrected p below "
        f"{SIGNIFICANT}. Where neither of two fields is marked, no difference is shown."
    )
    return Table(f"Which arm beats which in {metric}", ("", *names), rows, note, mark="beats")


def _beats_cell(evidence: Evidence, row: str, column: str) -> Cell:
    if row == column:
        return Cell(MISSING)
    found = evidence.difference(row, column)
    beats = found.mean > 0 and found.p < SIGNIFICANT
    return Cell(formats.points(found.mean), _p(found.p), best=beats)


def pairs_table(evidence: Evidence) -> Table:
    """Return every pair with every metric's difference, and McNemar's test."""
    header = (
        "Pair",
        *map(metric_title, METRIC_NAMES),
        "McNemar, corrected",
    )
    rows = tuple(
        (
            Cell(f"{pair.first} − {pair.second}"),
            *(_difference_cell(pair.differences[metric]) for metric in METRIC_NAMES),
            _mcnemar_cell(pair),
        )
        for pair in evidence.pairs
    )
    note = (
        "In points, with 95% interval and corrected p; marked where that is below "
        f"{SIGNIFICANT}. McNemar’s test compares the accuracies on these texts, and does not cover "
        "the seeds."
    )
    return Table("All pairs, all metrics", header, rows, note, folded=True, mark="shown")


def _difference_cell(found: Difference) -> Cell:
    low, high = formats.points(found.low), formats.points(found.high)
    detail = f"{low} to {high},\n{_p(found.p)}"
    return Cell(formats.points(found.mean), detail, best=found.p < SIGNIFICANT)


def _mcnemar_cell(pair: PairEvidence) -> Cell:
    return Cell(_p(pair.mcnemar), best=pair.mcnemar < SIGNIFICANT)


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def interval_figure(evidence: Evidence) -> Figure:
    """Draw the headline metric of each arm with its interval."""
    metric = METRIC_NAMES[evidence.headline]
    told = "; ".join(
        f"{arm.name} {formats.ratio(e.mean)} ({formats.ratio(e.low)} to {formats.ratio(e.high)})"
        for arm in evidence.arms
        if (e := arm.metrics[evidence.headline])
    )
    return Figure(
        "intervals",
        f"{metric_title(evidence.headline)} on test, with 95% intervals",
        f"Dot chart with error bars of {metric} on test. {told}.",
        draw(_interval_chart(evidence.arms, evidence.headline)),
        "Overlapping bars do not mean that two arms are alike: they erred on the same texts. "
        "The table of pairs below compares them text by text."
        if evidence.pairs
        else "",
    )


def _interval_chart(arms: Sequence[ArmEvidence], metric: str) -> alt.Chart:
    names = [arm.name for arm in arms]
    rows = [
        {"arm": arm.name, "mean": e.mean, "low": e.low, "high": e.high}
        for arm in arms
        if (e := arm.metrics[metric])
    ]
    ends = [end for arm in arms for end in (arm.metrics[metric].low, arm.metrics[metric].high)]
    scale = alt.Scale(domain=[min(ends), max(ends)], padding=16, nice=False)
    colours, shapes = arm_scales(names)
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("arm:N", sort=names, title=None, axis=alt.Axis(ticks=False, labelPadding=8)),
        color=alt.Color("arm:N", scale=colours, legend=None),
    )
    title = metric_title(metric)
    bars = base.mark_rule(strokeWidth=3, opacity=0.55).encode(
        x=alt.X("low:Q", scale=scale, title=title, axis=alt.Axis(format=".3f", tickCount=6)),
        x2="high:Q",
    )
    dots = base.mark_point(filled=True, size=110, opacity=1).encode(
        x=alt.X("mean:Q", scale=scale), shape=alt.Shape("arm:N", scale=shapes, legend=None)
    )
    words = base.mark_text(dy=-11, fontSize=11, color=colour("muted")).encode(
        x=alt.X("mean:Q", scale=scale),
        text=alt.Text("mean:Q", format=".4f"),
        color=alt.value(colour("muted")),
    )
    return (bars + dots + words).properties(width=560, height=_ROW * len(names) + 14)
