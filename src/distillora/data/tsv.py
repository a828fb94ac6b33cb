"""The format of the GoEmotions release: text, comma-separated label numbers, id; no header.

Nothing is quoted: a quote character is part of the text. A row is a line, so a text has neither
a line feed nor a tab.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from distillora.data.checks import check_label_names, check_row_labels, excerpt
from distillora.data.corpus import Split
from distillora.errors import DataError

ROW_FORMAT = "text TAB comma-separated label numbers TAB id"


def read_label_names(path: Path) -> tuple[str, ...]:
    """Read ``labels.txt``: one name per line, label 0 first.

    Raises:
        DataError: no names, an empty one, one that stands twice, or not UTF-8.
    """
    lines = [line.strip() for _, line in read_lines(path)]
    while lines and not lines[-1]:
        lines.pop()
    return check_label_names(lines, str(path))


def read_tsv(path: Path, n_labels: int) -> Split:
    """Read one split; blank lines are skipped.

    Raises:
        DataError: with file, line and text: a line without three columns, a label that is no
            number below ``n_labels``, a row without label, or bytes that are not UTF-8.
    """
    rows = [
        _parse_row(line, n_labels, f"{path}, line {number}")
        for number, line in read_lines(path)
        if line
    ]
    texts, labels, ids = zip(*rows, strict=True) if rows else ((), (), ())
    return Split(texts, labels, ids)


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a UTF-8 file without their ends, with their numbers from 1.

    Raises:
        DataError: the file cannot be read, or a line is not UTF-8.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Check its rights.") from None
    # str.splitlines would also break lines at U+2028, form feeds and the like inside a text
    lines = raw.removeprefix(codecs.BOM_UTF8).split(b"\n")
    for number, line in enumerate(lines, start=1):
        try:
            yield number, line.removesuffix(b"\r").decode()
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path}, line {number}: not UTF-8 at byte {error.start + 1} of the line, "
                f"{excerpt(line.decode(errors='replace'))}. Save the file as UTF-8."
            ) from None


def _parse_row(line: str, n_labels: int, where: str) -> tuple[str, tuple[int, ...], str]:
    columns = line.split("\t")
    if len(columns) != 3:
        raise DataError(
            f"{where}: {excerpt(line)} has {len(columns)} column(s), not 3. "
            f"A row is {ROW_FORMAT}, and a text holds no tab or line break."
        )
    text, field, row_id = columns
    numbers = [_parse_label(part, where, text) for part in field.split(",")] if field else []
    return text, check_row_labels(numbers, n_labels, where, text), row_id


def _parse_label(field: str, where: str, text: str) -> int:
    digits = field.strip()
    # int() would also take "1_0", "+1" and the digits of other scripts
    if not (digits.isascii() and digits.isdigit()):
        raise DataError(
            f"{where}: the row {excerpt(text)} has the label {excerpt(field)}, which is not a "
            f"number. A row is {ROW_FORMAT}; the numbers count the lines of labels.txt from 0."
        )
    return int(digits)
