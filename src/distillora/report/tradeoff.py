"""Scatter panels of quality against cost whose labels do not cover each other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import altair as alt

from distillora.report.summary import ArmSummary, Reader, f1_on_test, latency, model_bytes
from distillora.report.theme import arm_scales

_WIDTH, _HEIGHT = 225, 250
_LINE = 15  # pixels from one label to the next

_COSTS: tuple[tuple[str, Reader], ...] = (
    ("Latency of one text (ms)", latency),
    ("Model on disk (MB)", lambda run: model_bytes(run) / 1e6),
    ("Training time (minutes)", lambda run: run.cost.training_seconds / 60),
)


def tradeoff_panels(arms: Sequence[ArmSummary]) -> alt.Chart:
    """Draw weighted F1 on test against each cost, a panel each, with the arms' names as labels."""
    quality = [arm.mean(f1_on_test) for arm in arms]
    room = max((max(quality) - min(quality)) * 0.25, 0.01)
    domain = (min(quality) - room, max(quality) + room)
    panels = [
        _panel(arms, title, read, domain, first=number == 0)
        for number, (title, read) in enumerate(_COSTS)
    ]
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
    arms: Sequence[ArmSummary], title: str, read: Reader, domain: tuple[float, float], first: bool
) -> alt.Chart:
    names = [arm.name for arm in arms]
    rows = _rows(arms, read, domain)
    most = max(row["cost"] for row in rows) or 1
    colours, shapes = arm_scales(names)
    x = alt.X("cost:Q", title=title, scale=alt.Scale(domain=[0, most * 1.12], nice=False),
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
    """Write names to the right of points in the left half, and to the left of the others."""
    y = alt.Y("label_f1:Q", scale=scale)
    return [
        base.mark_text(align=align, dx=dx, fontSize=12, fontWeight=600)
        .encode(y=y, text="arm:N")
        .transform_filter(f"datum.left == {str(left).lower()}")
        for left, align, dx in ((True, "left", 10), (False, "right", -10))
    ]


def _rows(
    arms: Sequence[ArmSummary], read: Reader, domain: tuple[float, float]
) -> list[dict[str, Any]]:
    costs = [arm.mean(read) for arm in arms]
    quality = [arm.mean(f1_on_test) for arm in arms]
    gap = _LINE * (domain[1] - domain[0]) / _HEIGHT
    middle = max(costs) * 0.56
    rows = []
    for left in (True, False):
        own = [i for i, cost in enumerate(costs) if (cost <= middle) is left]
        heights = spread_apart([quality[i] for i in own], gap)
        rows += [
            {"arm": arms[i].name, "cost": costs[i], "f1": quality[i], "label_f1": h, "left": left}
            for i, h in zip(own, heights, strict=True)
        ]
    return rows
