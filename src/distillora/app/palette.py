"""The colours of charts, light and dark; those of the report's page (``report.theme``).

A chart is drawn once, in the light colours. A style sheet gives each of them its dark counterpart,
so a chart follows the reader's theme the moment it changes, as the rest of the page does.
The colours stand here again because the report needs packages that the app does without.
"""

from __future__ import annotations

FONT = '"Source Sans", sans-serif'

# name -> (light, dark); every light colour occurs once, since it is how a chart's colours are found
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
    """Return a colour as it is drawn."""
    return COLOURS[name][0]


def model_colours(count: int) -> list[str]:
    """Return a colour for each of some models."""
    return [_MODELS[i % len(_MODELS)] for i in range(count)]


def model_shapes(count: int) -> list[str]:
    """Return a shape for each of some models."""
    return [_SHAPES[i % len(_SHAPES)] for i in range(count)]


def chart_css() -> str:
    """Return the style sheet that gives the colours of charts their dark counterparts."""
    rules = [
        f'.stVegaLiteChart [{paint}="{light}"] {{ {paint}: light-dark({light}, {dark}); }}'
        for light, dark in COLOURS.values()
        for paint in ("fill", "stroke")
    ]
    return f"<style>{' '.join(rules)}</style>"
