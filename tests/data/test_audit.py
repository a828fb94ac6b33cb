from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from distillora.data.audit import AuditRecord, audit_dataset, format_audit
from distillora.data.dataset import Dataset, Split
from distillora.data.sources import drop_shared_texts, read_dataset
from distillora.recipe import Data

GOEMOTIONS = Path(__file__).parents[3] / "shared" / "data" / "goemotions"


def make_split(*rows: tuple[str, tuple[int, ...]]) -> Split:
    texts, labels = zip(*rows, strict=True)
    return Split(texts, labels, tuple(map(str, range(len(rows)))))


@pytest.fixture
def dataset() -> Dataset:
    return Dataset(
        {
            "train": make_split(
                ("a", (0,)), ("a", (0, 1)), ("a", (1,)), ("b", (0,)), ("c", (0,)), ("c", (0,))
            ),
            "validation": make_split(("b", (1,)), ("b", (1,)), (" \t", (2,)), ("d\x00", (2,))),
            "test": make_split(
                ("a", (0, 1, 2)), ("d\x00", (2,)), ("e\n\tf", (1,)), ("\ud83d", (1,))
            ),
        },
        ("[joy]", "anger", "neutral"),
        "a test",
    )


def test_rows_labels_and_classes_are_counted(dataset: Dataset) -> None:
    audit = audit_dataset(dataset, None, max_length=8)
    assert audit.labels == ("[joy]", "anger", "neutral")
    assert audit.splits["train"].rows == 6
    assert audit.splits["train"].labels_per_row == {1: 5, 2: 1}
    assert audit.splits["test"].labels_per_row == {1: 3, 3: 1}
    assert audit.splits["train"].class_counts == {"[joy]": 5, "anger": 2, "neutral": 0}


def test_a_text_that_stands_n_times_is_n_minus_1_duplicates(dataset: Dataset) -> None:
    audit = audit_dataset(dataset, None, max_length=8)
    duplicates = {name: split.duplicate_texts for name, split in audit.splits.items()}
    assert duplicates == {"train": 3, "validation": 1, "test": 0}


def test_shared_texts_count_the_rows_of_the_later_split(dataset: Dataset) -> None:
    audit = audit_dataset(dataset, None, max_length=8)
    assert audit.shared_texts == {
        "validation in train": 2,
        "test in train": 1,
        "test in validation": 1,
    }


def test_empty_texts_and_odd_characters_are_counted(dataset: Dataset) -> None:
    audit = audit_dataset(dataset, None, max_length=8)
    assert [split.empty_texts for split in audit.splits.values()] == [0, 1, 0]
    # a tab or a newline is not odd; NUL and a lone surrogate are
    assert [split.odd_characters for split in audit.splits.values()] == [0, 1, 2]


def test_lengths_are_measured_before_truncation(dataset: Dataset) -> None:
    lengths = {name: np.arange(1, len(split) + 1) for name, split in dataset.splits.items()}
    lengths["train"] = np.array([3, 3, 4, 5, 9, 12])
    record = audit_dataset(dataset, lengths, max_length=8).splits["train"].lengths
    assert record is not None
    assert record.mean == pytest.approx(6.0)
    assert (record.p50, record.p95, record.p99, record.longest) == (4, 12, 12, 12)
    assert record.truncated == 2


def test_without_a_tokenizer_lengths_are_missing(dataset: Dataset) -> None:
    audit = audit_dataset(dataset, None, max_length=8)
    assert all(split.lengths is None for split in audit.splits.values())


def test_an_audit_survives_being_written_and_read(dataset: Dataset) -> None:
    lengths = {name: np.arange(1, len(split) + 1) for name, split in dataset.splits.items()}
    audit = audit_dataset(dataset, lengths, max_length=2)
    assert AuditRecord.model_validate_json(audit.model_dump_json()) == audit


def test_the_printed_audit_shows_every_split_label_and_shared_pair(dataset: Dataset) -> None:
    console = Console(width=100, file=io.StringIO(), record=True)
    lengths = {name: np.arange(1, len(split) + 1) for name, split in dataset.splits.items()}
    console.print(format_audit(audit_dataset(dataset, lengths, max_length=2)))
    text = console.export_text()
    for word in ("train", "validation", "[joy]", "truncated texts", "test in train", "16.7%"):
        assert word in text


@pytest.mark.skipif(not GOEMOTIONS.is_dir(), reason="the GoEmotions release is not here")
def test_the_audit_of_goemotions_finds_what_is_known_of_it() -> None:
    dataset = read_dataset(Data(source="folder", path=GOEMOTIONS))
    audit = audit_dataset(dataset, None, max_length=128)
    train, test = audit.splits["train"], audit.splits["test"]
    assert train.duplicate_texts == 183
    assert 1 - train.labels_per_row[1] / train.rows == pytest.approx(0.164, abs=0.0005)
    assert audit.shared_texts["test in train"] == 37
    rare = {name: test.class_counts[name] for name in ("grief", "relief", "pride", "nervousness")}
    assert rare == {"grief": 6, "relief": 11, "pride": 16, "nervousness": 23}
    left = audit_dataset(drop_shared_texts(dataset), None, max_length=128)
    assert left.shared_texts["test in train"] == left.shared_texts["validation in train"] == 0
