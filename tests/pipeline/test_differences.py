"""What a message says of rows that changed, against rows whose fate is known."""

from __future__ import annotations

from distillora.data.dataset import Dataset, Split
from distillora.data.labelled import RawRow, build_dataset
from distillora.pipeline.fingerprint import describe_division, describe_rows
from distillora.recipe import Data


def split_of(*texts: str, labels: str = "") -> Split:
    own = tuple((int(label),) for label in labels) or ((0,),) * len(texts)
    return Split(texts, own, tuple(map(str, range(len(texts)))))


def dataset_of(train: str, validation: str, test: str) -> Dataset:
    """Make a dataset of texts of one letter."""
    splits = {"train": train, "validation": validation, "test": test}
    return Dataset({name: split_of(*texts) for name, texts in splits.items()}, ("x",), "letters")


def table_of(rows: list[int]) -> Dataset:
    """Read rows of a table without a split column, in two classes."""
    cells = [
        RawRow(f"line {n}", f"row-{n}", f"text number {row}", "ab"[row % 2], None)
        for n, row in enumerate(rows, 1)
    ]
    return build_dataset(cells, Data(source="table"), "a table", label_column="label")


def test_rows_of_one_split_are_compared_in_the_order_of_what_matters() -> None:
    old = split_of("a", "b", "c", labels="012")
    assert describe_rows(old, split_of("a", "b", "d", labels="012")) == "1 of 3 texts differ"
    assert describe_rows(old, split_of("a", "b", "c", labels="022")) == (
        "1 of 3 rows have other labels"
    )
    assert describe_rows(old, split_of("b", "a", "c", labels="012")) == (
        "the same 3 rows in another order"
    )
    assert describe_rows(old, split_of("a", "d", labels="01")) == (
        "3 -> 2 rows (2 texts removed, 1 added)"
    )


def test_texts_that_change_sides_are_a_new_division() -> None:
    before = dataset_of("abcdef", "gh", "ij")
    assert describe_division(before, dataset_of("abcdeg", "fh", "ij")) == (
        "the splits changed: 2 of the same 10 texts are in another split"
    )
    assert describe_division(before, dataset_of("abcdefk", "g", "hij")) == (
        "the splits changed: 1 of 10 texts is in another split (0 removed, 1 added)"
    )


def test_edited_added_and_removed_texts_are_no_new_division() -> None:
    before = dataset_of("abcdef", "gh", "ij")
    for now in (
        dataset_of("abcdeX", "gh", "ij"),
        dataset_of("abcde", "gh", "ij"),
        dataset_of("fedcba", "gh", "ij"),
        dataset_of("UVWXYZg", "ST", "ij"),  # other data, in which one text is at another place
    ):
        assert describe_division(before, now) is None


def test_of_equal_texts_as_many_as_possible_stayed() -> None:
    before = dataset_of("aaab", "ac", "d")
    assert describe_division(before, dataset_of("aab", "aac", "d")) == (
        "the splits changed: 1 of the same 7 texts is in another split"
    )


def test_one_row_more_in_a_table_moves_what_the_message_says() -> None:
    rows = list(range(100))
    before = table_of(rows)
    told = 0
    for added in range(100, 130):
        now = table_of([*rows, added])
        sides = [
            {text: name for name, split in dataset.splits.items() for text in split.texts}
            for dataset in (before, now)
        ]
        moved = sum(sides[0][text] != sides[1][text] for text in sides[0])
        said = describe_division(before, now)
        assert (said is None) == (moved == 0)
        if said is not None:
            told += 1
            assert f"{moved} of 100 texts" in said and "(0 removed, 1 added)" in said
    assert told
