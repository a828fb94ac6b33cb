"""What every reader checks, so that each format refuses the same mistakes in the same words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from distillora.data.corpus import SPLIT_NAMES, Corpus
from distillora.errors import DataError


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


def check_splits(corpus: Corpus) -> Corpus:
    """Return the corpus as it is.

    Raises:
        DataError: a split is empty.
    """
    for name in SPLIT_NAMES:
        if not len(corpus.splits[name]):
            raise DataError(
                f"The {name} split of {corpus.source} has no rows. "
                "Training needs rows in each of train, validation and test."
            )
    return corpus
