"""Data sets of a user's own: tables in any format, read, checked and divided."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distillora.data.audit import audit_dataset
from distillora.data.dataset import Dataset
from distillora.data.sources import read_dataset
from distillora.errors import InputError
from distillora.recipe import Data

QUEUES = ("billing", "bug", "login")


def rows(count: int = 60) -> list[dict[str, Any]]:
    return [{"text": f"ticket {i} says so", "label": QUEUES[i % 3]} for i in range(count)]


def write_csv(path: Path, records: list[dict[str, Any]], separator: str = ",") -> Path:
    lines = [separator.join(records[0])]
    lines += [separator.join(str(value) for value in record.values()) for record in records]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def write_jsonl(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


def write_parquet(path: Path, records: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(records), path)
    return path


def load(path: Path, **settings: Any) -> Dataset:
    return read_dataset(Data(source="table", path=path, **settings))


def named(dataset: Dataset) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return split -> text -> names of its labels."""
    return {
        name: {
            text: tuple(dataset.label_names[i] for i in labels)
            for text, labels in zip(split.texts, split.labels, strict=True)
        }
        for name, split in dataset.splits.items()
    }


def all_rows(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    return {text: labels for split in named(dataset).values() for text, labels in split.items()}


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("tickets.csv", write_csv),
        ("tickets.tsv", lambda path, records: write_csv(path, records, "\t")),
        ("tickets.jsonl", write_jsonl),
        ("tickets.parquet", write_parquet),
    ],
)
def test_every_format_gives_the_same_rows_and_the_same_splits(
    tmp_path: Path, name: str, write: Callable[..., Path]
) -> None:
    dataset = load(write(tmp_path / name, rows()))
    assert dataset.label_names == QUEUES
    assert all_rows(dataset) == {row["text"]: (row["label"],) for row in rows()}
    assert {split: len(own) for split, own in named(dataset).items()} == {
        "train": 48,
        "validation": 6,
        "test": 6,
    }
    assert named(dataset) == named(load(write_csv(tmp_path / "other.csv", rows())))


def test_columns_are_found_by_their_names_or_said(tmp_path: Path) -> None:
    records = [
        {"id": i, "Comment": row["text"], "Category": row["label"], "note": i % 2}
        for i, row in enumerate(rows())
    ]
    path = write_csv(tmp_path / "a.csv", records)
    assert load(path).label_names == QUEUES
    assert load(path, label_column="note").label_names == ("0", "1")


def test_lists_and_separated_names_are_several_labels(tmp_path: Path) -> None:
    lists = [{"text": f"t {i}", "tags": ["b", "a"] if i % 3 else ["a"]} for i in range(60)]
    joined = [{"text": row["text"], "tags": " | ".join(row["tags"])} for row in lists]
    from_lists = load(write_jsonl(tmp_path / "a.jsonl", lists))
    from_parquet = load(write_parquet(tmp_path / "a.parquet", lists))
    from_text = load(write_csv(tmp_path / "a.csv", joined), label_separator="|")
    assert all_rows(from_lists) == {row["text"]: tuple(row["tags"]) for row in lists}
    assert named(from_lists) == named(from_text) == named(from_parquet)


def test_numbers_true_and_false_are_names_in_their_order(tmp_path: Path) -> None:
    stars = [{"text": f"t {i}", "label": i % 11} for i in range(99)]
    assert load(write_jsonl(tmp_path / "a.jsonl", stars)).label_names[-1] == "10"
    whole = [{"text": f"t {i}", "label": float(i % 2)} for i in range(30)]
    assert load(write_parquet(tmp_path / "a.parquet", whole)).label_names == ("0", "1")
    spam = [{"text": f"t {i}", "label": i % 2 == 0} for i in range(30)]
    assert load(write_jsonl(tmp_path / "b.jsonl", spam)).label_names == ("false", "true")


def test_parquet_tells_the_names_of_numbered_classes(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([{"text": f"t {i}", "label": i % 2} for i in range(30)])
    features = {"label": {"names": ["spam", "ham"], "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "a.parquet")
    dataset = load(tmp_path / "a.parquet")
    assert dataset.label_names == ("spam", "ham")
    assert all_rows(dataset)["t 1"] == ("ham",)


def test_a_split_column_is_used_as_it_is(tmp_path: Path) -> None:
    words = ("train", "train", "Dev", "TEST")
    records = [{**row, "split": words[i % 4]} for i, row in enumerate(rows())]
    dataset = load(write_csv(tmp_path / "a.csv", records))
    assert named(dataset)["validation"] == {
        row["text"]: (row["label"],) for row in records if row["split"] == "Dev"
    }
    renamed = [{"fold" if k == "split" else k: v for k, v in row.items()} for row in records]
    other = load(write_csv(tmp_path / "b.csv", renamed), split_column="fold")
    assert named(other) == named(dataset)


def test_a_column_called_split_that_names_no_splits_is_left_alone(tmp_path: Path) -> None:
    records = [{**row, "split": "left"} for row in rows()]
    path = write_csv(tmp_path / "a.csv", records)
    dataset = load(path)
    assert any("'split' was not used" in note for note in dataset.notes)
    assert len(dataset.splits["train"]) == 48
    with pytest.raises(InputError, match=r"row 1 \(line 2\): 'left' .* names no split"):
        load(path, split_column="split")


def test_a_folder_or_separate_files_give_the_splits(tmp_path: Path) -> None:
    records = rows()
    folder = tmp_path / "set"
    folder.mkdir()
    write_csv(folder / "train.csv", records[:40])
    write_jsonl(folder / "dev.jsonl", records[40:50])
    write_csv(folder / "test.tsv", records[50:], "\t")
    dataset = load(folder)
    assert [len(split) for split in dataset.splits.values()] == [40, 10, 10]
    files = load(
        folder / "train.csv",
        validation_path=folder / "dev.jsonl",
        test_path=folder / "test.tsv",
    )
    assert named(files) == named(dataset)


def test_a_split_that_is_not_given_is_drawn_from_train(tmp_path: Path) -> None:
    records = rows(120)
    train = write_csv(tmp_path / "train.csv", records[:90])
    test = write_csv(tmp_path / "test.csv", records[90:])
    dataset = load(train, test_path=test)
    assert set(named(dataset)["test"]) == {row["text"] for row in records[90:]}
    # a ninth (0.1 of 0.9, since the test rows are there already) of the 30 rows of each label
    assert [len(split) for split in dataset.splits.values()] == [81, 9, 30]
    assert any("validation were drawn" in note for note in dataset.notes)


def test_incomplete_rows_are_named_and_left_out_only_when_asked_for(tmp_path: Path) -> None:
    records = rows()
    records[1]["text"], records[4]["label"], records[7]["text"] = "", "  ", "   "
    path = write_csv(tmp_path / "a.csv", records)
    with pytest.raises(InputError) as refusal:
        load(path)
    for words in (
        "3 of 60 rows",
        "row 2 (line 3): the text is empty",
        "row 5 (line 6)",
        "no label",
    ):
        assert words in str(refusal.value)
    dataset = load(path, drop_incomplete=True)
    assert len(all_rows(dataset)) == 57
    assert any("3 of 60 rows were left out" in note for note in dataset.notes)


def test_a_row_of_several_files_is_named_with_its_split(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", rows())
    write_csv(tmp_path / "dev.csv", [*rows(3), {"text": "unlabelled", "label": ""}])
    with pytest.raises(
        InputError, match=r"1 of 64 rows .*: validation, row 4 \(line 5\): it has no"
    ):
        load(tmp_path)


def test_the_audit_warns_of_labels_that_need_a_look(tmp_path: Path) -> None:
    records = [*rows(), {"text": "a rare one", "label": "legal"}]
    records += [{"text": f"shouted {i}", "label": "Bug"} for i in range(9)]
    records += [{"text": f"both {i}", "label": "bug|login"} for i in range(9)]
    dataset = load(write_csv(tmp_path / "a.csv", records))
    assert "legal" in {name for row in named(dataset)["train"].values() for name in row}
    warnings = "\n".join(audit_dataset(dataset, None, 128).warnings)
    assert "'Bug', 'bug' differ only in case or white space" in warnings
    assert "test split has no row of 1 of the labels ('legal')" in warnings
    assert "set data.label_separator to '|'" in warnings


BAD: list[tuple[str, str | bytes, dict[str, Any], list[str]]] = [
    ("a.csv", "", {}, ["a.csv", "is empty"]),
    ("a.csv", "text,label\n", {}, ["a.csv", "no rows"]),
    ("a.jsonl", "", {}, ["a.jsonl", "no rows"]),
    ("a.jsonl", "{}\n", {}, ["a.jsonl"]),
    ("a.jsonl", "nonsense\n", {}, ["line 1", "not JSON"]),
    ("a.jsonl", '{"text": 3, "label": "a"}\n', {}, ["line 1", "type int"]),
    ("a.jsonl", '{"text": "t", "label": {"a": 1}}\n', {}, ["line 1", "an object"]),
    ("a.jsonl", '{"label": "a"}\n{"text": "t", "label": "b"}\n', {}, ["line 1", "no 'text'"]),
    ("a.parquet", "text,label\n", {}, ["a.parquet", "cannot be read as Parquet"]),
    ("a.xlsx", "x", {}, ["a.xlsx", ".csv"]),
    ("a.csv", "text,label\nx\n", {}, ["row 1 (line 2)", "number of cells is 1"]),
    ("a.csv", 'text,label\n"x,a\n', {}, ["row 1 (line 2)", "quote is never closed"]),
    ("a.csv", b"text,label\ncaf\xe9,a\n", {}, ["row 1 (line 2)", "UTF-8"]),
    ("a.csv", "text,label\nx,a\n".encode("utf-16"), {}, ["UTF-16"]),
    ("a.csv", "text,label\nx,a\ny,a\n", {}, ["only one label, 'a'", "at least 2"]),
    ("a.csv", "text,label\nx,\ny,\n", {}, ["2 of 2 rows", "no label"]),
    ("a.csv", "text,label\nx,\ny,\n", {"drop_incomplete": True}, ["2 of 2 rows"]),
    ("a.csv", "text,label\nx,a\ny,b\nz,c\n", {}, ["no label occurs in two rows"]),
    ("a.csv", "text,label\n1,a\n2,b\n3,a\n", {}, ["only numbers", "`text_column`"]),
    ("a.csv", "text,label\nx,a\ny,b\nx2,a\n", {}, ["3 rows are too few"]),
    ("a.csv", "text,label,split\nx,a,test\ny,b,test\ny,b,test\n", {}, ["rows for test only"]),
    ("a.csv", "x,y,z\na,b,c\n", {}, ["which column contains the texts?", "x, y, z"]),
    ("a.csv", "text,x,z\na,b,c\n", {}, ["which column contains the labels?", "x, z"]),
    ("a.csv", "text\na\n", {}, ["which column contains the labels?", "none"]),
    ("a.csv", "text,label\na,b\n", {"text_column": "txt"}, ["'txt'", "Did you mean 'text'"]),
    ("a.csv", "text,label\na,b\n", {"label_column": "lable"}, ["Did you mean 'label'"]),
    (
        "a.csv",
        "text,label\na,b\n",
        {"split_column": "fold"},
        ["no column 'fold'", "Its columns besides the texts: label"],
    ),
    ("a.csv", "text,text\na,b\n", {}, ["two columns 'text'"]),
]


@pytest.mark.parametrize(("name", "content", "settings", "words"), BAD)
def test_what_cannot_be_learnt_from_is_refused_by_place(
    tmp_path: Path, name: str, content: str | bytes, settings: dict[str, Any], words: list[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError) as refusal:
        load(path, **settings)
    for word in words:
        assert word in str(refusal.value)


def test_measurements_too_many_labels_and_indicators_are_no_labels(tmp_path: Path) -> None:
    scores = [{"text": f"t {i}", "label": i % 50 / 7} for i in range(200)]
    with pytest.raises(InputError, match="measurement"):
        load(write_csv(tmp_path / "a.csv", scores))
    many = [{"text": f"t {i}", "label": f"c{i % 1001}"} for i in range(2002)]
    with pytest.raises(InputError, match="1,001 different labels, and 1,000 is the most"):
        load(write_csv(tmp_path / "b.csv", many))
    places = [{"text": f"t {i}", "label": [i % 2, 1, 0]} for i in range(30)]
    with pytest.raises(InputError, match="lists of 0 and 1"):
        load(write_jsonl(tmp_path / "c.jsonl", places))
    half_stars = [{"text": f"t {i}", "label": i % 10 / 2} for i in range(200)]
    assert len(load(write_csv(tmp_path / "d.csv", half_stars)).label_names) == 10


def test_a_numeric_parquet_column_holds_no_texts(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", [{"text": i, "label": "a"} for i in range(9)])
    with pytest.raises(InputError, match="contains int64, not text"):
        load(path)


def test_two_files_of_one_split_and_a_folder_without_train_are_refused(tmp_path: Path) -> None:
    write_csv(tmp_path / "test.csv", rows())
    with pytest.raises(InputError, match=r"no table of the train split.*test\.csv"):
        load(tmp_path)
    write_csv(tmp_path / "train.csv", rows())
    write_csv(tmp_path / "training.tsv", rows(), "\t")
    with pytest.raises(InputError, match=r"train\.csv and training\.tsv: both are the train"):
        load(tmp_path)


def test_a_table_without_a_path_says_how_to_give_one() -> None:
    with pytest.raises(InputError, match=r"data\.path: .*`data`"):
        read_dataset(Data(source="table"))
