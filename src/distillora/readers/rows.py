"""What all readers share: rows, the chunks they are scored in, and finding a column by name."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from distillora.errors import DataError, InputError, did_you_mean

CHUNK_ROWS = 2048
CHUNK_CHARACTERS = 1 << 24

BROKEN = "the row is not valid UTF-8"
EMPTY = "the text is empty"
MISSING = "the text is missing"

_SURROGATE = re.compile(r"[\ud800-\udfff]")
T = TypeVar("T")


@dataclass(slots=True)
class Row:
    """One row of the input.

    Attributes:
        where: its place, as a person would look it up: ``row 3 (line 4)``.
        values: column -> value, as it was read.
        text: the text; None if it cannot be used.
        error: why it cannot.
        raw: the line of a JSON object, so that it can be written unchanged.
    """

    where: str
    values: dict[str, Any]
    text: str | None
    error: str | None = None
    raw: str | None = None


@dataclass(slots=True)
class Chunk:
    """Rows that are scored and stored together; ``table`` holds them as Arrow if read as such."""

    rows: list[Row]
    table: Any = None


def text_or_problem(value: object) -> tuple[str | None, str | None]:
    """Return a value as a text, or None and why it is not usable as one."""
    if value is None:
        return None, MISSING
    if not isinstance(value, str):
        return None, f"the text is of type {type(value).__name__}, not a string"
    return (value, None) if value.strip() else (None, EMPTY)


def group(items: Iterable[T], size: Callable[[T], int], most: int, limit: int) -> Iterator[list[T]]:
    """Cut into lists of at most ``most`` items, ended once their sizes reach ``limit``."""
    held: list[T] = []
    total = 0
    for item in items:
        held.append(item)
        total += size(item)
        if len(held) == most or total >= limit:
            yield held
            held, total = [], 0
    if held:
        yield held


def clean(text: str) -> str:
    """Replace what UTF-8 cannot hold, lone surrogates, with U+FFFD."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def shown(text: str, most: int = 80) -> str:
    """Return a text for one line of a terminal, without what could steer the terminal."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(c if c.isprintable() else "\ufffd" for c in cut)


Kind = Literal["str", "int", "float", "bool", "list", "json"]


class Source(ABC):
    """Rows of a file or table, which can be read several times.

    Args:
        name: what messages call it.

    Attributes:
        columns: names, in their order.
        text_column: the column of the texts; None until it is chosen.
        reserved: names of columns that will be added; a source that has one is refused.
        rows_in_all: number of rows; known after ``survey``.
    """

    columns: tuple[str, ...]

    def __init__(self, name: str) -> None:
        self.name = name
        self.text_column: str | None = None
        self.reserved: frozenset[str] = frozenset()
        self.rows_in_all = 0

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """Read the rows from the beginning.

        Raises:
            DataError: the file is damaged, so that no later row could be trusted.
        """

    def choose_text_column(self, wanted: str | None) -> None:
        """Set the column of the texts: the wanted one, or the only likely one.

        Raises:
            DataError: it does not exist, or none or several are likely.
        """
        self._choose(self.columns, wanted)

    def _choose(self, columns: Sequence[str], wanted: str | None) -> None:
        self.text_column = choose_text_column(columns, wanted, self.name)

    def select(self, columns: Sequence[str]) -> None:  # noqa: B027 - text is read by the line
        """Leave all other columns unread, if the format allows it."""

    def text_of(self, values: Mapping[str, Any]) -> tuple[str | None, str | None]:
        """Return the text of a row, or None and why it cannot be used."""
        column = self.text_column
        return text_or_problem(None if column is None else values.get(column))

    def usable_rows(self) -> Iterator[Row]:
        """Read the rows to learn from; a missing or empty text is left to the caller.

        Raises:
            DataError: a row that is not UTF-8 or not JSON, or whose text is not a string.
        """
        for row in self.rows():
            if row.error is not None and row.error.startswith(BROKEN):
                raise DataError(f"{self.name}, {row.where}: {row.error}. Save the file as UTF-8.")
            absent = bool(row.values) and self.text_column not in row.values
            if row.error is not None and row.error not in (EMPTY, MISSING) and not absent:
                raise DataError(f"{self.name}, {row.where}: {row.error}.")
            yield row

    def chunks(self) -> Iterator[Chunk]:
        """Read the rows in chunks, cut at the same places each time."""
        for rows in group(self.rows(), _characters, CHUNK_ROWS, CHUNK_CHARACTERS):
            yield Chunk(rows)

    def kinds(self) -> dict[str, Kind]:
        """Return column -> kind of its values; complete after ``survey``."""
        return dict.fromkeys(self.columns, "str")

    def schema(self) -> Any:
        """Return the Arrow schema of the rows, None if they are not read as Arrow."""
        return None

    def survey(self, *, strict: bool) -> None:
        """Read everything once, before any scoring, so that a fault shows early.

        Raises:
            DataError: the file is damaged, or ``strict`` and a row cannot be scored.
            InputError: a column has a reserved name.
        """
        self.refuse_reserved(self.columns)
        self.rows_in_all = 0
        for row in self.rows():
            self.rows_in_all += 1
            if strict:
                self.refuse(row)
            self.see(row)

    def see(self, row: Row) -> None:  # noqa: B027 - most readers have nothing to note
        """Look at a row of the survey."""

    def refuse(self, row: Row) -> None:
        """Raise the error of a row, if it has one."""
        if row.error is not None:
            raise DataError(f"{self.name}, {row.where}: {row.error}. (`strict`)")

    def refuse_reserved(self, columns: tuple[str, ...], where: str = "") -> None:
        """Raise an InputError if an added column would have the name of one of these."""
        if taken := self.reserved.intersection(columns):
            raise InputError(
                f"{self.name}{where} already has a column '{min(taken)}'. "
                "Give the added columns other names, e.g. `prefix` emotion_"
            )


def _characters(row: Row) -> int:
    # the values hold the text too; other cells are rarely longer
    return len(row.raw) if row.raw else sum(map(len, row.values.values()))


_TEXT_NAMES = (
    ("text", "comment", "body"),
    ("texts", "comments", "message", "sentence", "content", "review", "utterance", "tweet"),
)
_LABEL_NAMES = (
    ("label", "labels"),
    ("class", "category", "target", "intent", "topic", "queue", "sentiment", "emotion", "tag"),
    ("classes", "categories", "tags", "topics", "emotions", "y"),
)


def choose_text_column(columns: Sequence[str], wanted: str | None, name: str) -> str:
    """Return the wanted column, or the only likely one.

    Raises:
        DataError: it does not exist, or none or several are likely.
    """
    if wanted is not None:
        return check_column(columns, wanted, name)
    found = find_text_column(columns)
    if found is None:
        raise DataError(
            f"{name}: which column contains the texts? Name it with `text_column`. "
            f"Its columns: {shown(', '.join(columns), 400)}"
        )
    return found


def find_text_column(columns: Sequence[str]) -> str | None:
    """Return the only column, or the one whose name suggests texts; None if it is not clear."""
    return columns[0] if len(columns) == 1 else find_column(columns, _TEXT_NAMES)


def choose_label_column(columns: Sequence[str], wanted: str | None, name: str) -> str:
    """Return the wanted one of the columns that hold neither texts nor splits, or the likely one.

    Raises:
        DataError: it does not exist, or none or several are likely.
    """
    if wanted is not None:
        return check_column(columns, wanted, name, "Its columns besides the texts")
    found = columns[0] if len(columns) == 1 else find_column(columns, _LABEL_NAMES)
    if found is None:
        raise DataError(
            f"{name}: which column contains the labels? Name it with `label_column`. "
            f"Its columns besides the texts: {shown(', '.join(columns), 400) or 'none'}"
        )
    return found


def check_column(
    columns: Collection[str], wanted: str, name: str, listing: str = "Its columns"
) -> str:
    """Return the wanted column.

    Raises:
        DataError: there is no column of this name.
    """
    if wanted not in columns:
        hint = did_you_mean(wanted, columns)
        hint = hint if "Did you mean" in hint else ""  # all of them are listed anyway
        listed = shown(", ".join(columns), 400)
        raise DataError(f"{name} has no column '{wanted}'.{hint} {listing}: {listed}")
    return wanted


def find_column(columns: Sequence[str], tiers: Sequence[Collection[str]]) -> str | None:
    """Return the column whose name, ignoring case, is in the first tier that matches any.

    None if no tier matches, or if the first tier that does matches several columns.

    >>> find_column(["ID", "Label", "class"], [("label",), ("class",)])
    'Label'
    """
    for tier in tiers:
        found = [column for column in columns if column.strip().casefold() in tier]
        if found:
            return found[0] if len(found) == 1 else None
    return None
