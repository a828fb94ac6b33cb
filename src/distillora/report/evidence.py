"""The evidence for a run's comparisons: contrasts, intervals, shares, and exploratory pairs."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from distillora.evaluation.evidence import ArmEvidence, Difference, Estimate, Evidence
from distillora.evaluation.results import Results
from distillora.report import formats
from distillora.report.contrasts import (
    METRIC_NAMES,
    NOTHING_ASKED,
    contrast_table,
    metric_title,
    p_value,
    share_table,
    shared_teachers,
)
from distillora.report.formats import MISSING, Block, Cell, Figure, Table, Text
from distillora.report.theme import arm_scales, colour, draw

_ROW = 30  # pixels for an arm
_EXPLORATORY = (
    "Exploratory: the p-values are raw, without a correction for multiple testing, and nothing "
    "here counts as shown. Put a question that matters into the recipe’s `contrasts`."
)


def evidence_blocks(results: Results) -> list[Block]:
    """Return the blocks about contrasts, intervals, shares and pairs."""
    evidence = results.evidence
    if evidence is None:
        return []
    found = [
        Text(_explain(evidence, _baselines(results))),
        contrast_table(evidence) if evidence.contrasts else Text(NOTHING_ASKED),
        shared_teachers(results),
        interval_figure(evidence),
        interval_table(evidence),
        share_table(evidence),
        *((difference_matrix(evidence), pairs_table(evidence)) if evidence.pairs else ()),
    ]
    return [block for block in found if block is not None]


def _baselines(results: Results) -> set[str]:
    """Return the arms that draw no random numbers, so that the seed does not matter."""
    return {run.name for run in results.arms if run.is_baseline}


def _explain(evidence: Evidence, baselines: set[str]) -> str:
    draws = (
        f"They come from {evidence.resamples:,} paired bootstrap draws of the test texts, the same "
        "draws for every arm"
    )
    if any(len(arm.seeds) > 1 for arm in evidence.arms):
        draws += (
            ", and from the variance between seeds, which is uncertain with few seeds (Behrens "
            "and Fisher’s distribution)"
        )
    return (
        f"Intervals are {evidence.level:.0%} and cover {_tell_cover(evidence, baselines)}. {draws}."
    )


def _tell_cover(evidence: Evidence, baselines: set[str]) -> str:
    several = [len(arm.seeds) > 1 for arm in evidence.arms if arm.name not in baselines]
    if all(several):
        return "both the test texts and the seeds: another set of texts of this size, other seeds"
    if any(several):
        return (
            "the test texts, and the seeds of arms with several; for an arm with one seed, it is "
            "unknown what another seed would give"
        )
    return "the test texts only: with one seed, it is unknown what another seed would give"


def interval_table(evidence: Evidence) -> Table:
    """Return mean, deviation and interval of every metric, one row per arm."""
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


def difference_matrix(evidence: Evidence) -> Table:
    """Return the differences between all arms, in points of the headline metric."""
    names = [arm.name for arm in evidence.arms]
    rows = tuple(
        (Cell(row), *(_matrix_cell(evidence, row, column) for column in names)) for row in names
    )
    metric = METRIC_NAMES[evidence.headline]
    note = (
        f"Points of {metric} by which the arm of the row exceeds the arm of the column, and the "
        f"raw p. {_EXPLORATORY}"
    )
    return Table(f"Exploratory: differences in {metric}", ("", *names), rows, note, folded=True)


def _matrix_cell(evidence: Evidence, row: str, column: str) -> Cell:
    if row == column:
        return Cell(MISSING)
    found = evidence.difference(row, column)
    return Cell(formats.points(found.mean), _raw_p(found.p))


def pairs_table(evidence: Evidence) -> Table:
    """Return every pair with every metric's difference, and McNemar's test."""
    header = ("Pair", *map(metric_title, METRIC_NAMES), "McNemar")
    rows = tuple(
        (
            Cell(f"{pair.first} − {pair.second}"),
            *(_difference_cell(pair.differences[metric]) for metric in METRIC_NAMES),
            Cell(_raw_p(pair.mcnemar)),
        )
        for pair in evidence.pairs
    )
    note = (
        f"In points, with the {evidence.level:.0%} interval and the raw p. McNemar’s test compares "
        f"the accuracies on these texts and does not cover the seeds. {_EXPLORATORY}"
    )
    return Table("Exploratory: all pairs, all metrics", header, rows, note, folded=True)


def _difference_cell(found: Difference) -> Cell:
    low, high = formats.points(found.low), formats.points(found.high)
    return Cell(formats.points(found.mean), f"{low} to {high},\n{_raw_p(found.p)}")


def _raw_p(value: float) -> str:
    return f"p {'' if value < 0.001 else '= '}{p_value(value)}"


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
        "Overlapping bars do not mean that there is no difference: all arms were tested on the "
        "same texts, and the tables of differences compare them text by text."
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
