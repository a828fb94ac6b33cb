"""What readers hand on: rows, in chunks whose limits depend on their content alone."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar

from distillora.errors import DataError, InputError, did_you_mean

CHUNK_ROWS = 2048
CHUNK_CHARACTERS = 1 << 24
LONGEST_LINE = 1 << 26

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
        text: what to score; None if the row cannot be scored.
        error: why not.
        raw: the line of a JSON object, to be written again as it was.
    """

    where: str
    values: dict[str, Any]
    text: str | None
    error: str | None = None
    raw: str | None = None


@dataclass(slots=True)
class Chunk:
    """Rows that are scored and kept together; ``table`` holds them as Arrow, if read so."""

    rows: list[Row]
    table: Any = None


def text_or_problem(value: object) -> tuple[str | None, str | None]:
    """Return a value as the text to score, or None and why it cannot be."""
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
    """A file of rows.

    Args:
        path: the file; it is read from its beginning each time.
        name: what messages call it.

    Attributes:
        columns: names, in their order.
        text_column: the one that holds the texts.
        reserved: columns that will be added; a row that has one is refused.
        rows_in_all: known after ``survey``.
    """

    columns: tuple[str, ...]
    text_column: str

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self.reserved: frozenset[str] = frozenset()
        self.rows_in_all = 0

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """Read the file from its beginning.

        Raises:
            DataError: it is torn: no row after this place could be trusted.
        """

    def chunks(self) -> Iterator[Chunk]:
        """Read the rows in chunks, cut at the same places each time."""
        for rows in group(self.rows(), _characters, CHUNK_ROWS, CHUNK_CHARACTERS):
            yield Chunk(rows)

    def kinds(self) -> dict[str, Kind]:
        """Return column -> kind of its values; right once the file was surveyed."""
        return dict.fromkeys(self.columns, "str")

    def schema(self) -> Any:
        """Return the Arrow schema that it was read with, if any."""
        return None

    def survey(self, *, strict: bool) -> None:
        """Read everything once, before any scoring, so that a fault shows early.

        Raises:
            DataError: the file is torn, or ``strict`` and a row cannot be scored.
        """
        self.refuse_reserved(self.columns)
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

    @contextmanager
    def lines(self) -> Iterator[Iterator[bytes]]:
        """Open the file as lines that end with a line feed, without a byte order mark."""
        with self.path.open("rb") as stream:
            yield self._lines(stream)

    def _lines(self, stream: BinaryIO) -> Iterator[bytes]:
        first = stream.readline(LONGEST_LINE + 1)
        if first.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise DataError(f"{self.name} is UTF-16. Save it as UTF-8.")
        line = first.removeprefix(b"\xef\xbb\xbf")
        number = 1
        while line:
            if len(line) > LONGEST_LINE:
                most = f"{LONGEST_LINE >> 20} MiB"
                raise DataError(f"{self.name}, line {number} is longer than {most}.")
            yield line
            line = stream.readline(LONGEST_LINE + 1)
            number += 1


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
    """Return the wanted column, or the only possible one.

    Raises:
        DataError: it does not exist, or there are several.
    """
    if wanted is not None:
        return check_column(columns, wanted, name)
    found = columns[0] if len(columns) == 1 else find_column(columns, _TEXT_NAMES)
    if found is None:
        raise DataError(
            f"{name}: which column holds the texts? Name it with `text_column`. "
            f"Its columns: {shown(', '.join(columns), 400)}"
        )
    return found


def choose_label_column(columns: Sequence[str], wanted: str | None, name: str) -> str:
    """Return the wanted column of those that are neither texts nor splits, or the likely one.

    Raises:
        DataError: it does not exist, or none or several are likely.
    """
    if wanted is not None:
        return check_column(columns, wanted, name, "Its columns beside the texts")
    found = columns[0] if len(columns) == 1 else find_column(columns, _LABEL_NAMES)
    if found is None:
        raise DataError(
            f"{name}: which column holds the labels? Name it with `label_column`. "
            f"Its columns beside the texts: {shown(', '.join(columns), 400) or 'none'}"
        )
    return found


def check_column(
    columns: Collection[str], wanted: str, name: str, listing: str = "Its columns"
) -> str:
    """Return the wanted column.

    Raises:
        DataError: the file has none of this name.
    """
    if wanted not in columns:
        hint = did_you_mean(wanted, columns)
        hint = hint if "Did you mean" in hint else ""  # all of them are listed anyway
        listed = shown(", ".join(columns), 400)
        raise DataError(f"{name} has no column '{wanted}'.{hint} {listing}: {listed}")
    return wanted


def find_column(columns: Sequence[str], tiers: Sequence[Collection[str]]) -> str | None:
    """Return the column whose name, case aside, is in the first tier that has any.

    None if no tier has one, or the first that has any has several: then it is not clear.

    >>> find_column(["ID", "Label", "class"], [("label",), ("class",)])
    'Label'
    """
    for tier in tiers:
        found = [column for column in columns if column.strip().casefold() in tier]
        if found:
            return found[0] if len(found) == 1 else None
    return None
