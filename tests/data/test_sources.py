from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distillora.data.dataset import Dataset
from distillora.data.sources import drop_shared_texts, load_dataset, read_dataset
from distillora.errors import DataError
from distillora.recipe import Data

GOEMOTIONS = Path(__file__).parents[3] / "shared" / "data" / "goemotions"
LABELS = ("joy", "anger", "neutral")
TRAIN = 'so happy\t0\ta1\n"quoted" text\t1,2\ta2\nshared\t2\ta3\n'
DEV = "fine\t2\tb1\nshared\t2\tb2\n"
TEST = "grr\t1\tc1\n"


def write_tsv(folder: Path, **changes: str | bytes | None) -> Path:
    """Write a small data set; a keyword replaces a file's content, or leaves it out."""
    contents: dict[str, str | bytes | None] = {
        **{"train.tsv": TRAIN, "dev.tsv": DEV, "test.tsv": TEST},
        **{"labels.txt": "joy\nanger\nneutral\n"},
        **{name.replace("_", "."): content for name, content in changes.items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        if content is not None:
            raw = content.encode() if isinstance(content, str) else content
            (folder / name).write_bytes(raw)
    return folder


def load(folder: Path, **settings: Any) -> Dataset:
    return load_dataset(Data(source="folder", path=folder, **settings))


def table(rows: list[tuple[Any, Any, Any]], names: tuple[str, ...] | None = LABELS) -> pa.Table:
    text, labels, ids = zip(*rows, strict=True)
    made = pa.table(
        {
            "text": pa.array(text, pa.string()),
            "labels": pa.array(labels, pa.list_(pa.int64())),
            "id": pa.array(ids, pa.string()),
        }
    )
    if names is None:
        return made
    feature = {"feature": {"names": list(names), "_type": "ClassLabel"}, "_type": "List"}
    metadata = json.dumps({"info": {"features": {"labels": feature}}})
    return made.replace_schema_metadata({"huggingface": metadata})


def write_parquet(folder: Path, **tables: pa.Table) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    defaults = {
        "train": table(
            [("so happy", [0], "a1"), ('"quoted" text', [1, 2], "a2"), ("shared", [2], "a3")]
        ),
        "validation": table([("fine", [2], "b1"), ("shared", [2], "b2")]),
        "test": table([("grr", [1], "c1")]),
    }
    for name, content in {**defaults, **tables}.items():
        pq.write_table(content, folder / f"{name}.parquet")
    return folder


def test_a_folder_of_tsv_files_becomes_a_dataset(tmp_path: Path) -> None:
    dataset = load(write_tsv(tmp_path))
    assert dataset.label_names == LABELS
    assert list(dataset.splits) == ["train", "validation", "test"]
    train = dataset.splits["train"]
    assert train.texts == ("so happy", '"quoted" text', "shared")
    assert train.labels == ((0,), (1, 2), (2,))
    assert train.ids == ("a1", "a2", "a3")
    assert str(tmp_path) in dataset.source


def test_the_validation_file_may_have_either_name(tmp_path: Path) -> None:
    renamed = write_tsv(tmp_path / "b", **{"dev_tsv": None, "validation_tsv": DEV})
    assert load(renamed).splits == load(write_tsv(tmp_path / "a")).splits


def test_columns_beside_text_labels_and_id_are_not_read(tmp_path: Path) -> None:
    plain = load(write_parquet(tmp_path / "plain"))
    train = table([("so happy", [0], "a1"), ('"quoted" text', [1, 2], "a2"), ("shared", [2], "a3")])
    wide = train.append_column("author", pa.array(["x", "y", "z"])).select([3, 2, 1, 0])
    assert load(write_parquet(tmp_path / "wide", train=wide)).splits == plain.splits


def test_byte_order_marks_and_windows_line_ends_are_no_part_of_the_data(tmp_path: Path) -> None:
    plain = load(write_tsv(tmp_path / "plain"))
    marked = {
        "train_tsv": b"\xef\xbb\xbf" + TRAIN.replace("\n", "\r\n").encode(),
        "labels_txt": b"\xef\xbb\xbfjoy\r\nanger\r\nneutral\r\n",
    }
    windows = load(write_tsv(tmp_path / "windows", **marked))
    assert windows.splits == plain.splits
    assert windows.label_names == LABELS


def test_only_a_line_feed_ends_a_row(tmp_path: Path) -> None:
    odd = "a\u2028b\x0bc\x85d\x00e\rf"
    dataset = load(write_tsv(tmp_path, test_tsv=f"{odd}\t1\tc1\n\n\t2\tc2"))
    assert dataset.splits["test"].texts == (odd, "")


def test_parquet_files_give_the_same_rows_as_tsv(tmp_path: Path) -> None:
    tsv = load(write_tsv(tmp_path / "tsv"))
    parquet = load(write_parquet(tmp_path / "parquet"))
    assert parquet.splits == tsv.splits
    assert parquet.label_names == LABELS


def test_shards_in_a_clone_of_a_hub_data_set_are_read_in_order(tmp_path: Path) -> None:
    place = tmp_path / "simplified"
    place.mkdir()
    rows = [("so happy", [0], "a1"), ('"quoted" text', [1, 2], "a2"), ("shared", [2], "a3")]
    pq.write_table(table(rows[2:]), place / "train-00001-of-00002.parquet")
    pq.write_table(table(rows[:2]), place / "train-00000-of-00002.parquet")
    for name in ("validation", "test"):
        pq.write_table(table([("x", [1], "1")]), place / f"{name}-00000-of-00001.parquet")
    assert load(tmp_path).splits["train"].ids == ("a1", "a2", "a3")
    (place / "train-00000-of-00002.parquet").unlink()
    with pytest.raises(DataError, match="1 of 2 shards"):
        load(tmp_path)


def test_labels_txt_names_the_labels_of_parquet_files_without_names(tmp_path: Path) -> None:
    bare = {n: table([(n, [1], "1")], names=None) for n in ("train", "validation", "test")}
    write_parquet(tmp_path, **bare)
    with pytest.raises(DataError, match=r"does not name its labels.*labels\.txt"):
        load(tmp_path)
    (tmp_path / "labels.txt").write_text("no\nyes\n")
    assert load(tmp_path).label_names == ("no", "yes")


def test_limit_keeps_the_first_rows_of_every_split(tmp_path: Path) -> None:
    dataset = load(write_tsv(tmp_path), limit=2)
    assert {name: split.ids for name, split in dataset.splits.items()} == {
        "train": ("a1", "a2"),
        "validation": ("b1", "b2"),
        "test": ("c1",),
    }


def test_shared_texts_leave_train_only_when_asked_for(tmp_path: Path) -> None:
    data = Data(source="folder", path=write_tsv(tmp_path), drop_shared=True)
    read = read_dataset(data)
    assert (len(read.splits["train"]), read.dropped_from_train) == (3, 0)
    loaded = load_dataset(data)
    assert loaded.splits["train"].ids == ("a1", "a2")
    assert loaded.dropped_from_train == 1
    assert loaded.splits["test"] == read.splits["test"]
    assert drop_shared_texts(loaded) == loaded


def test_a_training_split_that_is_all_shared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Every training text"):
        load(write_tsv(tmp_path, train_tsv=DEV), drop_shared=True)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("train_tsv", "a\t0\t1\nno tab here\n", ["train.tsv, line 2", "no tab here", "TAB"]),
        ("train_tsv", "a\tb\t0\t1\n", ["train.tsv, line 1", "4 column(s)"]),
        ("dev_tsv", "fine\tjoy\t1\n", ["dev.tsv, line 1", "'fine'", "'joy'", "not a number"]),
        ("dev_tsv", "fine\t-1\t1\n", ["dev.tsv, line 1", "'-1'"]),
        ("dev_tsv", "fine\t0,\t1\n", ["dev.tsv, line 1", "not a number"]),
        ("test_tsv", "fine\t2,3\t1\n", ["test.tsv, line 1", "label 3", "3 label names"]),
        ("test_tsv", "\nfine\t\t1\n", ["test.tsv, line 2", "'fine'", "no label"]),
        ("test_tsv", b"ok\t1\t1\nb\xe4h\t1\t2\n", ["test.tsv, line 2", "UTF-8", "byte 2"]),
        ("test_tsv", TEST.encode("utf-16"), ["test.tsv is UTF-16", "UTF-8"]),
        ("labels_txt", b"joy\n\xe4\n", ["labels.txt, line 2", "UTF-8", "byte 1"]),
        ("labels_txt", "joy\nanger\njoy\n", ["labels.txt", "'joy'", "more than once"]),
        ("labels_txt", "joy\n\nanger\n", ["labels.txt", "label 1 has no name"]),
        ("labels_txt", "\n", ["labels.txt", "names no labels"]),
        ("labels_txt", None, ["no labels.txt", "train.tsv"]),
        ("dev_tsv", None, ["validation split", "test.tsv, train.tsv"]),
        ("train_tsv", "", ["train split", "no rows"]),
        ("dev_tsv", "", ["validation split", "no rows"]),
        ("test_tsv", "\n", ["test split", "no rows"]),
        ("validation_tsv", DEV, ["dev.tsv and validation.tsv", "Remove one"]),
    ],
)
def test_a_mistake_in_a_tsv_folder_is_named_with_its_place(
    tmp_path: Path, name: str, content: str | bytes | None, words: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        load(write_tsv(tmp_path, **{name: content}))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("train", "words"),
    [
        (table([("a", [0], "1"), ("b", [], "2")]), ["row 2", "'b'", "no label"]),
        (table([("a", [0], "1"), ("b", [7], "2")]), ["row 2", "label 7"]),
        (table([("a", [0, None], "1")]), ["row 1", "null among its labels"]),
        (table([(None, [0], "1")]), ["row 1", "'text' is null"]),
        (table([("a", [0], None)]), ["row 1", "'id' is null"]),
        (
            table([("a", [0], "1")]).drop_columns(["labels"]),
            ["no column 'labels'", "it has text"],
        ),
        (pa.table({"text": ["a"], "labels": [0], "id": ["1"]}), ["'labels' is int64"]),
        (pa.table({"text": ["a"], "labels": [["0"]], "id": ["1"]}), ["'labels' is list<"]),
        (pa.table({"text": [1], "labels": [[0]], "id": ["1"]}), ["'text' is int64"]),
    ],
)
def test_a_mistake_in_a_parquet_file_is_named_with_its_place(
    tmp_path: Path, train: pa.Table, words: list[str]
) -> None:
    (write_parquet(tmp_path, train=train) / "labels.txt").write_text("\n".join(LABELS))
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    for word in ["train.parquet", *words]:
        assert word in str(caught.value)


def test_a_torn_parquet_file_is_named(tmp_path: Path) -> None:
    file = write_parquet(tmp_path) / "train.parquet"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(DataError, match=r"train\.parquet cannot be read as Parquet"):
        load(tmp_path)


def test_a_folder_that_is_not_there_is_named_with_the_format(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere does not exist.*train\.tsv"):
        load(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="is a file"):
        load(tmp_path / "file")


def test_an_empty_folder_and_a_folder_of_both_formats_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="it has no files"):
        load(tmp_path / "empty")
    with pytest.raises(DataError, match="both TSV and Parquet"):
        load(write_parquet(write_tsv(tmp_path / "both")))


def test_importing_the_sources_loads_no_heavy_library() -> None:
    code = (
        "import sys, distillora.data.sources; "
        "print({'datasets', 'torch', 'pyarrow', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.skipif(not GOEMOTIONS.is_dir(), reason="the GoEmotions release is not here")
def test_goemotions_has_the_published_number_of_rows() -> None:
    dataset = load(GOEMOTIONS)
    rows = {name: len(split) for name, split in dataset.splits.items()}
    assert rows == {"train": 43410, "validation": 5426, "test": 5427}
    assert len(dataset.label_names) == 28
    assert np.bincount(dataset.splits["test"].classes(), minlength=28).sum() == 5427
