"""The texts of a data set and their labels, in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

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
    """A data set: its splits, the names of its labels, and where it came from.

    Attributes:
        splits: ``train``, ``validation`` and ``test``.
        label_names: label 0 first.
        source: where the data came from, in words (folder, Hub id and revision, bundled sample).
        dropped_from_train: training rows left out because their text is in validation or test.
        notes: what its reader decided or left out, in words, for the audit.
    """

    splits: Mapping[str, Split]
    label_names: tuple[str, ...]
    source: str
    dropped_from_train: int = 0
    notes: tuple[str, ...] = ()

    def with_splits(self, splits: Mapping[str, Split], **changes: object) -> Dataset:
        """Return a copy with other splits."""
        return replace(self, splits=dict(splits), **changes)  # type: ignore[arg-type]
