"""Splits: the words and files that name one, and the draw that divides rows into them."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from distillora.data.dataset import SPLIT_NAMES
from distillora.errors import DataError

T = TypeVar("T")

SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "development"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""The words that may name a split in a column or a file name."""


def split_called(word: object) -> str | None:
    """Return the split that a word names, None if it names none."""
    return SPLIT_WORDS.get(str(word).strip().casefold())


def find_split_files(folder: Path, extensions: Collection[str]) -> dict[str, list[Path]]:
    """Return split -> the files in a folder that are named after it, such as ``dev.csv``."""
    found: dict[str, list[Path]] = {split: [] for split in SPLIT_NAMES}
    for path in sorted(folder.iterdir()):
        split = split_called(path.stem)
        if split is not None and path.suffix.lower() in extensions and path.is_file():
            found[split].append(path)
    return found


def only_one(found: Sequence[T], names: Sequence[str], split: str, folder: Path) -> T:
    """Return the only candidate for a split.

    Raises:
        DataError: there are several.
    """
    if len(found) > 1:
        raise DataError(
            f"{folder} contains {' and '.join(names)}: both are the {split} split. Remove one."
        )
    return found[0]


FEWEST_TEXTS = 3
"""A label with fewer different texts cannot be in all three splits, so it stays in the first."""


@dataclass(frozen=True)
class _Group:
    """The rows that have one text, and how many of them carry each label."""

    rows: tuple[int, ...]
    labels: Counter[int]


def draw_splits(
    texts: Sequence[str],
    labels: Sequence[Sequence[int]],
    shares: Mapping[str, float],
    seed: int,
) -> dict[str, list[int]]:
    """Divide rows into splits, stratified by label, the same way on any machine.

    Iterative stratification (Sechidis et al. 2011, On the stratification of multi-label data): the
    label with the fewest rows left is assigned first, each text to the split that still needs
    most rows of that label. For single-label rows this is plain stratification: the rows of a label
    in a split are within one of its share. Two things differ from the paper:

    - Texts that differ only in case and white space stay together, whatever their labels.
    - Every split gets at least one text of a label that has three or more, so that its quality can
      be measured. Labels with fewer texts stay in the first split.

    A hash of seed and text decides which texts come first, not a random generator, so that neither
    the order of the rows nor the version of a library changes the splits.

    Args:
        texts: one a row.
        labels: the label numbers of each row.
        shares: split -> share of the rows, adding up to 1; the training split first.
        seed: another seed gives other splits.

    Returns:
        Split -> row numbers, in the order of the hash.
    """
    groups = _group_rows(texts, labels, seed)
    wanted = _wanted_rows(groups, shares)
    room = {split: share * len(texts) for split, share in shares.items()}
    drawn: dict[str, list[_Group]] = {split: [] for split in shares}
    waiting = _groups_of_labels(groups)
    unassigned = {id(group) for group in groups}
    while waiting:
        label = min(waiting, key=lambda one: (waiting[one][0], one))
        for group in waiting.pop(label)[1]:
            if id(group) not in unassigned:
                continue
            unassigned.remove(id(group))
            split = _neediest(wanted, room, label)
            drawn[split].append(group)
            room[split] -= len(group.rows)
            for other, rows in group.labels.items():
                wanted[split][other] -= rows
                if other in waiting:
                    left, members = waiting[other]
                    waiting[other] = (left - rows, members)
    rank = {id(group): i for i, group in enumerate(groups)}
    return {
        split: [row for group in sorted(own, key=lambda g: rank[id(g)]) for row in group.rows]
        for split, own in drawn.items()
    }


def text_key(text: str) -> str:
    """Return a key that is equal for texts that differ only in case and white space."""
    return " ".join(text.split()).casefold()


def _group_rows(texts: Sequence[str], labels: Sequence[Sequence[int]], seed: int) -> list[_Group]:
    rows_of: defaultdict[str, list[int]] = defaultdict(list)
    for row, text in enumerate(texts):
        rows_of[text_key(text)].append(row)

    def order(key: str) -> bytes:
        return hashlib.sha256(f"{seed}\n{key}".encode(errors="surrogatepass")).digest()

    return [
        _Group(tuple(rows_of[key]), Counter(one for row in rows_of[key] for one in labels[row]))
        for key in sorted(rows_of, key=order)
    ]


def _groups_of_labels(groups: Sequence[_Group]) -> dict[int, tuple[int, list[_Group]]]:
    """Return label -> number of its rows that are not assigned yet, and its groups in order."""
    members: defaultdict[int, list[_Group]] = defaultdict(list)
    for group in groups:
        for label in group.labels:
            members[label].append(group)
    return {
        label: (sum(group.labels[label] for group in own), own) for label, own in members.items()
    }


def _wanted_rows(
    groups: Sequence[_Group], shares: Mapping[str, float]
) -> dict[str, dict[int, float]]:
    """Return split -> label -> how many rows with the label it should get."""
    first, *others = shares
    wanted: dict[str, dict[int, float]] = {split: {} for split in shares}
    for label, (rows, members) in _groups_of_labels(groups).items():
        enough = len(members) >= FEWEST_TEXTS
        for split in others:
            wanted[split][label] = max(shares[split] * rows, 1.0) if enough else 0.0
        wanted[first][label] = rows - sum(wanted[split][label] for split in others)
    return wanted


def _neediest(
    wanted: Mapping[str, Mapping[int, float]], room: Mapping[str, float], label: int
) -> str:
    # rounded, so that rounding errors do not break ties; of equals, the first wins
    return max(room, key=lambda split: (round(wanted[split][label], 6), round(room[split], 6)))
