"""The four groups of feeling, each with a symbol and a pattern, since colour alone is not enough.

The groups are GoEmotions' own (see ``data.taxonomy``). A label that is none of its 28 stands apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from distillora.data.taxonomy import SENTIMENT


@dataclass(frozen=True)
class Feeling:
    """A group of labels: its name, the symbol beside each label, and the pattern in words."""

    name: str
    symbol: str
    pattern: str


FEELINGS = (
    Feeling("positive", "+", "plain"),
    Feeling("negative", "−", "slanted stripes"),
    Feeling("ambiguous", "?", "dots"),
    Feeling("neutral", "○", "upright stripes"),
)
OTHER = Feeling("other", "•", "plain")
_OF_LABEL = {label: f for f in FEELINGS for label in SENTIMENT[f.name]}


def feeling_of(label: str) -> Feeling:
    """Return the group of a label."""
    return _OF_LABEL.get(label, OTHER)


def feelings_among(labels: Sequence[str]) -> list[Feeling]:
    """Return the groups that occur among labels, in their fixed order."""
    found = {feeling_of(label) for label in labels}
    return [feeling for feeling in (*FEELINGS, OTHER) if feeling in found]


def mark(label: str) -> str:
    """Return a label with the symbol of its group.

    >>> mark("joy"), mark("grief")
    ('+ joy', '− grief')
    """
    return f"{feeling_of(label).symbol} {label}"
