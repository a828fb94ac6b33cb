"""Every format in, every format out: the input's columns stay, the classifier's answers join."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distillora.inference.bulk import FORMATS, score_file
from distillora.inference.classifier import TextClassifier

TEXTS = ["w5 w6 w9", 'w7, "quoted"\nand more', "ünïcode 😀 w8", "w10\tw11", "  w12 ", "w13"]
EXTENSIONS = {"csv": "csv", "tsv": "tsv", "jsonl": "jsonl", "parquet": "parquet", "text": "txt"}


@pytest.fixture(scope="module")
def classifier(tiny_bundle: Path) -> TextClassifier:
    return TextClassifier.load(tiny_bundle, threads=1)


def write(path: Path, texts: list[str]) -> Path:
    """Write texts with numbers as ids, in the format of the extension, by other means."""
    ids = [str(i) for i in range(len(texts))]
    if path.suffix == ".txt":
        path.write_text("".join(f"{text}\n" for text in texts), "utf-8")
    elif path.suffix == ".jsonl":
        rows = [{"id": i, "text": t} for i, t in zip(ids, texts, strict=True)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        pq.write_table(pa.table({"id": ids, "text": texts}), path)
    else:
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, delimiter="," if path.suffix == ".csv" else "\t")
            writer.writerows([["id", "text"], *zip(ids, texts, strict=True)])
    return path


def read(path: Path) -> list[dict[str, Any]]:
    """Read rows back by other means."""
    if path.suffix == ".txt":
        return [{"label": line} for line in path.read_text().splitlines()]
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="," if path.suffix == ".csv" else "\t"))


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_rows_go_from_any_format_to_any_format(
    classifier: TextClassifier, tmp_path: Path, source: str, target: str
) -> None:
    texts = [t for t in TEXTS if source != "text" or "\n" not in t]
    before = write(tmp_path / f"in.{EXTENSIONS[source]}", texts)
    after = tmp_path / f"out.{EXTENSIONS[target]}"
    summary = score_file(classifier, before, after)
    rows, expected = read(after), classifier.predict(texts)
    assert summary.rows == len(rows) == len(texts)
    assert [row["label"] for row in rows] == [p.label for p in expected]
    if target != "text":
        assert [row["text"] for row in rows] == texts
        assert [float(row["score"]) for row in rows] == [p.score for p in expected]
        assert source == "text" or [row["id"] for row in rows] == [*map(str, range(len(texts)))]


def test_the_columns_asked_for_are_added_in_their_order_with_the_error_last(
    classifier: TextClassifier, tmp_path: Path
) -> None:
    source = write(tmp_path / "in.csv", TEXTS)
    chosen = ["toxic", "scores", "truncated", "labels"]
    score_file(classifier, source, tmp_path / "out.parquet", columns=chosen, prefix="m_")
    table = pq.read_table(tmp_path / "out.parquet")
    scores = [f"m_score_{label}" for label in classifier.labels]
    names = ["id", "text", "m_toxic", "m_truncated", "m_labels", *scores, "m_error"]
    assert sorted(table.column_names) == sorted(names)
    assert table.column_names[-1] == "m_error"
    for row, prediction in zip(table.to_pylist(), classifier.predict(TEXTS), strict=True):
        assert {k: row[f"m_score_{k}"] for k in classifier.labels} == prediction.scores
        assert row["m_labels"] == list(prediction.labels)
        assert row["m_toxic"] is prediction.toxic
        assert row["m_truncated"] is prediction.truncated


def test_labels_are_apart_by_semicolons_in_csv_and_a_list_in_json(
    classifier: TextClassifier, tmp_path: Path
) -> None:
    source = write(tmp_path / "in.csv", TEXTS)
    for name in ("out.csv", "out.jsonl"):
        score_file(classifier, source, tmp_path / name, columns=["labels"])
    expected = [list(p.labels) for p in classifier.predict(TEXTS)]
    assert [row["labels"] for row in read(tmp_path / "out.jsonl")] == expected
    assert [row["labels"] for row in read(tmp_path / "out.csv")] == [";".join(x) for x in expected]


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_the_data(
    classifier: TextClassifier, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_bytes(b'\xef\xbb\xbfbody,id\r\n"w5\r\nw6",1\r\nw7,2\r\n')
    (tmp_path / "in.txt").write_bytes(b"\xef\xbb\xbfw5 w6\r\nw7\r\n")
    score_file(classifier, tmp_path / "in.csv", tmp_path / "out.jsonl", columns=["label"])
    assert [row["body"] for row in read(tmp_path / "out.jsonl")] == ["w5\r\nw6", "w7"]
    score_file(classifier, tmp_path / "in.txt", tmp_path / "out.jsonl", columns=["label"])
    assert [row["text"] for row in read(tmp_path / "out.jsonl")] == ["w5 w6", "w7"]


def test_lone_carriage_returns_nul_bytes_and_a_megabyte_survive_csv(
    classifier: TextClassifier, tmp_path: Path
) -> None:
    texts = ["one\rtwo", "nul \0 byte", "w5 " * 350_000, 'a "quote"', "semi;colon"]
    source = write(tmp_path / "in.parquet", texts)
    score_file(classifier, source, tmp_path / "a.csv", columns=["truncated"], prefix="m_")
    score_file(classifier, tmp_path / "a.csv", tmp_path / "b.jsonl", columns=["label"])
    csv.field_size_limit(1 << 26)
    assert [row["text"] for row in read(tmp_path / "a.csv")] == texts
    assert [row["text"] for row in read(tmp_path / "b.jsonl")] == texts
    assert read(tmp_path / "a.csv")[2]["m_truncated"] == "true"


def test_a_table_without_rows_gives_a_header_alone(
    classifier: TextClassifier, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text("id,text\n")
    assert score_file(classifier, tmp_path / "in.csv", tmp_path / "out.csv").rows == 0
    header = "id,text,label,score,labels,toxicity,toxic,error\n"
    assert (tmp_path / "out.csv").read_text() == header
    score_file(classifier, tmp_path / "in.csv", tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").column_names == header.strip().split(",")


def test_streams_are_read_and_written(classifier: TextClassifier, tmp_path: Path) -> None:
    content = write(tmp_path / "in.parquet", TEXTS).read_bytes()
    out = io.BytesIO()
    score_file(
        classifier, io.BytesIO(content), out, source_format="parquet", target_format="parquet"
    )
    out.seek(0)
    assert pq.read_table(out)["text"].to_pylist() == TEXTS


def test_a_json_object_is_written_as_it_was_with_the_scores_at_its_end(
    classifier: TextClassifier, tmp_path: Path
) -> None:
    lines = [
        '{"text": "w5", "n": 1.10, "big": 123456789012345678901234567890}',
        ' {"text":"w\\u0036","deep":{"a":[1,2.50]}} ',
        '{"text": "lone \\ud800 surrogate"}',
        "{}",
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    score_file(classifier, tmp_path / "in.jsonl", tmp_path / "out.jsonl", columns=["label"])
    written = (tmp_path / "out.jsonl").read_text("utf-8").splitlines()
    for line, result in zip(lines, written, strict=True):
        assert result.startswith(line.strip()[:-1])
        assert set(json.loads(result)) == set(json.loads(line)) | {"label", "error"}


def test_json_values_keep_their_type_in_parquet_and_new_keys_become_columns(
    classifier: TextClassifier, tmp_path: Path
) -> None:
    rows = [
        {"text": "w5", "int": 1, "float": 1, "mixed": 1, "flag": True, "deep": {"a": [1]}},
        {"text": "w6", "int": 2**60, "float": 2.5, "mixed": "one", "flag": None, "deep": []},
        *({"text": "w7"} for _ in range(3000)),
        {"text": "w8", "late": "here", "huge": 10**30},
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    score_file(classifier, tmp_path / "in.jsonl", tmp_path / "out.parquet", columns=["label"])
    table = pq.read_table(tmp_path / "out.parquet")
    kinds = {"int": "int64", "float": "double", "mixed": "string", "flag": "bool"}
    kinds |= {"deep": "string", "late": "string", "huge": "string", "text": "string"}
    assert {name: str(table.schema.field(name).type) for name in kinds} == kinds
    back = table.to_pylist()
    assert [row["int"] for row in back[:3]] == [1, 2**60, None]
    assert [json.loads(row["mixed"]) for row in back[:2]] == [1, "one"]
    assert [json.loads(row["deep"]) for row in back[:2]] == [{"a": [1]}, []]
    assert back[-1]["late"] == "here" and json.loads(back[-1]["huge"]) == 10**30

    score_file(classifier, tmp_path / "in.jsonl", tmp_path / "out.csv", columns=["label"])
    table_rows = read(tmp_path / "out.csv")
    assert table_rows[0]["deep"] == '{"a": [1]}' and table_rows[0]["flag"] == "true"
    assert table_rows[-1]["late"] == "here" and table_rows[5]["late"] == ""


def test_parquet_to_parquet_keeps_types_values_and_metadata(
    classifier: TextClassifier, tmp_path: Path
) -> None:
    columns = {
        "text": pa.array(["w5", None, "w6", "w5"]).dictionary_encode(),
        "when": pa.array([1, 2, 3, None], pa.timestamp("ns", "UTC")),
        "raw": pa.array([b"\xff", None, b"", b"x"]),
        "nested": pa.array([{"a": [1]}, None, {"a": []}, {"a": None}]),
        "price": pa.array([Decimal("1.10"), None, Decimal("2.00"), None], pa.decimal128(9, 2)),
        "large": pa.array(["a", "b", None, "c"], pa.large_string()),
    }
    before = pa.table(columns).replace_schema_metadata({"owner": "me"})
    pq.write_table(before, tmp_path / "in.parquet")
    score_file(classifier, tmp_path / "in.parquet", tmp_path / "out.parquet")
    after = pq.read_table(tmp_path / "out.parquet")
    kept = after.select(before.column_names)
    assert kept.schema.metadata == before.schema.metadata
    assert kept.schema.equals(before.schema)
    assert kept.to_pydict() == before.to_pydict() or kept.equals(before)
    assert after["error"].to_pylist() == [None, "the text is missing", None, None]


def test_parquet_values_have_a_text_form_elsewhere(
    classifier: TextClassifier, tmp_path: Path
) -> None:
    moment = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    table = pa.table(
        {
            "text": ["w5", "w6"],
            "when": pa.array([moment, None], pa.timestamp("ms", "UTC")),
            "raw": [b"\xff\x00", None],
            "price": pa.array([Decimal("1.10"), None], pa.decimal128(9, 2)),
            "nan": [float("nan"), 1.5],
            "list": [[1, 2], []],
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    score_file(classifier, tmp_path / "in.parquet", tmp_path / "out.jsonl", columns=["label"])
    first, second = read(tmp_path / "out.jsonl")
    assert first["when"].startswith("2024-05-06 07:08:09")
    assert (first["raw"], first["price"], first["nan"]) == ("/wA=", "1.10", None)
    assert (first["list"], second["list"], second["nan"]) == ([1, 2], [], 1.5)
    score_file(classifier, tmp_path / "in.parquet", tmp_path / "out.csv", columns=["label"])
    assert read(tmp_path / "out.csv")[0]["list"] == "[1, 2]"


def test_an_older_output_is_replaced_only_by_a_whole_one(
    classifier: TextClassifier, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    out.write_text("older\n")
    source = write(tmp_path / "in.csv", TEXTS)
    torn = tmp_path / "torn.csv"
    torn.write_bytes(source.read_bytes() + b"one cell\n")
    with pytest.raises(Exception, match="number of cells"):
        score_file(classifier, torn, out)
    assert out.read_text() == "older\n"
    score_file(classifier, source, out)
    assert len(read(out)) == len(TEXTS)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.csv", "out.csv", "torn.csv"]
