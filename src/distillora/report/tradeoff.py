"""Scatter charts of quality against cost, with labels that do not overlap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import altair as alt

from distillora.evaluation.results import Results
from distillora.report import formats
from distillora.report.formats import Figure
from distillora.report.summary import (
    ArmSummary,
    MaybeReader,
    f1_on_test,
    latency,
    model_bytes,
    summarise,
    training_seconds,
)
from distillora.report.theme import arm_scales, draw
from distillora.report.timing import explain_marks, mark, speed_caveat

_WIDTH, _HEIGHT = 225, 250
_LINE = 15  # pixels from one label to the next


@dataclass(frozen=True)
class _Cost:
    """The cost of one panel: title, reader, unit, and which arms have comparable figures."""

    title: str
    read: MaybeReader
    unit: float = 1.0
    compares: Callable[[ArmSummary], bool] = lambda arm: True


_TIME = _Cost("Training time (minutes)", training_seconds, 60, lambda arm: arm.comparable_time)
_COSTS = (
    _Cost("Latency of one text (ms)", latency),
    _Cost("Model on disk (MB)", model_bytes, 1e6),
    _TIME,
)


def tradeoff_figure(results: Results) -> Figure:
    """Draw weighted F1 on test against latency, size and training time.

    An arm without a figure is left out of that panel. Ensembles are left out of all panels.
    """
    arms = [arm for arm in summarise(results) if not arm.first.is_ensemble]
    tuned = any(run.metrics.test.tuned for run in results.arms)
    metric = f"weighted F1{' at tuned thresholds' if tuned else ''}"
    notes = (
        f"{metric[0].upper()}{metric[1:]} on test. Higher is better; further left is cheaper.",
        "Training time does not include the teacher’s.",
        speed_caveat(results),
    )
    return Figure(
        "quality-and-cost",
        "Quality against cost",
        f"Scatter charts of {metric} against cost. {'; '.join(map(_tell, arms))}.",
        draw(_panels(arms)),
        explain_marks(
            " ".join(filter(None, notes)), [row["label"] for row in _points(arms, _TIME)]
        ),
    )


def _tell(arm: ArmSummary) -> str:
    """Describe an arm's quality and its known costs."""
    time, seconds = arm.known(latency), arm.known(training_seconds)
    costs = [
        "" if time is None else f"{formats.short(time)} ms",
        formats.size(arm.mean(model_bytes)),
        "" if seconds is None else f"{formats.clock(seconds)} of training",
    ]
    if seconds is not None and not arm.comparable_time:
        costs[-1] += " (not comparable)"
    return f"{arm.name}: {formats.ratio(arm.mean(f1_on_test))} at {', '.join(filter(None, costs))}"


def _points(arms: Sequence[ArmSummary], cost: _Cost) -> list[dict[str, Any]]:
    return [
        {
            "arm": arm.name,
            "label": mark(arm.name, cost.compares(arm)),
            "cost": known / cost.unit,
            "f1": arm.mean(f1_on_test),
        }
        for arm in arms
        if (known := arm.known(cost.read)) is not None
    ]


def _panels(arms: Sequence[ArmSummary]) -> alt.Chart:
    """Return one panel per known cost, with the names of the arms as labels."""
    quality = [arm.mean(f1_on_test) for arm in arms]
    room = max((max(quality) - min(quality)) * 0.25, 0.01)
    domain = (min(quality) - room, max(quality) + room)
    known = [cost for cost in _COSTS if any(arm.known(cost.read) is not None for arm in arms)]
    panels = [_panel(arms, cost, domain, first=cost is known[0]) for cost in known]
    return alt.hconcat(*panels, spacing=26)


def spread_apart(positions: Sequence[float], gap: float) -> list[float]:
    """Move positions as little as needed, upwards, until neighbours are ``gap`` apart.

    >>> spread_apart([0.0, 1.0, 10.0], gap=4)
    [0.0, 4.0, 10.0]
    """
    moved = list(positions)
    order = sorted(range(len(moved)), key=lambda i: moved[i])
    for below, above in pairwise(order):
        moved[above] = max(moved[above], moved[below] + gap)
    return moved


def _panel(
    arms: Sequence[ArmSummary], cost: _Cost, domain: tuple[float, float], first: bool
) -> alt.Chart:
    rows = _rows(arms, cost, domain)
    most = max(row["cost"] for row in rows) or 1
    # scales of all arms: one that is missing here leaves the colours of the others as they are
    colours, shapes = arm_scales([arm.name for arm in arms])
    x = alt.X("cost:Q", title=cost.title, scale=alt.Scale(domain=[0, most * 1.12], nice=False),
              axis=alt.Axis(tickCount=4))  # fmt: skip
    scale = alt.Scale(domain=list(domain), nice=False)
    axis = alt.Axis(tickCount=6, format=".3f", labels=first, ticks=first)
    y = alt.Y("f1:Q", title="Weighted F1 on test" if first else None, scale=scale, axis=axis)
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=x, color=alt.Color("arm:N", scale=colours, legend=None)
    )
    points = base.mark_point(filled=True, size=110, opacity=1).encode(
        y=y, shape=alt.Shape("arm:N", scale=shapes, legend=None)
    )
    return alt.layer(points, *_labels(base, scale)).properties(width=_WIDTH, height=_HEIGHT)


def _labels(base: alt.Chart, scale: alt.Scale) -> list[alt.Chart]:
    """Put names to the right of points in the left half, and to the left of the others."""
    y = alt.Y("label_f1:Q", scale=scale)
    return [
        base.mark_text(align=align, dx=dx, fontSize=12, fontWeight=600)
        .encode(y=y, text="label:N")
        .transform_filter(f"datum.left == {str(left).lower()}")
        for left, align, dx in ((True, "left", 10), (False, "right", -10))
    ]


def _rows(
    arms: Sequence[ArmSummary], cost: _Cost, domain: tuple[float, float]
) -> list[dict[str, Any]]:
    found = _points(arms, cost)
    gap = _LINE * (domain[1] - domain[0]) / _HEIGHT
    middle = max(row["cost"] for row in found) * 0.56
    rows = []
    for left in (True, False):
        own = [row for row in found if (row["cost"] <= middle) is left]
        heights = spread_apart([row["f1"] for row in own], gap)
        rows += [
            {**row, "label_f1": height, "left": left}
            for row, height in zip(own, heights, strict=True)
        ]
    return rows
