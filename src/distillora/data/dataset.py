"""The texts of a data set and their labels, in memory."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from distillora.errors import DataError

SPLIT_NAMES = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Rows of one split.

    Attributes:
        texts: one string a row.
        labels: the label numbers of each row, the class first; at least one.
        ids: one identifier a row.
    """

    texts: tuple[str, ...]
    labels: tuple[tuple[int, ...], ...]
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def sha256(self) -> str:
        """Hash of texts, labels and ids, in order."""
        digest = hashlib.sha256()
        for row in zip(self.texts, self.labels, self.ids, strict=True):
            digest.update(json.dumps(row).encode())
        return digest.hexdigest()

    def take(self, rows: list[int]) -> Split:
        """Return the rows with these numbers, in this order."""
        return Split(
            tuple(self.texts[i] for i in rows),
            tuple(self.labels[i] for i in rows),
            tuple(self.ids[i] for i in rows),
        )

    def classes(self) -> npt.NDArray[np.int64]:
        """Return the class of each row, its first label; shape (rows,)."""
        return np.array([row[0] for row in self.labels], dtype=np.int64)

    def multi_hot(self, n_labels: int) -> npt.NDArray[np.float32]:
        """Return 1 where a row has a label, else 0; shape (rows, n_labels)."""
        matrix = np.zeros((len(self), n_labels), dtype=np.float32)
        for i, row in enumerate(self.labels):
            matrix[i, list(row)] = 1.0
        return matrix


@dataclass(frozen=True)
class Dataset:
    """A data set: its splits, the names of its labels, and where it was read.

    Attributes:
        splits: ``train``, ``validation`` and ``test``.
        label_names: label 0 first.
        source: where the data came from, in words (folder, Hub id and revision, bundled sample).
        dropped_from_train: training rows left out because validation or test has their text.
        notes: what its reader decided or left out, in words, for the audit to tell.
    """

    splits: Mapping[str, Split]
    label_names: tuple[str, ...]
    source: str
    dropped_from_train: int = 0
    notes: tuple[str, ...] = ()

    def with_splits(self, splits: Mapping[str, Split], **changes: object) -> Dataset:
        """Return a copy with other splits."""
        return replace(self, splits=dict(splits), **changes)  # type: ignore[arg-type]


def excerpt(text: str, width: int = 60) -> str:
    """Return the start of a text in quotes, control characters escaped."""
    return repr(text[:width]) + ("..." if len(text) > width else "")


def check_label_names(names: Sequence[str], where: str) -> tuple[str, ...]:
    """Return the label names, label 0 first.

    Raises:
        DataError: there is none, one is empty, or one stands twice.
    """
    if not names:
        raise DataError(f"{where} names no labels. Write one label name per line, label 0 first.")
    for number, name in enumerate(names):
        if not name:
            raise DataError(
                f"{where}: label {number} has no name. Write one name per line without blank "
                "lines between them, since the line is the label's number."
            )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{where}: '{twice[0]}' stands more than once. Give each label its name.")
    return tuple(names)


def check_row_labels(
    numbers: Iterable[int], n_labels: int, where: str, text: str
) -> tuple[int, ...]:
    """Return a row's label numbers, each once, in their order.

    Raises:
        DataError: there is none, or one is not in 0 .. n_labels - 1.
    """
    labels = tuple(dict.fromkeys(numbers))
    if not labels:
        raise DataError(
            f"{where}: the row {excerpt(text)} has no label. Give it at least one label number."
        )
    for number in labels:
        if not 0 <= number < n_labels:
            raise DataError(
                f"{where}: the row {excerpt(text)} has label {number}, but there are {n_labels} "
                f"label names, 0 to {n_labels - 1}. Correct the row or add the name."
            )
    return labels


def check_splits(dataset: Dataset) -> Dataset:
    """Return the dataset as it is.

    Raises:
        DataError: a split is empty.
    """
    for name in SPLIT_NAMES:
        if not len(dataset.splits[name]):
            raise DataError(
                f"The {name} split of {dataset.source} has no rows. "
                "Training needs rows in each of train, validation and test."
            )
    return dataset
