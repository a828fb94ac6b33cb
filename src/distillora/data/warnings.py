"""What in a data set deserves a second look, in words, although it can be used as it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from distillora.data.corpus import Corpus
from distillora.data.splitting import text_key
from distillora.readers.rows import shown

_SHOWN = 5
_SEPARATORS = ("|", ";", ",", "/")


def find_warnings(corpus: Corpus) -> tuple[str, ...]:
    """Return what its reader noted, and what its labels look like, a sentence or two each."""
    return (
        *corpus.notes,
        *_lookalikes(corpus.label_names),
        *_lists_as_text(corpus.label_names),
        *_unsplit_labels(corpus.label_names),
        *_absent_labels(corpus),
    )


def name_some(names: Iterable[str]) -> str:
    """Return the first few names in quotes, and how many more there are."""
    every = [f"'{shown(name, 40)}'" for name in names]
    more = f" and {len(every) - _SHOWN:,} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + more


def _lookalikes(names: Sequence[str]) -> Iterator[str]:
    same: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        same[text_key(name)].append(name)
    for group in same.values():
        if len(group) > 1:
            yield (
                f"The labels {name_some(group)} differ in case or white space alone and count as "
                f"{len(group)} labels. If they are one, write them alike."
            )


def _lists_as_text(names: Sequence[str]) -> Iterator[str]:
    lists = [name for name in names if name.startswith("[") and name.endswith("]")]
    if len(lists) * 2 > len(names):
        yield (
            f"Labels such as '{shown(lists[0], 40)}' are lists written as text, and each counts as "
            "one label. Write their names apart by a separator, and say which: --label-separator."
        )


def _unsplit_labels(names: Sequence[str]) -> Iterator[str]:
    known = set(names)
    for separator in _SEPARATORS:
        joined = [
            name
            for name in names
            if separator in name and {part.strip() for part in name.split(separator)} <= known
        ]
        if joined:
            yield (
                f"Labels such as '{shown(joined[0], 40)}' look like several: each of their parts "
                f"is a label, too. To split them: --label-separator '{separator}'."
            )


def _absent_labels(corpus: Corpus) -> Iterator[str]:
    """Tell which labels a split has no row of."""
    for split, meaning in (
        ("train", "they cannot be learnt"),
        ("validation", "nothing can be chosen for their sake"),
        ("test", "nothing shows how well they are learnt"),
    ):
        present = {label for row in corpus.splits[split].labels for label in row}
        absent = [name for i, name in enumerate(corpus.label_names) if i not in present]
        if absent:
            what = f"The {split} split has no row of {len(absent):,} of the labels"
            yield f"{what} ({name_some(absent)}): {meaning}."
