"""What every reader is: columns, and rows that can be read more than once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

from distillora.errors import DataError, InputError
from distillora.readers.rows import (
    CHUNK_CHARACTERS,
    CHUNK_ROWS,
    LONGEST_LINE,
    Chunk,
    Row,
    group,
)

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
            raise DataError(f"{self.name}, {row.where}: {row.error}. (--strict)")

    def refuse_reserved(self, columns: tuple[str, ...], where: str = "") -> None:
        """Raise an InputError if an added column would have the name of one of these."""
        if taken := self.reserved.intersection(columns):
            raise InputError(
                f"{self.name}{where} already has a column '{min(taken)}'. "
                "Give the added columns other names, e.g. --prefix emotion_"
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
