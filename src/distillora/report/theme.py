"""Colours and fonts of the report's charts and page, and charts as SVG.

A chart is drawn once, in the light colours. In the page, each colour becomes a CSS variable, so the
same drawing follows the reader's light or dark setting without a script.
"""

from __future__ import annotations

import io
from html import escape
from typing import Any
from xml.etree import ElementTree

import altair as alt

FONT = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif"

# name -> (light, dark); light colours must be unique, because `inline` matches on them
COLOURS = {
    "surface": ("#ffffff", "#171b22"),
    "page": ("#f6f7f9", "#0f1217"),
    "ink": ("#1c2431", "#e6eaf1"),
    "muted": ("#5a6475", "#9aa5b6"),
    "line": ("#e1e5eb", "#2b323d"),
    "accent": ("#2b5fd9", "#7fa8ff"),
    "on-accent": ("#fdfeff", "#0c1220"),
    "warning": ("#9a5b00", "#f0b84b"),
    "arm-1": ("#2660d3", "#82abff"),
    "arm-2": ("#c2570c", "#ffa35c"),
    "arm-3": ("#0b7f63", "#4bd3a8"),
    "arm-4": ("#8445bd", "#cb9cf7"),
    "arm-5": ("#c12f4a", "#ff8c9b"),
    "arm-6": ("#0a7d9c", "#5fcbe6"),
    "arm-7": ("#7d6320", "#d9b865"),
    "arm-8": ("#61697a", "#adb6c6"),
}
ARM_COLOURS = tuple(light for name, (light, _) in COLOURS.items() if name.startswith("arm-"))
ARM_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")


def colour(name: str) -> str:
    """Return a colour of the palette, in the light theme."""
    return COLOURS[name][0]


def arm_scales(names: list[str]) -> tuple[alt.Scale, alt.Scale]:
    """Return the scales for the colours and shapes of the arms, the same in every chart."""
    colours = [ARM_COLOURS[i % len(ARM_COLOURS)] for i in range(len(names))]
    shapes = [ARM_SHAPES[i % len(ARM_SHAPES)] for i in range(len(names))]
    return alt.Scale(domain=names, range=colours), alt.Scale(domain=names, range=shapes)


def draw(chart: alt.Chart) -> str:
    """Return a chart as an SVG document in the report's style."""
    stream = io.StringIO()
    chart.configure(**_style()).save(stream, format="svg")
    return stream.getvalue()


def inline(svg: str, alt_text: str) -> str:
    """Return an SVG document for the page, with CSS variables as colours and a flexible size.

    The charts use no marks that need an ``id`` (clips, gradients), so a page can have several.
    """
    for key, (light, _) in COLOURS.items():
        svg = svg.replace(f'"{light}"', f'"var(--{key})"')
    view_box = ElementTree.fromstring(svg).attrib["viewBox"]
    label = escape(alt_text, quote=True)
    opening = (
        f'<svg role="img" aria-label="{label}" viewBox="{view_box}" '
        f'style="--natural:{view_box.split()[2]}px">'
    )
    return opening + svg[svg.index(">") + 1 :]


def _style() -> dict[str, Any]:
    """Return the Vega-Lite configuration of every chart."""
    words = {"labelColor": colour("muted"), "titleColor": colour("ink"), "titleFontWeight": 600}
    return {
        "font": FONT,
        "aria": False,
        "background": colour("surface"),
        "padding": 8,
        "view": alt.ViewConfig(stroke=None),
        "axis": alt.AxisConfig(
            **words,
            labelFontSize=12,
            titleFontSize=12,
            labelLimit=170,
            labelFlush=False,
            titlePadding=10,
            gridColor=colour("line"),
            domainColor=colour("line"),
            tickColor=colour("line"),
        ),
        "header": alt.HeaderConfig(
            labelColor=colour("ink"),
            titleColor=colour("ink"),
            labelFontSize=13,
            labelFontWeight=600,
        ),
        "legend": alt.LegendConfig(
            **{**words, "labelColor": colour("ink")},
            labelFontSize=13,
            orient="top",
            title=None,
            symbolSize=90,
            columnPadding=18,
            labelLimit=220,
        ),
        "text": alt.MarkConfig(color=colour("ink"), fontSize=12),
    }
