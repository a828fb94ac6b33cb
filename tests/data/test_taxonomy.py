from __future__ import annotations

import pytest

from distillora.data.dataset import Dataset, Split
from distillora.data.labels import EKMAN, SENTIMENT, apply_taxonomy
from distillora.errors import DataError

GOEMOTIONS = (
    *("admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion"),
    *("curiosity", "desire", "disappointment", "disapproval", "disgust", "embarrassment"),
    *("excitement", "fear", "gratitude", "grief", "joy", "love", "nervousness", "optimism"),
    *("pride", "realization", "relief", "remorse", "sadness", "surprise", "neutral"),
)


def dataset_of(*rows: tuple[str, ...], names: tuple[str, ...] = GOEMOTIONS) -> Dataset:
    labels = tuple(tuple(names.index(name) for name in row) for row in rows)
    texts = tuple(f"text {i}" for i in range(len(rows)))
    return Dataset({"train": Split(texts, labels, texts)}, names, "a test")


def labels_of(dataset: Dataset) -> list[tuple[str, ...]]:
    return [tuple(dataset.label_names[i] for i in row) for row in dataset.splits["train"].labels]


@pytest.mark.parametrize(("groups", "count"), [(EKMAN, 7), (SENTIMENT, 4)])
def test_every_emotion_is_in_exactly_one_group(
    groups: dict[str, tuple[str, ...]], count: int
) -> None:
    assert len(groups) == count
    assert sorted(label for group in groups.values() for label in group) == sorted(GOEMOTIONS)


def test_ekman_groups_keep_the_class_first_and_merge_what_meets() -> None:
    dataset = dataset_of(("remorse", "grief", "joy"), ("curiosity",), ("neutral", "love"))
    grouped = apply_taxonomy(dataset, "ekman")
    assert grouped.label_names == tuple(EKMAN)
    assert labels_of(grouped) == [("sadness", "joy"), ("surprise",), ("neutral", "joy")]


def test_sentiment_groups_keep_the_class_first_and_merge_what_meets() -> None:
    dataset = dataset_of(("anger", "relief", "fear"), ("surprise",), ("neutral",))
    grouped = apply_taxonomy(dataset, "sentiment")
    assert labels_of(grouped) == [("negative", "positive"), ("ambiguous",), ("neutral",)]


def test_the_goemotions_taxonomy_leaves_any_data_set_as_it_is() -> None:
    dataset = dataset_of(("spam",), names=("spam", "ham"))
    assert apply_taxonomy(dataset, "goemotions") is dataset


def test_groups_of_emotions_are_refused_for_other_labels() -> None:
    dataset = dataset_of(("spam",), names=("joy", "spam"))
    with pytest.raises(DataError, match=r"label 'spam'.*data\.taxonomy to 'goemotions'"):
        apply_taxonomy(dataset, "ekman")
