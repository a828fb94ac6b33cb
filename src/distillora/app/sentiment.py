"""Sentiment groups of the labels, with symbols and patterns, because colour alone is not enough.

The groups are GoEmotions' own (``data.labels.SENTIMENT``). Labels of other data form a fifth group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from distillora.data.labels import SENTIMENT


@dataclass(frozen=True)
class Sentiment:
    """A group of labels: its name, the symbol next to each label, and the pattern in words."""

    name: str
    symbol: str
    pattern: str


SENTIMENTS = (
    Sentiment("positive", "+", "plain"),
    Sentiment("negative", "−", "slanted stripes"),
    Sentiment("ambiguous", "?", "dots"),
    Sentiment("neutral", "○", "upright stripes"),
)
OTHER = Sentiment("other", "•", "plain")
_OF_LABEL = {label: f for f in SENTIMENTS for label in SENTIMENT[f.name]}


def sentiment_of(label: str) -> Sentiment:
    """Return the group of a label."""
    return _OF_LABEL.get(label, OTHER)


def feelings_among(labels: Sequence[str]) -> list[Sentiment]:
    """Return the groups of some labels, in fixed order."""
    found = {sentiment_of(label) for label in labels}
    return [feeling for feeling in (*SENTIMENTS, OTHER) if feeling in found]


def mark(label: str) -> str:
    """Return a label with the symbol of its group.

    >>> mark("joy"), mark("grief")
    ('+ joy', '− grief')
    """
    return f"{sentiment_of(label).symbol} {label}"
