"""Rows of text files: CSV, TSV, JSON Lines and plain text."""

from __future__ import annotations

import csv
import io
import json
from abc import ABC
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from distillora.errors import DataError
from distillora.readers.rows import BROKEN, CHUNK_ROWS, Kind, Row, Source, shown, text_or_problem

LONGEST_LINE = 1 << 26
MOST_COLUMNS = 2000


class TextFileSource(Source, ABC):
    """A file that is read line by line.

    Args:
        file: a path, which is opened anew for each reading, or the content of a file.
        name: what messages call it.
    """

    def __init__(self, file: Path | bytes, name: str) -> None:
        super().__init__(name)
        self._file = file

    @contextmanager
    def lines(self) -> Iterator[Iterator[bytes]]:
        """Open the file as lines, each with its line feed, without a byte order mark."""
        file = self._file
        with io.BytesIO(file) if isinstance(file, bytes) else file.open("rb") as stream:
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

    def decoded_lines(self) -> Iterator[tuple[str, str, str | None]]:
        """Yield each line's place, its text without the line end, and its error if not UTF-8.

        Only a line feed ends a line: other separators, such as U+2028, may be part of a text.
        """
        with self.lines() as lines:
            for number, raw in enumerate(lines, 1):
                yield f"line {number}", *_decode(raw.removesuffix(b"\n").removesuffix(b"\r"))


class TextSource(TextFileSource):
    """One text per line, in a column called ``text``; an empty line is an empty text."""

    columns = ("text",)

    def __init__(self, file: Path | bytes, name: str) -> None:
        super().__init__(file, name)
        self.text_column = "text"

    def rows(self) -> Iterator[Row]:
        """Read the lines."""
        for where, line, problem in self.decoded_lines():
            text, error = (None, problem) if problem else text_or_problem(line)
            yield Row(where, {"text": line}, text, error)


class UnquotedSource(TextFileSource):
    """Lines of cells separated by tabs, without header or quotes; empty lines are skipped.

    Args:
        file: a path, or the content of a file.
        name: what messages call it.
        columns: names of the cells of a line.
    """

    def __init__(self, file: Path | bytes, name: str, columns: Sequence[str]) -> None:
        super().__init__(file, name)
        self.columns = tuple(columns)

    def rows(self) -> Iterator[Row]:
        """Read the lines."""
        for where, line, problem in self.decoded_lines():
            if line:
                yield self._row(line, where, problem)

    def _row(self, line: str, where: str, problem: str | None) -> Row:
        cells = line.split("\t")
        if problem:
            return Row(where, {}, None, problem)
        if len(cells) != len(self.columns):
            raise DataError(
                f"{self.name}, {where}: '{shown(line)}' has {len(cells)} column(s), not "
                f"{len(self.columns)}. A line is {' TAB '.join(self.columns)}; a text contains no "
                "tab or line break."
            )
        values = dict(zip(self.columns, cells, strict=True))
        return Row(where, values, *self.text_of(values))


_FIX = (
    "Quote a cell that contains {a separator}, a quote or a line break, and double the quotes "
    "inside it."
)


class DelimitedSource(TextFileSource):
    """CSV or TSV with a header, quoted as in RFC 4180.

    Args:
        file: a path, or the content of a file.
        name: what messages call it.
        delimiter: a comma or a tab.

    Raises:
        DataError: it has no header, or two columns of the same name.
    """

    def __init__(self, file: Path | bytes, name: str, delimiter: str) -> None:
        super().__init__(file, name)
        self.delimiter = delimiter
        separator = "a comma" if delimiter == "," else "a tab"
        self._fix = _FIX.replace("{a separator}", separator)
        self.columns = self._header()

    def rows(self) -> Iterator[Row]:
        """Read the rows after the header; empty lines are skipped."""
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
        return (
            Row(where, values, None, BROKEN)
            if broken
            else Row(where, values, *self.text_of(values))
        )

    def _header(self) -> tuple[str, ...]:
        with self.lines() as lines:
            names = self._next(self._reader(lines), 0)
        if not names:
            raise DataError(f"{self.name} is empty: its first line must name the columns.")
        if not _is_utf8(names):
            raise DataError(
                f"{self.name}, line 1: the header is not valid UTF-8. Save it as UTF-8."
            )
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


class JsonSource(TextFileSource):
    """JSON Lines: one object per line; empty lines are skipped.

    Args:
        file: a path, or the content of a file.
        name: what messages call it.
        tabular: whether the objects become rows of a table, so that every key must be known.
    """

    def __init__(self, file: Path | bytes, name: str, *, tabular: bool) -> None:
        super().__init__(file, name)
        self.columns = ()
        self.text_column = "text"
        self._tabular = tabular
        self._kinds: dict[str, set[str]] = {}

    def choose_text_column(self, wanted: str | None) -> None:
        """Set the key of the texts, as ``Source`` does, from the keys of the first objects."""
        first = dict.fromkeys(key for row in islice(self.rows(), CHUNK_ROWS) for key in row.values)
        self._choose(tuple(first) or (wanted or "text",), wanted)

    def rows(self) -> Iterator[Row]:
        """Read the lines; a line that is not an object becomes a row without values."""
        for where, line, problem in self.decoded_lines():
            if line.strip():
                yield self._row(line.strip(), where, problem)

    def _row(self, line: str, where: str, broken: str | None) -> Row:
        values, problem = _parse(line)
        if values is None:
            return Row(where, {}, None, broken or problem)
        text, error = self.text_of(values)
        if error and self.text_column not in values:
            error = f"the object has no '{self.text_column}'"
        return Row(where, values, None if broken else text, broken or error, line)

    def see(self, row: Row) -> None:
        """Note the kinds of a row's values."""
        self.refuse_reserved(tuple(row.values), f", {row.where},")
        if self._tabular:
            for key, value in row.values.items():
                self._kinds.setdefault(key, set()).add(_kind(value))
            if len(self._kinds) > MOST_COLUMNS:
                raise DataError(
                    f"{self.name}, {row.where}: its objects have more than {MOST_COLUMNS:,} "
                    "different keys, too many for a table. Write JSON Lines: `target_format` jsonl."
                )

    def survey(self, *, strict: bool) -> None:
        """Read everything once; from then on the columns are those of all objects."""
        super().survey(strict=strict)
        if self._tabular:
            self.columns = tuple(self._kinds)

    def kinds(self) -> dict[str, Kind]:
        """Return the kind that represents every value of a column exactly, else JSON."""
        return {column: _common_kind(kinds) for column, kinds in self._kinds.items()}


def _decode(raw: bytes) -> tuple[str, str | None]:
    """Return a line and, if it is not UTF-8, where."""
    try:
        return raw.decode(), None
    except UnicodeDecodeError as error:
        return raw.decode(errors="replace"), f"{BROKEN} (byte {error.start + 1} of the line)"


def _is_utf8(cells: list[str]) -> bool:
    # bytes that are not UTF-8 were read as surrogates, which cannot be encoded
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return False
    return True


def _mend(cell: str) -> str:
    return cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _parse(line: str) -> tuple[dict[str, Any] | None, str | None]:
    """Return an object, or None and why the line is none."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None, f"the line is not JSON: {shown(line)}"
    if not isinstance(value, dict):
        return None, f"the line is not a JSON object: {shown(line)}"
    return value, None


# the largest integer up to which a float represents every integer
_EXACT = 2**53


def _kind(value: object) -> str:
    if isinstance(value, bool) or value is None or isinstance(value, str | float):
        return type(value).__name__
    if isinstance(value, int):
        small, exact = -(2**63) <= value < 2**63, -_EXACT <= value <= _EXACT
        return "int" if exact else "long" if small else "json"
    return "json"


def _common_kind(kinds: set[str]) -> Kind:
    found = kinds - {"NoneType"}
    if found <= {"str"}:
        return "str"
    if found == {"bool"}:
        return "bool"
    if found <= {"int", "long"}:
        return "int"
    return "float" if found <= {"int", "float"} else "json"
