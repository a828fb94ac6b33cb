"""The label sets of GoEmotions: 28 emotions, or coarser groups of them.

The groups are those of Demszky et al. 2020 (arXiv 2005.00547) and of the files that the authors
released with it, ``ekman_mapping.json`` and ``sentiment_mapping.json``; ``neutral`` stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Literal

from distillora.data.corpus import Corpus, Split
from distillora.errors import DataError, did_you_mean

Taxonomy = Literal["goemotions", "ekman", "sentiment"]

EKMAN: dict[str, tuple[str, ...]] = {
    "anger": ("anger", "annoyance", "disapproval"),
    "disgust": ("disgust",),
    "fear": ("fear", "nervousness"),
    "joy": (
        *("joy", "amusement", "approval", "excitement", "gratitude", "love"),
        *("optimism", "relief", "pride", "admiration", "desire", "caring"),
    ),
    "sadness": ("sadness", "disappointment", "embarrassment", "grief", "remorse"),
    "surprise": ("surprise", "realization", "confusion", "curiosity"),
    "neutral": ("neutral",),
}
SENTIMENT: dict[str, tuple[str, ...]] = {
    "positive": (
        *("amusement", "excitement", "joy", "love", "desire", "optimism"),
        *("caring", "pride", "admiration", "gratitude", "relief", "approval"),
    ),
    "negative": (
        *("fear", "nervousness", "remorse", "embarrassment", "disappointment", "sadness"),
        *("grief", "disgust", "anger", "annoyance", "disapproval"),
    ),
    "ambiguous": ("realization", "surprise", "curiosity", "confusion"),
    "neutral": ("neutral",),
}
_GROUPS = {"ekman": EKMAN, "sentiment": SENTIMENT}


def are_emotions(labels: Iterable[str]) -> bool:
    """Whether every label is one of GoEmotions' 28 or of their groups."""
    known = {name for groups in _GROUPS.values() for name in chain(groups, *groups.values())}
    return set(labels) <= known


def apply_taxonomy(corpus: Corpus, name: Taxonomy) -> Corpus:
    """Replace each label by its group; labels that meet in a group count once.

    The order within a row stays, so the class of a row is the group of its first label.
    ``goemotions`` leaves any data set as it is.

    Raises:
        DataError: the data set has a label that is none of the 28 of GoEmotions.
    """
    if name == "goemotions":
        return corpus
    groups = _GROUPS[name]
    group_of = {label: i for i, labels in enumerate(groups.values()) for label in labels}
    for label in corpus.label_names:
        if label not in group_of:
            raise DataError(
                f"taxonomy '{name}' is for the labels of GoEmotions, and {corpus.source} has the "
                f"label '{label}'.{did_you_mean(label, group_of)} Set data.taxonomy to "
                "'goemotions', which leaves the labels of any data set as they are."
            )
    mapping = [group_of[label] for label in corpus.label_names]
    splits = {key: _regroup(split, mapping) for key, split in corpus.splits.items()}
    return corpus.with_splits(splits, label_names=tuple(groups))


def _regroup(split: Split, mapping: list[int]) -> Split:
    labels = (tuple(dict.fromkeys(mapping[label] for label in row)) for row in split.labels)
    return Split(split.texts, tuple(labels), split.ids)
