"""What a message says of rows that changed, against rows whose fate is known."""

from __future__ import annotations

from distillora.data.corpus import Corpus, Split
from distillora.data.examples import Cells, build_corpus
from distillora.pipeline.differences import describe_division, describe_rows
from distillora.recipe import Data


def split_of(*texts: str, labels: str = "") -> Split:
    own = tuple((int(label),) for label in labels) or ((0,),) * len(texts)
    return Split(texts, own, tuple(map(str, range(len(texts)))))


def corpus_of(train: str, validation: str, test: str) -> Corpus:
    """Make a corpus of texts of one letter."""
    splits = {"train": train, "validation": validation, "test": test}
    return Corpus({name: split_of(*texts) for name, texts in splits.items()}, ("x",), "letters")


def table_of(rows: list[int]) -> Corpus:
    """Read rows of a table without a split column, in two classes."""
    cells = [
        Cells(f"line {n}", f"row-{n}", f"text number {row}", "ab"[row % 2], None)
        for n, row in enumerate(rows, 1)
    ]
    return build_corpus(cells, Data(source="table"), "a table", label_column="label")


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
    before = corpus_of("abcdef", "gh", "ij")
    assert describe_division(before, corpus_of("abcdeg", "fh", "ij")) == (
        "the rows were divided anew: 2 of the same 10 texts are in another split"
    )
    assert describe_division(before, corpus_of("abcdefk", "g", "hij")) == (
        "the rows were divided anew: 1 of 10 texts is in another split (0 removed, 1 added)"
    )


def test_edited_added_and_removed_texts_are_no_new_division() -> None:
    before = corpus_of("abcdef", "gh", "ij")
    for now in (
        corpus_of("abcdeX", "gh", "ij"),
        corpus_of("abcde", "gh", "ij"),
        corpus_of("fedcba", "gh", "ij"),
        corpus_of("UVWXYZg", "ST", "ij"),  # other data, in which one text is at another place
    ):
        assert describe_division(before, now) is None


def test_of_equal_texts_as_many_as_possible_stayed() -> None:
    before = corpus_of("aaab", "ac", "d")
    assert describe_division(before, corpus_of("aab", "aac", "d")) == (
        "the rows were divided anew: 1 of the same 7 texts is in another split"
    )


def test_one_row_more_in_a_table_moves_what_the_message_says() -> None:
    rows = list(range(100))
    before = table_of(rows)
    told = 0
    for added in range(100, 130):
        now = table_of([*rows, added])
        sides = [
            {text: name for name, split in corpus.splits.items() for text in split.texts}
            for corpus in (before, now)
        ]
        moved = sum(sides[0][text] != sides[1][text] for text in sides[0])
        said = describe_division(before, now)
        assert (said is None) == (moved == 0)
        if said is not None:
            told += 1
            assert f"{moved} of 100 texts" in said and "(0 removed, 1 added)" in said
    assert told
