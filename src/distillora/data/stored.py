"""The data of a run: written into the run once, and read from there by every stage.

A compressed file of JSON lines (text, labels, id) for each split and each file of texts without
labels, beside ``about.json``, which holds the rest of the dataset and a hash of each file's rows.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

from distillora.artifacts import write_atomic, write_file_atomic, write_folder_atomic
from distillora.data.dataset import Dataset, Split
from distillora.data.extra_text import ExtraText, ExtraTextRecord
from distillora.errors import IntegrityError

ABOUT = "about.json"


class _StoredText(BaseModel):
    """A file of texts without labels: its name in the folder, and what was read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    record: ExtraTextRecord


class AboutData(BaseModel):
    """The content of ``about.json``.

    ``sha256`` maps each split to the hash of its rows, ``extra`` the path of each file of texts
    without labels, as recipes name it, to its copy.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label_names: tuple[str, ...]
    source: str
    dropped_from_train: int
    notes: tuple[str, ...]
    sha256: dict[str, str]
    extra: dict[str, _StoredText]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read it from a folder of stored data.

        Raises:
            IntegrityError: it is missing or damaged.
        """
        try:
            return cls.model_validate_json((folder / ABOUT).read_bytes())
        except (OSError, ValueError) as error:
            raise _damaged(folder, str(error)) from error


def is_stored(folder: Path) -> bool:
    """Whether a folder holds the data of a run."""
    return (folder / ABOUT).is_file()


def store_data(folder: Path, dataset: Dataset, extra: Mapping[Path, ExtraText]) -> None:
    """Write a dataset and its texts without labels into a folder, atomically."""
    stored = {
        str(path): _StoredText(file=f"extra-{number}.jsonl.gz", record=found.record)
        for number, (path, found) in enumerate(extra.items())
    }
    about = AboutData(
        label_names=dataset.label_names,
        source=dataset.source,
        dropped_from_train=dataset.dropped_from_train,
        notes=dataset.notes,
        sha256={name: split.sha256 for name, split in dataset.splits.items()},
        extra=stored,
    )

    def write(part: Path) -> None:
        for name, split in dataset.splits.items():
            _write_rows(part / f"{name}.jsonl.gz", split)
        for path, found in extra.items():
            _write_rows(part / stored[str(path)].file, found.rows)
        write_atomic(part / ABOUT, about.model_dump_json(indent=1))

    write_folder_atomic(folder, write)


def read_stored(folder: Path) -> tuple[Dataset, dict[Path, ExtraText]]:
    """Read what ``store_data`` wrote.

    Raises:
        IntegrityError: a file is missing or damaged, or its rows have another hash.
    """
    about = AboutData.read(folder)
    splits = {
        name: _read_rows(folder / f"{name}.jsonl.gz", digest)
        for name, digest in about.sha256.items()
    }
    dataset = Dataset(
        splits, about.label_names, about.source, about.dropped_from_train, about.notes
    )
    extra = {
        Path(path): ExtraText(_read_rows(folder / own.file, own.record.sha256), own.record)
        for path, own in about.extra.items()
    }
    return dataset, extra


def _write_rows(path: Path, split: Split) -> None:
    # escaped, so that lone surrogates, which UTF-8 cannot encode, are kept
    lines = (
        f"{json.dumps(row)}\n" for row in zip(split.texts, split.labels, split.ids, strict=True)
    )
    raw = gzip.compress("".join(lines).encode(), compresslevel=6, mtime=0)
    write_file_atomic(path, lambda part: part.write_bytes(raw))


def _read_rows(path: Path, digest: str) -> Split:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            rows = [json.loads(line) for line in stream]
        split = Split(
            tuple(text for text, _, _ in rows),
            tuple(tuple(labels) for _, labels, _ in rows),
            tuple(id_ for _, _, id_ in rows),
        )
        found = split.sha256
    except (OSError, EOFError, ValueError, TypeError, zlib.error) as error:
        raise _damaged(path, str(error)) from error
    if found != digest:
        raise _damaged(path, f"its rows have the SHA-256 {found} instead of {digest}")
    return split


def _damaged(path: Path, reason: str) -> IntegrityError:
    return IntegrityError(
        f"{path} does not hold the data of this run: {reason}. Run `distillora compare` into "
        "another folder."
    )
