"""Dividing rows into splits: stratified by label, equal texts together, the same on any machine."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FEWEST_TEXTS = 3
"""A label with fewer different texts cannot be in each of three splits: it stays in the first."""


@dataclass(frozen=True)
class _Group:
    """Rows of one text, and how many of them carry each label."""

    rows: tuple[int, ...]
    labels: Counter[int]


def draw_splits(
    texts: Sequence[str],
    labels: Sequence[Sequence[int]],
    shares: Mapping[str, float],
    seed: int,
) -> dict[str, list[int]]:
    """Divide rows into splits in which each label has its share.

    Iterative stratification (Sechidis et al. 2011, On the stratification of multi-label data): the
    label with the fewest rows left is dealt out first, each text to the split that still wants
    most of that label. For single-label rows that is plain stratification, each label's rows in a
    split within one of its share. Two things differ from the paper:

    - Texts that are equal but for case and white space stay together, whatever their labels.
    - Each split but the first wants at least one text of a label that has three or more, or
      nothing could be said of how well it is learnt. Labels with fewer stay in the first split.

    What is dealt first is decided by a hash of seed and text, not by a random generator, so that
    neither the order of the rows nor the version of a library changes the splits.

    Args:
        texts: one a row.
        labels: the label numbers of each row.
        shares: split -> share of the rows, adding up to 1; the training split first.
        seed: of the draw.

    Returns:
        Split -> row numbers, in the order of the hash.
    """
    groups = _group_rows(texts, labels, seed)
    wanted = _wanted_rows(groups, shares)
    room = {split: share * len(texts) for split, share in shares.items()}
    drawn: dict[str, list[_Group]] = {split: [] for split in shares}
    waiting = _groups_of_labels(groups)
    undealt = {id(group) for group in groups}
    while waiting:
        label = min(waiting, key=lambda one: (waiting[one][0], one))
        for group in waiting.pop(label)[1]:
            if id(group) not in undealt:
                continue
            undealt.remove(id(group))
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
    """Return what two texts share that are equal but for case and white space."""
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
    """Return label -> rows that are not dealt out yet, and its groups in their order."""
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
    # rounded, so that a tie is one in spite of the arithmetic; of equals, the first wins
    return max(room, key=lambda split: (round(wanted[split][label], 6), round(room[split], 6)))
