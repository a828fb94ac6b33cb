from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from streamlit.testing.v1 import AppTest

from app.looking import button, by_label, words_of
from distillora.app.scoring import WatchedClassifier, preview, score_upload
from distillora.inference.classifier import TextClassifier
from distillora.signals.toxicity import ToxicityRule

OpenApp = Callable[..., AppTest]
TEXTS = ["amazing", "awful, really", "lonely"]


def as_csv() -> bytes:
    return b'id,comment\n1,amazing\n2,"awful, really"\n3,lonely\n'


def as_jsonl() -> bytes:
    return b"".join(
        json.dumps({"id": i, "comment": t}).encode() + b"\n" for i, t in enumerate(TEXTS)
    )


def as_parquet() -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table({"id": [1, 2, 3], "comment": TEXTS}), stream)
    return stream.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "texts.csv": as_csv,
    "texts.jsonl": as_jsonl,
    "texts.parquet": as_parquet,
}


def rows_of(content: bytes, name: str) -> list[dict[str, Any]]:
    if name.endswith("csv"):
        return pyarrow.csv.read_csv(io.BytesIO(content)).to_pylist()
    if name.endswith("jsonl"):
        return [json.loads(line) for line in content.splitlines()]
    return pq.read_table(io.BytesIO(content)).to_pylist()


def upload(page: AppTest, name: str, content: bytes) -> AppTest:
    return page.file_uploader[0].upload(name, content, "application/octet-stream").run()


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_previewed_scored_and_ready_to_download(open_app: OpenApp, name: str) -> None:
    page = upload(open_app(tab="Batch"), name, FILES[name]())
    assert by_label(page.selectbox, "Text column").value == "comment"
    assert list(page.dataframe[0].value["comment"]) == TEXTS
    page = button(page, "Score the file").click().run()
    assert not page.exception
    assert "3 rows" in words_of(page)
    assert list(page.dataframe[1].value["label"]) == ["joy", "anger", "sadness"]
    assert page.get("download_button")[0].label == f"Download texts-scored.{name.split('.')[1]}"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("target", ["csv", "jsonl", "parquet"])
def test_the_scored_file_says_what_the_classifier_says(
    bundle: Path, name: str, target: Any
) -> None:
    classifier = TextClassifier.load(bundle)
    scored = score_upload(classifier, FILES[name](), name, "comment", target)
    expected = classifier.predict(TEXTS)
    rows = rows_of(scored.content, scored.name)
    assert [row["label"] for row in rows] == [p.label for p in expected]
    assert [row["score"] for row in rows] == pytest.approx([p.score for p in expected], abs=1e-6)
    assert [row["toxic"] for row in rows] == [p.toxic for p in expected]


def test_every_probability_and_a_prefix_can_be_asked_for(open_app: OpenApp) -> None:
    page = upload(open_app(tab="Batch"), "texts.csv", as_csv())
    by_label(page.text_input, "Prefix of the added columns").input("emotion_")
    by_label(page.checkbox, "Add the probability of every label").check()
    page = button(page, "Score the file").click().run()
    columns = set(page.dataframe[1].value.columns)
    assert {"emotion_label", "emotion_score_joy", "emotion_error"} <= columns


def test_the_toxicity_of_a_file_follows_the_sidebar(bundle: Path) -> None:
    told: list[int] = []
    rule = ToxicityRule(emotions=("sadness",), threshold=0.5)
    watched = WatchedClassifier(TextClassifier.load(bundle), rule, told.append)
    rows = rows_of(score_upload(watched, as_csv(), "t.csv", "comment", "csv").content, "t.csv")
    assert [row["toxic"] for row in rows] == [False, False, True]
    assert told[-1] == 3


def test_another_setting_asks_to_score_again(open_app: OpenApp) -> None:
    page = upload(open_app(tab="Batch"), "texts.csv", as_csv())
    page = button(page, "Score the file").click().run()
    page = by_label(page.selectbox, "Text column").select("id").run()
    assert "Score it again" in words_of(page)
    assert not page.get("download_button")


def test_rows_that_cannot_be_scored_are_counted_and_named(open_app: OpenApp) -> None:
    page = upload(open_app(tab="Batch"), "texts.csv", b"text,n\namazing,1\n,2\n")
    page = button(page, "Score the file").click().run()
    assert "1 of them could not be scored" in words_of(page)
    assert "row 2" in words_of(page)


def test_a_column_that_is_there_already_is_refused_with_the_remedy(open_app: OpenApp) -> None:
    page = upload(open_app(tab="Batch"), "texts.csv", b"text,label\namazing,1\n")
    page = button(page, "Score the file").click().run()
    assert not page.exception
    assert "already has a column 'label'" in page.error[0].value


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "t.csv is empty: its first line must name the columns"),
        ("t.csv", b"\xff\xfe\x00", "t.csv is UTF-16. Save it as UTF-8"),
        ("t.csv", b"text,n\nfine,1\nfine\n", "t.csv, row 2 (line 3): the number of cells is 1"),
        ("t.jsonl", b"[1]\n", "t.jsonl, line 1: the line is not a JSON object: [1]"),
        ("t.jsonl", b"{", "t.jsonl, line 1: the line is not JSON: {"),
        ("t.jsonl", b"\n\n", "t.jsonl has no rows"),
        ("t.parquet", b"PAR1", "t.parquet cannot be read as Parquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_place_and_reason(
    open_app: OpenApp, name: str, content: bytes, message: str
) -> None:
    page = upload(open_app(tab="Batch"), name, content)
    assert not page.exception
    assert message in page.error[0].value


def test_a_preview_shows_what_the_readers_read() -> None:
    lines = b'{"text": "fine", "n": 1}\nnonsense\n{"text": null, "tags": ["a", "b"]}\n'
    assert preview(lines, "jsonl", "t.jsonl") == {
        "text": ["fine", "", ""],
        "n": ["1", "", ""],
        "tags": ["", "", "['a', 'b']"],
    }
    assert preview(b"id,text\n007,\n", "csv", "t.csv") == {"id": ["007"], "text": [""]}
    assert preview(b"id,text\n", "csv", "t.csv") == {"id": [], "text": []}
    assert len(preview(b"text\n" + b"fine\n" * 99, "csv", "t.csv")["text"]) == 5


def test_the_column_of_texts_is_chosen_in_the_app_where_its_name_does_not_suggest_it(
    open_app: OpenApp,
) -> None:
    page = upload(open_app(tab="Batch"), "t.csv", b"id,subject,Message\n1,x,amazing\n")
    assert by_label(page.selectbox, "Text column").value == "Message"
    page = upload(open_app(tab="Batch"), "t.csv", b"id,subject\n1,amazing\n")
    assert by_label(page.selectbox, "Text column").value == "id"


def test_without_a_file_the_tab_says_what_it_does(open_app: OpenApp) -> None:
    assert "The result has all rows and columns of the file" in words_of(open_app(tab="Batch"))
