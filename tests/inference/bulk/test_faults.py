"""Bad rows get an error and stay; a file that cannot be trusted is refused with place and fix."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distillora.errors import DistilloraError
from distillora.inference.bulk import score_file
from distillora.inference.classifier import TextClassifier


@pytest.fixture(scope="module")
def classifier(tiny_bundle: Path) -> TextClassifier:
    return TextClassifier.load(tiny_bundle, threads=1)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


BAD_ROWS = {
    "empty.csv": (b'id,text\n1,w5\n2,"w6\nw7"\n3,\n4,w8\n', "row 3 (line 5)", "empty"),
    "blank.tsv": (b"id\ttext\n1\tw5\n2\t   \n", "row 2 (line 3)", "empty"),
    "bytes.csv": (b"id,text\n1,w5\n2,caf\xe9\n3,w6\n", "row 2 (line 3)", "UTF-8"),
    "elsewhere.csv": (b"id,text\n1,w5\n\xe9,w6\n", "row 2 (line 3)", "UTF-8"),
    "blank.txt": (b"w5\n\nw6\n", "line 2", "empty"),
    "bytes.txt": (b"w5\nw\xff6\n", "line 2", "UTF-8"),
    "number.jsonl": (b'{"text": "w5"}\n{"text": 5}\n', "line 2", "int"),
    "null.jsonl": (b'{"text": "w5"}\n{"text": null}\n', "line 2", "missing"),
    "keyless.jsonl": (b'{"text": "w5"}\n{"txet": "w6"}\n', "line 2", "no 'text'"),
    "array.jsonl": (b'{"text": "w5"}\n["w6"]\n', "line 2", "not a JSON object"),
    "torn.jsonl": (b'{"text": "w5"}\n{"text": "w\n', "line 2", "not JSON"),
    "deep.jsonl": (b'{"text": "w5"}\n' + b"[" * 100_000 + b"\n", "line 2", "not JSON"),
    "bytes.jsonl": (b'{"text": "w5"}\n{"text": "w\xff"}\n', "line 2", "UTF-8"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_row_that_cannot_be_scored_is_written_with_its_error(
    classifier: TextClassifier, tmp_path: Path, name: str
) -> None:
    content, where, words = BAD_ROWS[name]
    (tmp_path / name).write_bytes(content)
    summary = score_file(classifier, tmp_path / name, tmp_path / "out.jsonl")
    assert summary.failed == 1
    assert summary.first_failures[0][0] == where and words in summary.first_failures[0][1]
    rows = rows_of(tmp_path / "out.jsonl")
    bad = [row for row in rows if row["error"] is not None]
    assert len(bad) == 1 and words in bad[0]["error"]
    assert bad[0]["label"] is None and bad[0]["labels"] is None
    assert all(row["label"] in classifier.labels for row in rows if row not in bad)

    for other in ("out.csv", "out.parquet", "out.txt"):
        assert score_file(classifier, tmp_path / name, tmp_path / other).failed == 1
    assert pq.read_table(tmp_path / "out.parquet")["error"].null_count == len(rows) - 1
    assert (tmp_path / "out.txt").read_text().split("\n").count("") == 2


@pytest.mark.parametrize("name", BAD_ROWS)
def test_strict_stops_at_it_with_file_and_row(
    classifier: TextClassifier, tmp_path: Path, name: str
) -> None:
    content, where, words = BAD_ROWS[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DistilloraError) as refused:
        score_file(classifier, tmp_path / name, tmp_path / "out.csv", strict=True)
    assert refused.value.exit_code == 2
    for part in (name, where, words):
        assert part in str(refused.value)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_parquet_row_without_text_or_with_broken_bytes_is_written_with_its_error(
    classifier: TextClassifier, tmp_path: Path
) -> None:
    raw = pa.array([b"w5", None, b"caf\xe9", b" "]).cast(pa.binary())
    texts = pa.Array.from_buffers(pa.string(), 4, raw.buffers())
    pq.write_table(pa.table({"body": texts}), tmp_path / "in.parquet")
    for name in ("out.parquet", "out.jsonl"):
        summary = score_file(classifier, tmp_path / "in.parquet", tmp_path / name)
        assert [where for where, _ in summary.first_failures] == ["row 2", "row 3", "row 4"]
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["body"].to_pylist() == ["w5", None, "caf\ufffd", " "]
    assert [row["body"] for row in rows_of(tmp_path / "out.jsonl")] == table["body"].to_pylist()
    with pytest.raises(DistilloraError, match="row 2"):
        score_file(classifier, tmp_path / "in.parquet", tmp_path / "s.csv", strict=True)


REFUSED = {
    "short.csv": (b"id,text\n1,w5\n2\n", ["short.csv", "row 2 (line 3)", "Quote"]),
    "long.csv": (b"id,text\n1,w5, and more\n", ["row 1 (line 2)", "3", "comma"]),
    "long.tsv": (b"id\ttext\n1\tw5\tw6\n", ["row 1 (line 2)", "tab"]),
    "open.csv": (b'id,text\n1,w5\n2,"w6\n3,w7\n', ["row 2 (line 3)", "never closed"]),
    "quote.csv": (b'id,text\n1,"w5" w6\n', ["row 1 (line 2)", "expected after"]),
    "empty.csv": (b"", ["is empty", "first line"]),
    "twice.csv": (b"text,text\nw5,w6\n", ["two columns 'text'"]),
    "columns.csv": (b"id,tekst\n1,w5\n", ["`text_column`", "id, tekst"]),
    "both.csv": (b"text,body\nw5,w6\n", ["`text_column`", "text, body"]),
    "header.csv": (b"t\xe9xt\nw5\n", ["header", "UTF-8"]),
    "utf16.csv": ("id,text\n1,w5\n".encode("utf-16"), ["UTF-16", "UTF-8"]),
    "columns.jsonl": (b'{"id": 1, "tekst": "w5"}\n', ["`text_column`", "id, tekst"]),
    "taken.csv": (b"text,label\nw5,x\n", ["'label'", "`prefix`"]),
    "error.csv": (b"text,error\nw5,x\n", ["'error'", "`prefix`"]),
    "taken.jsonl": (b'{"text": "w5"}\n{"text": "w5", "score": 1}\n', ["line 2", "'score'"]),
    "no.parquet": (b"PAR1 but not really", ["no.parquet", "Parquet"]),
    "what.xlsx": (b"", ["the extension '.xlsx' is not known", "`source_format`"]),
    "what.cvs": (b"", ["Did you mean '.csv'?"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_trusted_is_refused_with_place_and_fix(
    classifier: TextClassifier, tmp_path: Path, name: str
) -> None:
    content, words = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DistilloraError) as refused:
        score_file(classifier, tmp_path / name, tmp_path / "out.csv")
    assert refused.value.exit_code == 2
    for part in words:
        assert part in str(refused.value)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_missing_column_is_named_with_the_nearest(
    classifier: TextClassifier, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text("id,comment_body\n1,w5\n")
    (tmp_path / "in.jsonl").write_text('{"id": 1, "comment_body": "w5"}\n')
    pq.write_table(pa.table({"id": [1], "comment_body": ["w5"]}), tmp_path / "in.parquet")
    for name in ("in.csv", "in.jsonl", "in.parquet"):
        with pytest.raises(DistilloraError, match="Did you mean 'comment_body'"):
            score_file(classifier, tmp_path / name, tmp_path / "out.csv", text_column="coment_body")
    with pytest.raises(DistilloraError, match="int64, not text"):
        score_file(classifier, tmp_path / "in.parquet", tmp_path / "out.csv", text_column="id")


def test_both_ends_must_be_possible(classifier: TextClassifier, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("text\nw5\n")
    (tmp_path / "link.csv").symlink_to(source)
    cases: list[tuple[Any, Any, dict[str, Any], str]] = [
        (tmp_path / "inn.csv", tmp_path / "out.csv", {}, "Did you mean 'in.csv'"),
        (tmp_path, tmp_path / "out.csv", {}, "is a folder"),
        (source, tmp_path, {}, "is a folder"),
        (source, source, {}, "is the input"),
        (source, tmp_path / "link.csv", {}, "is the input"),
        (source, tmp_path / "no" / "out.csv", {}, "does not exist"),
        (source, tmp_path / "out", {}, "`target_format`"),
        (source, "/dev/null", {}, "not a regular file"),
        (source, tmp_path / "out.csv", {"target_format": "cvs"}, "Did you mean 'csv'"),
        (source, io.BytesIO(), {}, "`target_format`"),
        (source, io.BytesIO(), {"target_format": "csv", "resume": True}, "`resume` needs"),
        (source, tmp_path / "out.csv", {"columns": ["lable"]}, "Did you mean 'label'"),
        (source, tmp_path / "out.csv", {"columns": []}, "at least one"),
        (source, tmp_path / "out.txt", {"columns": ["score"]}, "only the label"),
    ]
    for reads, writes, options, words in cases:
        with pytest.raises(DistilloraError, match=words) as refused:
            score_file(classifier, reads, writes, **options)
        assert refused.value.exit_code == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.csv", "link.csv"]


def test_too_many_keys_for_a_table_are_refused_and_written_as_json_lines(
    classifier: TextClassifier, tmp_path: Path
) -> None:
    lines = [json.dumps({"text": "w5", f"key{i}": i}) for i in range(2500)]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    with pytest.raises(DistilloraError, match="too many for a table"):
        score_file(classifier, tmp_path / "in.jsonl", tmp_path / "out.csv", text_column="text")
    score_file(classifier, tmp_path / "in.jsonl", tmp_path / "out.jsonl", text_column="text")
    assert len(rows_of(tmp_path / "out.jsonl")) == 2500


def test_without_pyarrow_parquet_says_what_to_install_and_csv_works(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text("text\nw5\n")
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from distillora.cli import main\n"
        "sys.argv = ['distillora', 'predict', '--model', sys.argv[1], '--input', 'in.csv',"
        " '--output', sys.argv[2]]; main()"
    )

    def run(output: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, str(tiny_bundle), output]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    refused = run("out.parquet")
    assert refused.returncode == 2
    assert "pip install '.[parquet]'" in refused.stderr
    assert run("out.csv").returncode == 0
    assert (tmp_path / "out.csv").is_file()
