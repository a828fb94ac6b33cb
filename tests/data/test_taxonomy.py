from __future__ import annotations

import pytest

from distillora.data.corpus import Corpus, Split
from distillora.data.taxonomy import EKMAN, SENTIMENT, apply_taxonomy
from distillora.errors import DataError

GOEMOTIONS = (
    *("admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion"),
    *("curiosity", "desire", "disappointment", "disapproval", "disgust", "embarrassment"),
    *("excitement", "fear", "gratitude", "grief", "joy", "love", "nervousness", "optimism"),
    *("pride", "realization", "relief", "remorse", "sadness", "surprise", "neutral"),
)


def corpus_of(*rows: tuple[str, ...], names: tuple[str, ...] = GOEMOTIONS) -> Corpus:
    labels = tuple(tuple(names.index(name) for name in row) for row in rows)
    texts = tuple(f"text {i}" for i in range(len(rows)))
    return Corpus({"train": Split(texts, labels, texts)}, names, "a test")


def labels_of(corpus: Corpus) -> list[tuple[str, ...]]:
    return [tuple(corpus.label_names[i] for i in row) for row in corpus.splits["train"].labels]


@pytest.mark.parametrize(("groups", "count"), [(EKMAN, 7), (SENTIMENT, 4)])
def test_every_emotion_is_in_exactly_one_group(
    groups: dict[str, tuple[str, ...]], count: int
) -> None:
    assert len(groups) == count
    assert sorted(label for group in groups.values() for label in group) == sorted(GOEMOTIONS)


def test_ekman_groups_keep_the_class_first_and_merge_what_meets() -> None:
    corpus = corpus_of(("remorse", "grief", "joy"), ("curiosity",), ("neutral", "love"))
    grouped = apply_taxonomy(corpus, "ekman")
    assert grouped.label_names == tuple(EKMAN)
    assert labels_of(grouped) == [("sadness", "joy"), ("surprise",), ("neutral", "joy")]


def test_sentiment_groups_keep_the_class_first_and_merge_what_meets() -> None:
    corpus = corpus_of(("anger", "relief", "fear"), ("surprise",), ("neutral",))
    grouped = apply_taxonomy(corpus, "sentiment")
    assert labels_of(grouped) == [("negative", "positive"), ("ambiguous",), ("neutral",)]


def test_the_goemotions_taxonomy_leaves_any_data_set_as_it_is() -> None:
    corpus = corpus_of(("spam",), names=("spam", "ham"))
    assert apply_taxonomy(corpus, "goemotions") is corpus


def test_groups_of_emotions_are_refused_for_other_labels() -> None:
    corpus = corpus_of(("spam",), names=("joy", "spam"))
    with pytest.raises(DataError, match=r"label 'spam'.*data\.taxonomy to 'goemotions'"):
        apply_taxonomy(corpus, "ekman")
