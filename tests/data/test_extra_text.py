"""Texts without labels: which lines of a file are used, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from distillora.data.dataset import Dataset, Split
from distillora.data.extra_text import read_extra_text
from distillora.errors import DataError


def split(*texts: str) -> Split:
    return Split(texts, ((0,),) * len(texts), tuple(map(str, range(len(texts)))))


CORPUS = Dataset(
    {"train": split("seen", ""), "validation": split("chosen on"), "test": split(" judged on")},
    ("a",),
    "here",
)


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "extra.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_each_line_is_a_text_and_blank_lines_are_none(tmp_path: Path) -> None:
    found = read_extra_text(write(tmp_path, "\ufeffone\n\n  two \r\n \nthrée\u2028four"), CORPUS)
    assert found.rows.texts == ("one", "two", "thrée\u2028four")
    assert found.rows.ids == ("1", "3", "5")
    assert found.rows.labels == ((), (), ())
    assert found.record.describe() == "3 texts"


def test_texts_of_the_data_set_and_repeated_ones_are_left_out_and_counted(tmp_path: Path) -> None:
    lines = ["new", "chosen on", "judged on ", "seen", "new", "judged on", "other"]
    found = read_extra_text(write(tmp_path, "\n".join(lines)), CORPUS)
    assert found.rows.texts == ("new", "other")
    assert (found.record.evaluated, found.record.repeated) == (3, 2)
    told = "2 texts; left out: 3 in validation or test, 2 in training or repeated"
    assert found.record.describe() == told


def test_the_limit_of_a_trial_counts_the_texts_that_are_used(tmp_path: Path) -> None:
    path = write(tmp_path, "seen\na\nb\nc\n")
    assert read_extra_text(path, CORPUS, limit=2).rows.texts == ("a", "b")
    assert read_extra_text(path, CORPUS, limit=9).record.rows == 3


def test_another_file_of_the_same_texts_has_the_same_hash(tmp_path: Path) -> None:
    first = read_extra_text(write(tmp_path, "a\nb"), CORPUS).record
    again = read_extra_text(write(tmp_path, "a\nb\n\nseen"), CORPUS).record
    other = read_extra_text(write(tmp_path, "a\nc"), CORPUS).record
    assert first.sha256 == again.sha256 != other.sha256


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "it is empty"),
        ("\n  \n", "it is empty"),
        ("seen\njudged on", "all 2 are in the data set"),
        (b"fine\n\xff", r"line 2: the row is not valid UTF-8 \(byte 1 of the line\)"),
    ],
)
def test_a_file_without_a_usable_text_is_refused(
    content: str | bytes, message: str, tmp_path: Path
) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=message) as refusal:
        read_extra_text(path, CORPUS)
    assert str(path) in str(refusal.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.txt", tmp_path):
        with pytest.raises(DataError, match=f"{path} does not exist"):
            read_extra_text(path, CORPUS)
