"""Reading CSV and TSV."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distillora.errors import DataError
from distillora.readers.rows import (
    BROKEN,
    LONGEST_LINE,
    Row,
    Source,
    choose_text_column,
    shown,
    text_or_problem,
)

_FIX = (
    "Quote a cell that holds {a separator}, a quote or a line break, and double quotes inside it."
)


class DelimitedSource(Source):
    """A table with a header, its cells apart by ``delimiter``, quoted as in RFC 4180.

    Raises:
        DataError: it has no header, a column twice, or not the column that is asked for.
    """

    def __init__(self, path: Path, name: str, delimiter: str, text_column: str | None) -> None:
        super().__init__(path, name)
        self.delimiter = delimiter
        separator = "a comma" if delimiter == "," else "a tab"
        self._fix = _FIX.replace("{a separator}", separator)
        self.columns = self._header()
        self.text_column = choose_text_column(self.columns, text_column, name)

    def rows(self) -> Iterator[Row]:
        """Read the rows after the header; empty lines are none."""
        with self.lines() as lines:
            reader = self._reader(lines)
            self._next(reader, 0)
            number = 0
            while True:
                line = reader.line_num + 1
                cells = self._next(reader, number + 1)
                if cells is None:
                    return
                if cells:
                    number += 1
                    yield self._row(cells, f"row {number} (line {line})")

    def _row(self, cells: list[str], where: str) -> Row:
        if len(cells) != len(self.columns):
            raise DataError(
                f"{self.name}, {where}: the number of cells is {len(cells)}, but the header has "
                f"{len(self.columns)}: {shown(', '.join(self.columns), 200)}. {self._fix}"
            )
        broken = not _is_utf8(cells)
        if broken:
            cells = [_mend(cell) for cell in cells]
        values = dict(zip(self.columns, cells, strict=True))
        text, error = text_or_problem(values[self.text_column])
        return Row(where, values, None, BROKEN) if broken else Row(where, values, text, error)

    def _header(self) -> tuple[str, ...]:
        with self.lines() as lines:
            names = self._next(self._reader(lines), 0)
        if not names:
            raise DataError(f"{self.name} is empty: its first line must name the columns.")
        if not _is_utf8(names):
            raise DataError(f"{self.name}, line 1: the header is not valid UTF-8. Save it as such.")
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise DataError(f"{self.name} has two columns '{shown(twice[0])}'. Rename one.")
        return tuple(names)

    def _reader(self, lines: Iterator[bytes]) -> Any:
        # the module's own limit, 128 KiB, is less than a long text
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE))
        decoded = (line.decode("utf-8", "surrogateescape") for line in lines)
        return csv.reader(decoded, delimiter=self.delimiter, strict=True)

    def _next(self, reader: Any, row: int) -> list[str] | None:
        line = reader.line_num + 1
        try:
            cells: list[str] | None = next(reader, None)
        except csv.Error as error:
            where = f"row {row} (line {line})" if row else "the header"
            problem = "a quote is never closed" if "end of data" in str(error) else str(error)
            raise DataError(f"{self.name}, {where}: {problem}. {self._fix}") from None
        return cells


def _is_utf8(cells: list[str]) -> bool:
    # bytes that are not UTF-8 were read as surrogates, which cannot be encoded
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return False
    return True


def _mend(cell: str) -> str:
    return cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
