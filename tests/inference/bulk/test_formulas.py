"""A spreadsheet runs no cell of a scored file; other formats keep the text exactly."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from distillora.inference.bulk import score_file
from distillora.inference.bulk.writers import neutralise
from distillora.inference.classifier import TextClassifier

FORMULAS = [
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\nx",
    "  =1+1",
    "＝1+1",
    '=HYPERLINK("http://x","y")',
    "-1.5 =x",
]
HARMLESS = ["-1.5", "+3", "-1e-5", "-1,5", ".5", "a=b", "it's - fine", "'quoted", "", "  text"]


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_formula_gets_an_apostrophe(cell: str) -> None:
    assert neutralise(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", HARMLESS)
def test_numbers_and_plain_text_are_left(cell: str) -> None:
    assert neutralise(cell) == cell


@pytest.fixture(scope="module")
def classifier(tiny_bundle: Path) -> TextClassifier:
    return TextClassifier.load(tiny_bundle, threads=1)


def test_csv_is_neutralised_and_json_and_parquet_are_exact(
    classifier: TextClassifier, tmp_path: Path
) -> None:
    rows = [{"=head": text, "text": "w5", "n": -3} for text in FORMULAS]
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in ("out.csv", "out.tsv", "out.jsonl", "out.parquet"):
        score_file(classifier, source, tmp_path / name, columns=["label"])
    for name, delimiter in (("out.csv", ","), ("out.tsv", "\t")):
        with (tmp_path / name).open(newline="", encoding="utf-8") as stream:
            back = list(csv.DictReader(stream, delimiter=delimiter))
        assert [row["'=head"] for row in back] == [f"'{text}" for text in FORMULAS]
        assert {row["n"] for row in back} == {"-3"}
    lines = (tmp_path / "out.jsonl").read_text("utf-8").split("\n")[:-1]
    assert [json.loads(line)["=head"] for line in lines] == FORMULAS
    assert pq.read_table(tmp_path / "out.parquet")["=head"].to_pylist() == FORMULAS
