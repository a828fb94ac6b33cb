import re
from collections import Counter
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import pytest

SAMPLE = Path(__file__).resolve().parents[2] / "src" / "distillora" / "data" / "sample"
SPLITS = ("train", "dev", "test")
LABELS = [
    "admiration",
    "amusement",
    "anger",
    "annoyance",
    "approval",
    "caring",
    "confusion",
    "curiosity",
    "desire",
    "disappointment",
    "disapproval",
    "disgust",
    "embarrassment",
    "excitement",
    "fear",
    "gratitude",
    "grief",
    "joy",
    "love",
    "nervousness",
    "optimism",
    "pride",
    "realization",
    "relief",
    "remorse",
    "sadness",
    "surprise",
    "neutral",
]

TOKEN_LIMIT = 0.5
GRAM_LIMIT = 0.4


class Row(NamedTuple):
    text: str
    labels: tuple[str, ...]
    id: str
    split: str

    @property
    def numbers(self) -> list[int]:
        return [int(number) for number in self.labels]

    @property
    def first(self) -> str:
        return LABELS[self.numbers[0]]


@cache
def rows_of(split: str) -> tuple[Row, ...]:
    content = (SAMPLE / f"{split}.tsv").read_bytes().decode("utf-8")
    assert content.endswith("\n")
    rows = []
    for line in content[:-1].split("\n"):
        text, labels, identifier = line.split("\t")
        rows.append(Row(text, tuple(labels.split(",")), identifier, split))
    return tuple(rows)


def all_rows() -> list[Row]:
    return [row for split in SPLITS for row in rows_of(split)]


def words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:'[^\W_]+)?", text.lower())


def character_grams(text: str) -> frozenset[str]:
    plain = " ".join(words(text))
    return frozenset(plain[start : start + 4] for start in range(len(plain) - 3))


def too_similar(texts: list[str]) -> list[tuple[str, str]]:
    """Every pair whose words or whose character 4-grams overlap more than the limits."""
    tokens = [frozenset(words(text)) for text in texts]
    grams = [character_grams(text) for text in texts]
    pairs = []
    for sets, limit in ((tokens, TOKEN_LIMIT), (grams, GRAM_LIMIT)):
        for a, b in combinations(range(len(texts)), 2):
            shared = len(sets[a] & sets[b])
            if shared > limit * (len(sets[a]) + len(sets[b]) - shared):
                pairs.append((texts[a], texts[b]))
    return pairs


def openings(length: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words(row.text)[:length]) for row in all_rows())


def readme_table(heading: str) -> dict[str, list[int]]:
    """The rows of the README table whose header starts with a word: name -> its numbers."""
    lines = (SAMPLE / "README.md").read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    table = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        name, *numbers = (cell.strip() for cell in line.strip("|").split("|"))
        table[name] = [int(number) for number in numbers]
    return table


def test_the_label_file_names_the_28_labels_in_order() -> None:
    assert (SAMPLE / "labels.txt").read_text(encoding="utf-8").split("\n") == [*LABELS, ""]


def test_the_sample_has_at_least_840_comments() -> None:
    assert len(all_rows()) >= 840


def test_every_label_comes_first_in_at_least_30_comments() -> None:
    counts = Counter(row.first for row in all_rows())
    assert {label: counts[label] for label in LABELS if counts[label] < 30} == {}


@pytest.mark.parametrize("split", SPLITS)
def test_every_label_comes_first_somewhere_in_each_split(split: str) -> None:
    assert {row.first for row in rows_of(split)} == set(LABELS)


@pytest.mark.parametrize("split", SPLITS)
def test_some_but_not_most_comments_of_each_split_have_two_labels(split: str) -> None:
    two = sum(len(row.labels) == 2 for row in rows_of(split))
    assert 0.08 <= two / len(rows_of(split)) <= 0.25


def test_label_numbers_are_valid_and_differ_within_a_comment() -> None:
    for row in all_rows():
        assert [str(number) for number in row.numbers] == list(row.labels), row
        assert all(0 <= number < len(LABELS) for number in row.numbers), row
        assert len(set(row.numbers)) == len(row.numbers) <= 2, row


def test_neutral_never_shares_a_comment_with_another_label() -> None:
    neutral = LABELS.index("neutral")
    assert [row for row in all_rows() if neutral in row.numbers and len(row.numbers) > 1] == []


def test_ids_are_unique_and_well_formed() -> None:
    ids = [row.id for row in all_rows()]
    assert len(set(ids)) == len(ids)
    assert [i for i in ids if not re.fullmatch(r"sample-\d{4}", i)] == []


def test_no_comment_is_empty_or_badly_spaced() -> None:
    assert [row for row in all_rows() if not words(row.text)] == []
    assert [row for row in all_rows() if row.text != " ".join(row.text.split())] == []


def test_no_comment_opens_with_a_quotation_mark_that_would_confuse_a_csv_reader() -> None:
    assert [row for row in all_rows() if row.text.startswith('"')] == []


def test_comments_are_as_long_as_comments_are() -> None:
    lengths = [len(words(row.text)) for row in all_rows()]
    assert min(lengths) >= 3
    assert max(lengths) <= 50
    assert sum(length <= 25 for length in lengths) >= 0.9 * len(lengths)


def test_no_text_is_shared_between_or_within_splits() -> None:
    counts = Counter(" ".join(words(row.text)) for row in all_rows())
    assert [text for text, count in counts.items() if count > 1] == []


def test_no_two_comments_are_near_duplicates() -> None:
    assert too_similar([row.text for row in all_rows()]) == []


def test_the_near_duplicate_check_catches_one_swapped_word() -> None:
    a = "My neighbour has been drilling since seven, on a Sunday, again."
    b = "My neighbour has been singing since seven, on a Sunday, again."
    assert too_similar([a, b, "Two cups of flour, one egg, a pinch of salt."])


def test_no_opening_of_five_words_is_used_by_more_than_two_comments() -> None:
    assert {start: n for start, n in openings(5).items() if n > 2} == {}


def test_no_opening_of_three_words_is_used_by_more_than_six_comments() -> None:
    assert {start: n for start, n in openings(3).items() if n > 6} == {}


def test_most_comments_do_not_name_their_own_label() -> None:
    for label in LABELS:
        texts = [row.text for row in all_rows() if row.first == label]
        naming = sum(label in words(text) for text in texts)
        assert naming <= 0.4 * len(texts), label


def test_the_readme_counts_the_splits_truly() -> None:
    counts = {
        split: [len(rows_of(split)), sum(len(row.labels) == 2 for row in rows_of(split))]
        for split in SPLITS
    }
    total = [sum(column) for column in zip(*counts.values(), strict=True)]
    assert readme_table("split") == {**counts, "all": total}


def test_the_readme_counts_the_labels_truly() -> None:
    first = {split: Counter(row.first for row in rows_of(split)) for split in SPLITS}
    second = Counter(LABELS[number] for row in all_rows() for number in row.numbers[1:])
    table = readme_table("label")
    assert list(table) == LABELS
    for label, numbers in table.items():
        per_split = [first[split][label] for split in SPLITS]
        assert numbers == [*per_split, sum(per_split), second[label]], label
