"""What a report consists of, apart from how HTML and Markdown write it down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
