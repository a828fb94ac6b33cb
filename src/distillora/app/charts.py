"""The app's charts and their colours, light and dark.

A chart is drawn once, in the light colours. A style sheet maps each of them to its dark
counterpart, so charts follow the theme of the page. The colours are those of ``report.theme``,
repeated here because the report needs packages that the app does not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from distillora.app.sentiment import mark

FONT = '"Source Sans", sans-serif'

# name -> (light, dark); light colours must be unique, because the style sheet matches on them
COLOURS = {
    "ink": ("#1c2431", "#e6eaf1"),
    "muted": ("#566072", "#a3aebf"),
    "line": ("#e1e5eb", "#2b323d"),
    "accent": ("#2b5fd9", "#7fa8ff"),
    "on-accent": ("#fdfeff", "#0c1220"),
    "model-1": ("#2660d3", "#82abff"),
    "model-2": ("#c2570c", "#ffa35c"),
    "model-3": ("#0b7f63", "#4bd3a8"),
    "model-4": ("#8445bd", "#cb9cf7"),
    "model-5": ("#c12f4a", "#ff8c9b"),
    "model-6": ("#0a7d9c", "#5fcbe6"),
}
_MODELS = [light for name, (light, _) in COLOURS.items() if name.startswith("model-")]
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")


def colour(name: str) -> str:
    """Return a colour by its name, in the light theme."""
    return COLOURS[name][0]


def model_colours(count: int) -> list[str]:
    """Return one colour per model."""
    return [_MODELS[i % len(_MODELS)] for i in range(count)]


def model_shapes(count: int) -> list[str]:
    """Return one point shape per model."""
    return [_SHAPES[i % len(_SHAPES)] for i in range(count)]


def chart_css() -> str:
    """Return the style sheet that maps chart colours to their dark counterparts."""
    rules = [
        f'.stVegaLiteChart [{paint}="{light}"] {{ {paint}: light-dark({light}, {dark}); }}'
        for light, dark in COLOURS.values()
        for paint in ("fill", "stroke")
    ]
    return f"<style>{' '.join(rules)}</style>"


# pixels for axis titles, axis labels and legend, which are part of a chart's height
_AROUND = 120


@dataclass(frozen=True)
class Confusion:
    """A cell of the heat map: the number of texts with a true and a predicted label."""

    true: str
    predicted: str
    texts: int


def confusion_chart(cells: Sequence[Confusion], order: Sequence[str]) -> alt.LayerChart:
    """Draw a heat map of text counts: true labels down, predicted labels across."""
    most = max(cell.texts for cell in cells)
    rows = [
        {"true": mark(c.true), "predicted": mark(c.predicted), "texts": c.texts,
         "kind": "right" if c.true == c.predicted else "error"}
        for c in cells
    ]  # fmt: skip
    scale = alt.Scale(domain=[mark(label) for label in order], paddingInner=0.06)
    side = alt.Axis(ticks=False, domain=False, labelOverlap=False)
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("predicted:N", scale=scale, title="Predicted",
                axis=alt.Axis(**side.to_dict(), labelAngle=-60, orient="top")),
        y=alt.Y("true:N", scale=scale, title="True", axis=side),
        tooltip=["true:N", "predicted:N", "texts:Q", "kind:N"],
    )  # fmt: skip
    fields = base.mark_rect(fill=colour("accent"), cornerRadius=2, strokeWidth=1.5).encode(
        fillOpacity=alt.FillOpacity(
            "texts:Q", legend=None, scale=alt.Scale(domain=[0, most], range=[0.08, 1])
        ),
        stroke=alt.condition(
            "datum.kind == 'right'", alt.value(colour("ink")), alt.value("transparent")
        ),
    )
    numbers = base.mark_text(fontSize=11).encode(
        text="texts:Q",
        color=alt.condition(
            f"datum.texts > {0.5 * most}", alt.value(colour("on-accent")), alt.value(colour("ink"))
        ),
    )
    side_length = max(21, min(34, 620 // len(order))) * len(order)
    return _styled((fields + numbers).properties(height=side_length + _AROUND))


def comparison_chart(
    scores: Sequence[tuple[str, dict[str, float]]], labels: Sequence[str]
) -> alt.LayerChart:
    """Draw each model's probability of some labels, with one point shape per model."""
    names = [name for name, _ in scores]
    rows = [
        {"label": mark(label), "model": name, "probability": found[label]}
        for name, found in scores
        for label in labels
        if label in found
    ]
    y = alt.Y("label:N", sort=[mark(label) for label in labels], title=None,
              axis=alt.Axis(ticks=False, domain=False, labelPadding=8))  # fmt: skip
    base = alt.Chart(alt.Data(values=rows)).encode(y=y)
    x = alt.X("probability:Q", scale=alt.Scale(domain=[0, 1]), title="Probability",
              axis=alt.Axis(tickCount=5))  # fmt: skip
    colours = alt.Scale(domain=names, range=model_colours(len(names)))
    shapes = alt.Scale(domain=names, range=model_shapes(len(names)))
    legend = alt.Legend(orient="top", title=None, labelLimit=260, columns=2)
    points = base.mark_point(filled=True, size=110, opacity=0.95).encode(
        x=x,
        color=alt.Color("model:N", scale=colours, legend=legend),
        shape=alt.Shape("model:N", scale=shapes, legend=legend),
        tooltip=["model:N", "label:N", alt.Tooltip("probability:Q", format=".3f")],
    )
    span = base.mark_rule(strokeWidth=4, color=colour("line")).encode(
        x=alt.X("min(probability):Q"), x2="max(probability):Q"
    )
    return _styled((span + points).properties(height=28 * len(labels) + _AROUND))


def _styled(chart: alt.LayerChart) -> alt.LayerChart:
    words: dict[str, Any] = {"labelColor": colour("muted"), "titleColor": colour("ink")}
    return chart.configure(
        font=FONT,
        background="transparent",
        view=alt.ViewConfig(stroke=None),
        axis=alt.AxisConfig(
            **words,
            labelFontSize=12,
            titleFontSize=12,
            gridColor=colour("line"),
            labelLimit=140,
            labelFlush=False,
        ),
        legend=alt.LegendConfig(labelColor=colour("ink"), labelFontSize=13, symbolSize=110),
    )
