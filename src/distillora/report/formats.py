"""Formatting of numbers, and the parts of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


def ratio(value: float) -> str:
    """Format a share or a loss with 4 decimals, like the published tables."""
    return f"{value:.4f}"


def count(value: float) -> str:
    """Format a whole number.

    >>> count(67734584)
    '67,734,584'
    """
    return f"{value:,.0f}"


def short(value: float) -> str:
    """Format a measurement with about 3 digits.

    >>> short(1834.2), short(27.31), short(1.234)
    ('1,834', '27.3', '1.23')
    """
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{decimals}f}"


def clock(seconds: float) -> str:
    """Format a duration as minutes:seconds or hours:minutes:seconds.

    >>> clock(472.4), clock(3700)
    ('7:52', '1:01:40')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def size(n_bytes: float) -> str:
    """Format a size in decimal units.

    >>> size(267_900_000), size(3_040_000), size(812)
    ('268 MB', '3.04 MB', '812 B')
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= factor:
            return f"{short(n_bytes / factor)} {unit}"
    return f"{n_bytes:.0f} B"


def points(share: float) -> str:
    """Format a difference of two shares in points (hundredths), with its sign.

    >>> points(0.0123), points(-0.0004)
    ('+1.2', '0.0')
    """
    rounded = round(100 * share, 1)
    return f"{rounded:+.1f}" if rounded else "0.0"


def least_points(share: float) -> str:
    """Format a minimum detectable difference in points, at least 0.1.

    >>> least_points(0.0134), least_points(0.0002)
    ('1.3', '0.1')
    """
    return f"{max(100 * share, 0.1):.1f}"


def layer_list(layers: Sequence[int]) -> str:
    """Format layer indices; three or more consecutive ones become a range.

    >>> layer_list([0, 1, 2, 3]), layer_list([1, 3, 5])
    ('0–3', '1, 3, 5')
    """
    run = len(layers) > 2 and list(layers) == list(range(layers[0], layers[0] + len(layers)))
    return f"{layers[0]}–{layers[-1]}" if run else ", ".join(map(str, layers))


def name_list(names: Sequence[str]) -> str:
    """Join names with commas and "and".

    >>> name_list(["odd", "even", "lora"])
    'odd, even and lora'
    """
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


MISSING = "–"


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: the value.
        spread: its uncertainty, such as ``± 0.01`` or an interval, in one or two lines; or empty.
        best: whether it is marked, as the best of its column or as the table's note says.
    """

    text: str = MISSING
    spread: str = ""
    best: bool = False


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows.

    Attributes:
        caption: the caption.
        header: one title per column.
        rows: one cell per title in each row.
        note: how to read the table.
        words: the columns contain words rather than numbers, and are aligned left.
        folded: collapsed until the reader opens it.
        mark: the name of a marked cell, for screen readers.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    words: bool = False
    folded: bool = False
    mark: str = "best"
    kind: Literal["table"] = "table"


@dataclass(frozen=True)
class Figure:
    """A chart.

    Attributes:
        name: the stem of its file in ``charts/``.
        title: the title.
        alt: a text alternative with the main figures.
        svg: a complete SVG document, in light colours.
        note: how to read the chart.
    """

    name: str
    title: str
    alt: str
    svg: str
    note: str = ""
    kind: Literal["figure"] = "figure"


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind: Literal["text"] = "text"


@dataclass(frozen=True)
class Code:
    """The content of a file, collapsed under its title."""

    title: str
    code: str
    kind: Literal["code"] = "code"


Block = Table | Figure | Text | Code


@dataclass(frozen=True)
class Section:
    """A heading with its blocks; ``anchor`` is its id in the page."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Card:
    """A headline of the run: its label, its value, and an explanation."""

    label: str
    value: str
    detail: str


@dataclass(frozen=True)
class Page:
    """The whole report."""

    title: str
    description: str
    verdict: str
    cards: tuple[Card, ...]
    warnings: tuple[str, ...]
    sections: tuple[Section, ...]
    footer: str
