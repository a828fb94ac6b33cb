from __future__ import annotations

from collections import Counter

import numpy as np
from sklearn.datasets import make_multilabel_classification
from sklearn.model_selection import train_test_split

from distillora.data.splits import draw_splits

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


def imbalanced(rows: int = 1000) -> tuple[list[str], list[tuple[int, ...]]]:
    random = np.random.default_rng(5)
    classes = random.choice(5, rows, p=(0.5, 0.3, 0.15, 0.04, 0.01))
    return [f"text {i}" for i in range(rows)], [(int(one),) for one in classes]


def test_each_class_has_its_share_as_in_scikit_learn() -> None:
    texts, labels = imbalanced()
    ours = draw_splits(texts, labels, SHARES, seed=0)
    classes = np.array(labels)[:, 0]
    train, rest = train_test_split(
        np.arange(len(texts)), train_size=0.8, stratify=classes, random_state=0
    )
    for own, theirs in ((ours["train"], train), (ours["validation"] + ours["test"], rest)):
        counts = np.bincount(classes[own], minlength=5) - np.bincount(classes[theirs], minlength=5)
        assert np.abs(counts).max() <= 1
    assert sorted(row for own in ours.values() for row in own) == list(range(1000))


def test_rows_of_several_labels_keep_the_share_of_each() -> None:
    _, matrix = make_multilabel_classification(
        2000, n_classes=12, n_labels=2, allow_unlabeled=False, random_state=0
    )
    labels = [tuple(np.flatnonzero(row).tolist()) for row in matrix]
    texts = [f"text {i}" for i in range(len(labels))]
    drawn = draw_splits(texts, labels, SHARES, seed=1)
    for split, share in SHARES.items():
        assert abs(len(drawn[split]) - share * len(texts)) <= 0.01 * len(texts)
        counts = matrix[drawn[split]].sum(axis=0)
        assert np.abs(counts - share * matrix.sum(axis=0)).max() <= 2


def test_equal_texts_stay_together_even_with_different_labels() -> None:
    texts = [f"{'Text' if i % 2 else ' text '}  {i // 4}" for i in range(400)]
    labels = [(i % 3,) for i in range(400)]
    drawn = draw_splits(texts, labels, SHARES, seed=0)
    keys = {split: {i // 4 for i in own} for split, own in drawn.items()}
    assert not keys["train"] & keys["test"] | keys["train"] & keys["validation"]
    assert not keys["test"] & keys["validation"]
    assert abs(len(drawn["test"]) - 40) <= 4  # a group more or less


def test_a_label_with_three_texts_is_in_every_split_and_one_with_fewer_in_train() -> None:
    texts, labels = imbalanced(300)
    texts += [f"rare {i}" for i in range(3)] + ["rarer", "rarer still", "rarest"]
    labels += [(5,)] * 3 + [(6,)] * 2 + [(7,)]
    drawn = draw_splits(texts, labels, SHARES, seed=3)
    found = {split: Counter(labels[row][0] for row in own) for split, own in drawn.items()}
    assert [found[split][5] for split in SHARES] == [1, 1, 1]
    assert [found[split][6] for split in SHARES] == [2, 0, 0]
    assert [found[split][7] for split in SHARES] == [1, 0, 0]


def test_the_draw_depends_on_seed_and_texts_but_not_on_the_order_of_rows() -> None:
    texts, labels = imbalanced()
    first = draw_splits(texts, labels, SHARES, seed=0)
    backwards = draw_splits(texts[::-1], labels[::-1], SHARES, seed=0)
    assert [texts[i] for i in first["test"]] == [texts[::-1][i] for i in backwards["test"]]
    assert first["test"] != draw_splits(texts, labels, SHARES, seed=1)["test"]
