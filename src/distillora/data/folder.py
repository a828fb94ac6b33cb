"""A data set in a folder of the user's own: TSV, or Parquet as the Hub stores it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from distillora.data.checks import check_splits
from distillora.data.corpus import Corpus, Split
from distillora.data.parquet import read_parquet, read_schema_label_names
from distillora.data.tsv import read_label_names, read_tsv
from distillora.errors import DataError

FOLDER_FORMAT = (
    "train.tsv, dev.tsv and test.tsv (text TAB comma-separated label numbers TAB id, no header) "
    "with labels.txt (one label name per line, label 0 first), or train.parquet, "
    "validation.parquet and test.parquet (columns text, labels, id)"
)
SPLIT_ALIASES = {"train": ("train",), "validation": ("validation", "dev"), "test": ("test",)}


def read_folder(folder: Path, subfolder: str, source: str) -> Corpus:
    """Read the data set in a folder.

    Args:
        folder: holds ``train``, ``validation`` (or ``dev``) and ``test`` as ``.tsv`` or
            ``.parquet``, and ``labels.txt``, which Parquet files with label names do without.
        subfolder: where Parquet files may stand too, as in a clone of a Hub data set.
        source: what the corpus says of its origin.

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
        splits = {split: read_parquet(paths, len(names)) for split, paths in files.items()}
    else:
        names, splits = _read_tsv_folder(folder, tsv)
    return check_splits(Corpus(splits=splits, label_names=names, source=source))


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
