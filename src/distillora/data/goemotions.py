"""A data set in a folder of the user's own: TSV, or Parquet as the Hub stores it."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from pathlib import Path

from distillora.data.dataset import (
    Dataset,
    Split,
    check_label_names,
    check_row_labels,
    check_splits,
    excerpt,
)
from distillora.errors import DataError

FOLDER_FORMAT = (
    "train.tsv, dev.tsv and test.tsv (text TAB comma-separated label numbers TAB id, no header) "
    "with labels.txt (one label name per line, label 0 first), or train.parquet, "
    "validation.parquet and test.parquet (columns text, labels, id)"
)
SPLIT_ALIASES = {"train": ("train",), "validation": ("validation", "dev"), "test": ("test",)}


def read_folder(folder: Path, subfolder: str, source: str) -> Dataset:
    """Read the data set in a folder.

    Args:
        folder: holds ``train``, ``validation`` (or ``dev``) and ``test`` as ``.tsv`` or
            ``.parquet``, and ``labels.txt``, which Parquet files with label names do without.
        subfolder: where Parquet files may stand too, as in a clone of a Hub data set.
        source: what the dataset says of its origin.

    Raises:
        DataError: a file is missing, ambiguous or cannot be read as it stands.
    """
    if not folder.is_dir():
        what = "is a file" if folder.is_file() else "does not exist"
        raise DataError(f"{folder} {what}. Give a folder that holds {FOLDER_FORMAT}.")
    tsv = {split: _tsv_candidates(folder, stems) for split, stems in SPLIT_ALIASES.items()}
    parquet = {
        split: _parquet_candidates(folder, subfolder, stems)
        for split, stems in SPLIT_ALIASES.items()
    }
    if any(tsv.values()) and any(parquet.values()):
        raise DataError(
            f"{folder} holds both TSV and Parquet files. Keep one of the two formats in it."
        )
    if any(parquet.values()):
        files = {split: _only(found, split, folder) for split, found in parquet.items()}
        names = _parquet_label_names(folder, files["train"][0])
        from distillora.data.hub_parquet import read_parquet  # pyarrow takes long to import

        splits = {split: read_parquet(paths, len(names)) for split, paths in files.items()}
    else:
        names, splits = _read_tsv_folder(folder, tsv)
    return check_splits(Dataset(splits=splits, label_names=names, source=source))


def _read_tsv_folder(
    folder: Path, candidates: dict[str, list[list[Path]]]
) -> tuple[tuple[str, ...], dict[str, Split]]:
    files = {split: _only(found, split, folder) for split, found in candidates.items()}
    if not (folder / "labels.txt").is_file():
        raise DataError(_missing("labels.txt", folder))
    names = read_label_names(folder / "labels.txt")
    return names, {split: read_tsv(paths[0], len(names)) for split, paths in files.items()}


def _parquet_label_names(folder: Path, file: Path) -> tuple[str, ...]:
    if (folder / "labels.txt").is_file():
        return read_label_names(folder / "labels.txt")
    from distillora.data.hub_parquet import read_schema_label_names

    names = read_schema_label_names(file)
    if names is None:
        raise DataError(
            f"{file} does not name its labels. Write {folder / 'labels.txt'}: "
            "one label name per line, label 0 first."
        )
    return names


def _tsv_candidates(folder: Path, stems: Sequence[str]) -> list[list[Path]]:
    return [[path] for stem in stems if (path := folder / f"{stem}.tsv").is_file()]


def _parquet_candidates(folder: Path, subfolder: str, stems: Sequence[str]) -> list[list[Path]]:
    candidates = []
    for place in (folder, folder / subfolder):
        for stem in stems:
            candidates.append([p for p in (place / f"{stem}.parquet",) if p.is_file()])
            candidates.append(sorted(place.glob(f"{stem}-*.parquet")))
    return [files for files in candidates if files]


def _only(candidates: list[list[Path]], split: str, folder: Path) -> list[Path]:
    if not candidates:
        raise DataError(_missing(f"file of the {split} split", folder))
    if len(candidates) > 1:
        rivals = " and ".join(str(files[0].relative_to(folder)) for files in candidates)
        raise DataError(f"{folder} holds {rivals}: both are the {split} split. Remove one.")
    return candidates[0]


def _missing(what: str, folder: Path) -> str:
    found = sorted(path.name + "/" * path.is_dir() for path in folder.iterdir())
    shown = ", ".join(found[:20]) + (f" and {len(found) - 20} more" if len(found) > 20 else "")
    return f"{folder} has no {what}. It needs {FOLDER_FORMAT}; it has {shown or 'no files'}."


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
