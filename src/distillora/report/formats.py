"""How numbers are written for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


def ratio(value: float) -> str:
    """Write a share or a loss with 4 decimals, as the published tables do."""
    return f"{value:.4f}"


def count(value: float) -> str:
    """Write a whole number.

    >>> count(67734584)
    '67,734,584'
    """
    return f"{value:,.0f}"


def short(value: float) -> str:
    """Write a measurement with about 3 digits.

    >>> short(1834.2), short(27.31), short(1.234)
    ('1,834', '27.3', '1.23')
    """
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{decimals}f}"


def clock(seconds: float) -> str:
    """Write a duration as minutes:seconds or hours:minutes:seconds.

    >>> clock(472.4), clock(3700)
    ('7:52', '1:01:40')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def size(n_bytes: float) -> str:
    """Write a size in decimal units.

    >>> size(267_900_000), size(3_040_000), size(812)
    ('268 MB', '3.04 MB', '812 B')
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= factor:
            return f"{short(n_bytes / factor)} {unit}"
    return f"{n_bytes:.0f} B"


def points(share: float) -> str:
    """Write a difference of two shares in points (hundredths), with its sign.

    >>> points(0.0123), points(-0.0004)
    ('+1.2', '0.0')
    """
    rounded = round(100 * share, 1)
    return f"{rounded:+.1f}" if rounded else "0.0"


def least_points(share: float) -> str:
    """Write a minimum detectable difference in points, a tiny one as the least that can be written.

    >>> least_points(0.0134), least_points(0.0002)
    ('1.3', '0.1')
    """
    return f"{max(100 * share, 0.1):.1f}"


def layer_list(layers: Sequence[int]) -> str:
    """Write layer indices, a run of three or more as a range.

    >>> layer_list([0, 1, 2, 3]), layer_list([1, 3, 5])
    ('0–3', '1, 3, 5')
    """
    run = len(layers) > 2 and list(layers) == list(range(layers[0], layers[0] + len(layers)))
    return f"{layers[0]}–{layers[-1]}" if run else ", ".join(map(str, layers))


def name_list(names: Sequence[str]) -> str:
    """Join names as a sentence does.

    >>> name_list(["odd", "even", "lora"])
    'odd, even and lora'
    """
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


MISSING = "–"


@dataclass(frozen=True)
class Cell:
    """One field of a table.

    Attributes:
        text: the value.
        spread: its standard deviation over the seeds, as ``± 0.01``, or how sure it is, in one
            line or two; or nothing.
        best: whether it is marked, as the best of its column or as the table's note says.
    """

    text: str = MISSING
    spread: str = ""
    best: bool = False


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows.

    Attributes:
        caption: what the table shows.
        header: one title a column.
        rows: as many cells a row as there are titles.
        note: how to read it.
        words: the columns hold words rather than numbers, and are set left.
        folded: shown only when the reader asks for it.
        mark: what a marked cell is called for those who cannot see the star.
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
        name: stem of its file in ``charts/``.
        title: what it shows.
        alt: the same in words, with the numbers that matter, for those who cannot see it.
        svg: a document of its own, in light colours.
        note: how to read it.
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
    """A file's content, folded under its title."""

    title: str
    code: str
    kind: Literal["code"] = "code"


Block = Table | Figure | Text | Code


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it; ``anchor`` is its address in the page."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Card:
    """One figure that sums the run up: what it is, its value, and what it means."""

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
