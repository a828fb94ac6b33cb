"""Bar charts as HTML: a list for screen readers, drawn in the page's light or dark colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from distillora.app.sentiment import OTHER, SENTIMENTS, feelings_among, sentiment_of
from distillora.inference.classifier import Prediction, TextClassifier


@dataclass(frozen=True)
class Bar:
    """One bar.

    Attributes:
        label: a label of the model; its sentiment sets symbol, colour and pattern.
        share: length, in [0, 1].
        tick: position of the tick mark, in [0, 1]; None for no tick.
        value: the text at the bar's end.
        told: a description for tooltips and screen readers.
        strong: whether the row is emphasised.
    """

    label: str
    share: float
    tick: float | None
    value: str
    told: str
    strong: bool = False


def probability_bars(prediction: Prediction, classifier: TextClassifier) -> list[Bar]:
    """Return one bar per label, the most probable first, with its threshold as the tick."""
    thresholds = thresholds_of(classifier)
    return [
        _probability_bar(label, score, thresholds.get(label), label in prediction.labels)
        for label, score in prediction.scores.items()
    ]


def thresholds_of(classifier: TextClassifier) -> dict[str, float]:
    """Return label -> threshold; empty for a single-label model."""
    if classifier.thresholds is None:
        return {}
    return dict(zip(classifier.labels, map(float, classifier.thresholds), strict=True))


def draw_bars(bars: Sequence[Bar], caption: str, *, grouped: bool = False, tick: str = "") -> str:
    """Return the chart.

    Args:
        bars: the bars, in order.
        caption: the chart's caption.
        grouped: show a heading for each sentiment instead of one list.
        tick: the meaning of the tick marks; empty if there are none.
    """
    order = [f.name for f in (*SENTIMENTS, OTHER)]
    if grouped:
        ranked = sorted(bars, key=lambda bar: order.index(sentiment_of(bar.label).name))
        groups = groupby(ranked, key=lambda bar: sentiment_of(bar.label).name)
        body = "".join(
            f'<p class="dl-group" id="dl-{name}">{name}</p>{_list(list(group), name)}'
            for name, group in groups
        )
    else:
        body = _list(bars, caption)
    legend = _legend([bar.label for bar in bars], tick)
    return (
        f'<figure class="dl-figure"><figcaption class="dl-caption">{escape(caption)}</figcaption>'
        f"{legend}{body}</figure>"
    )


def _probability_bar(label: str, score: float, threshold: float | None, reached: bool) -> Bar:
    told = f"{label} ({sentiment_of(label).name}): {score:.3f}"
    if threshold is not None:
        told += f", {'reaches' if reached else 'below'} its threshold of {threshold:.2f}"
    return Bar(label, score, threshold, f"{score:.3f}", told, reached)


def _list(bars: Sequence[Bar], name: str) -> str:
    rows = "".join(map(_row, bars))
    return f'<ul class="dl-bars" aria-label="{escape(name, quote=True)}">{rows}</ul>'


def _row(bar: Bar) -> str:
    feeling, told = sentiment_of(bar.label), escape(bar.told, quote=True)
    tick = "" if bar.tick is None else f'<i class="dl-tick" style="left:{bar.tick:.2%}"></i>'
    strong = " dl-strong" if bar.strong else ""
    return (
        f'<li class="dl-row{strong}" title="{told}"><span class="dl-said">{told}</span>'
        f'<span class="dl-name" aria-hidden="true"><b class="dl-symbol">{feeling.symbol}</b>'
        f'<span class="dl-word">{escape(bar.label)}</span></span>'
        f'<span class="dl-track" aria-hidden="true">'
        f'<i class="dl-bar dl-{feeling.name}" style="width:{bar.share:.2%}"></i>{tick}</span>'
        f'<span class="dl-value" aria-hidden="true">{escape(bar.value)}'
        f"{' ✓' if bar.strong else ''}</span></li>"
    )


def _legend(labels: Sequence[str], tick: str) -> str:
    entries = [
        f'<span class="dl-key"><i class="dl-swatch dl-{f.name}"></i>{f.symbol} {f.name}</span>'
        for f in feelings_among(labels)
    ]
    if tick:
        entries.append(
            f'<span class="dl-key"><i class="dl-tick dl-tick-key"></i>{escape(tick)}</span>'
        )
    return f'<p class="dl-legend">{"".join(entries)}</p>'
