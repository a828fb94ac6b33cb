"""The file formats, by name or extension, and opening a file of one."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from distillora.errors import InputError, did_you_mean
from distillora.readers.columnar import ParquetSource
from distillora.readers.rows import Source
from distillora.readers.text_files import DelimitedSource, JsonSource, TextSource

Format = Literal["csv", "tsv", "jsonl", "parquet", "text"]

FORMATS: tuple[Format, ...] = ("csv", "tsv", "jsonl", "parquet", "text")

EXTENSIONS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".txt": "text",
}

TABLE_EXTENSIONS = tuple(extension for extension, kind in EXTENSIONS.items() if kind != "text")
"""Of files with columns, which can hold labels beside the texts."""


def choose_format(named: str | None, path: Path | None, option: str) -> Format:
    """Return the named format, or else the one of the file's extension.

    Args:
        named: as the user gave it, if at all.
        path: the file; None for a stream.
        option: how the user can name it, for the message.

    Raises:
        InputError: the format or the extension is unknown.
    """
    if named is not None:
        if named not in FORMATS:
            hint = did_you_mean(named, FORMATS)
            raise InputError(f"Unknown format '{named}'.{hint} ({option})")
        return named
    if path is None:
        raise InputError(f"Give the format of the stream: {option} {'|'.join(FORMATS)}")
    extension = path.suffix.lower()
    if extension not in EXTENSIONS:
        hint = did_you_mean(extension, EXTENSIONS) if extension else ""
        raise InputError(
            f"{path}: the extension '{extension}' is not known.{hint} "
            f"Give the format with {option} {'|'.join(FORMATS)}"
        )
    return EXTENSIONS[extension]


DELIMITERS = {"csv": ",", "tsv": "\t"}


def open_file(
    file: Path | bytes,
    name: str,
    file_format: Format,
    *,
    values: bool = True,
    tabular: bool = False,
) -> Source:
    """Open a file of rows; its column of texts is not chosen yet.

    Args:
        file: a path, or the content of a file.
        name: what messages call it.
        file_format: how to read it.
        values: Parquet: whether rows need their values as Python objects, too.
        tabular: JSON Lines: whether the objects become rows of a table.

    Raises:
        DataError: it is damaged, has no header, or two columns of the same name.
        InputError: Parquet without pyarrow.
    """
    if file_format == "parquet":
        return ParquetSource(file, name, values=values)
    if file_format == "jsonl":
        return JsonSource(file, name, tabular=tabular)
    if file_format == "text":
        return TextSource(file, name)
    return DelimitedSource(file, name, DELIMITERS[file_format])


def check_readable(path: Path) -> None:
    """Check that a file exists and can be read.

    Raises:
        InputError: it is a folder, does not exist, or cannot be opened.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder. Give a file.")
    if not path.exists():
        hint = ""
        if path.parent.is_dir():
            hint = did_you_mean(path.name, [f.name for f in path.parent.iterdir() if f.is_file()])
        raise InputError(f"{path} does not exist.{hint}")
    try:
        path.open("rb").close()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
