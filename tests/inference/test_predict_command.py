"""``distillora predict`` as its user meets it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distillora.inference.classifier import TextClassifier
from distillora.inference.explain import explain
from distillora.signals.toxicity import ToxicityRule

Cli = Callable[..., Any]
TEXT = "w5 w6 w7 w8"


@pytest.fixture
def classifier(tiny_bundle: Path) -> TextClassifier:
    return TextClassifier.load(tiny_bundle)


@pytest.fixture
def predict(run_cli: Cli, tiny_bundle: Path) -> Cli:
    return lambda *words: run_cli("predict", "--model", tiny_bundle, *words)


@pytest.fixture
def comments(tmp_path: Path) -> Path:
    path = tmp_path / "comments.csv"
    path.write_text("id,body\n1,w5 w6\n2,\n3,=w7\n")
    return path


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    def give(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return give


def test_texts_are_printed_with_label_labels_and_toxicity(
    predict: Cli, classifier: TextClassifier
) -> None:
    done = predict(TEXT, "w9 " * 200)
    assert done.code == 0, done.err
    one, two = classifier.predict([TEXT, "w9 " * 200])
    for prediction in (one, two):
        assert f"{prediction.label} {prediction.score:.3f}" in done.out
        assert "labels: " in done.out and "toxicity " in done.out
    assert TEXT in done.out
    assert done.out.count("truncated") == 1


def test_json_says_all_that_the_python_interface_says(
    predict: Cli, classifier: TextClassifier
) -> None:
    done = predict("--json", "--top-k", 2, TEXT, "ünï\n😀")
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [line["text"] for line in lines] == [TEXT, "ünï\n😀"]
    expected = classifier.predict([TEXT, "ünï\n😀"], top_k=2)
    for line, prediction in zip(lines, expected, strict=True):
        assert line["scores"] == prediction.scores and len(line["scores"]) == 2
        assert line["labels"] == list(prediction.labels)
        for key in ("label", "score", "toxicity", "toxic", "toxic_by_label", "truncated"):
            assert line[key] == getattr(prediction, key)


def test_explain_shows_the_effect_of_each_word(predict: Cli, classifier: TextClassifier) -> None:
    told = explain(classifier, TEXT)
    line = json.loads(predict("--json", "--explain", TEXT).out)["explanation"]
    assert line["label"] == told.label
    assert [w["effect"] for w in line["words"]] == [w.effect for w in told.words]
    shown = predict("--explain", TEXT).out
    for word in told.words:
        assert f"{word.word} {word.effect:+.2f}" in shown


def test_precision_and_toxicity_can_be_chosen(predict: Cli, tiny_bundle: Path) -> None:
    rule = ToxicityRule(emotions=("sadness", "joy"), threshold=0.01)
    expected = TextClassifier.load(tiny_bundle, precision="fp32", toxicity=rule).predict(TEXT)
    options = ["--toxic-emotions", "sadness, joy", "--toxic-threshold", "0.01"]
    line = json.loads(predict("--precision", "fp32", *options, "--json", TEXT).out)
    assert line["score"] == expected[0].score
    assert line["toxicity"] == expected[0].toxicity
    assert line["toxic"] is expected[0].toxic


def test_a_text_cannot_steer_the_terminal(predict: Cli) -> None:
    done = predict("w5 \x1b[2J [bold]w6[/bold]")
    assert "\x1b" not in done.out and "[bold]w6[/bold]" in done.out


def test_lines_of_standard_input_are_texts(
    predict: Cli, stdin: Callable[[bytes], None], classifier: TextClassifier
) -> None:
    stdin(b"\xef\xbb\xbfw5 w6\r\nw7\nbroken \xff")
    done = predict("--json")
    texts = [json.loads(line)["text"] for line in done.out.splitlines()]
    assert texts == ["w5 w6", "w7", "broken \ufffd"]


def test_a_file_is_scored_and_its_bad_rows_are_told(
    predict: Cli, comments: Path, tmp_path: Path
) -> None:
    out = tmp_path / "scored.csv"
    done = predict("--input", comments, "--text-column", "body", "--output", out)
    assert done.code == 0, done.err
    for words in ("3 rows", "rows/s", "1 could not be scored", "row 2 (line 3)", "empty"):
        assert words in done.err
    with out.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [*rows[0]] == ["id", "body", "label", "score", "labels", "toxicity", "toxic", "error"]
    assert [row["body"] for row in rows] == ["w5 w6", "", "'=w7"]


def test_standard_input_goes_to_standard_output(tiny_bundle: Path, comments: Path) -> None:
    options = ["--input", "-", "--format", "csv", "--output", "-", "--output-format", "jsonl"]
    command = [sys.executable, "-m", "distillora", "predict", "--model", str(tiny_bundle), *options]
    content = comments.read_bytes()
    done = subprocess.run(command, input=content, capture_output=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["id"] for row in rows] == ["1", "2", "3"]
    assert b"1 could not be scored" in done.stderr


def test_control_c_says_that_resume_goes_on(
    predict: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Interrupted()))
    done = predict("--input", "-", "--format", "csv", "--output", tmp_path / "out.csv")
    assert done.code == 130
    assert "--resume" in done.err and "Traceback" not in done.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--model", "no/such/folder"], "no/such/folder is not a bundle"),
        (["--precision", "int4", TEXT], "Did you mean 'int8'?"),
        (["--top-k", "0", TEXT], "--top-k"),
        (["--toxic-emotions", "angr", TEXT], "Did you mean 'anger'?"),
        (["--toxic-emotions", "", TEXT], "at least one"),
        (["--toxic-threshold", "2", TEXT], "between 0 and 1"),
        (["--output", "out.csv"], "--output is for files"),
        (["--strict", TEXT], "--strict is for files"),
        (["--input", "comments.csv"], "--output FILE"),
        (["--input", "comments.csv", "--output", "o.csv", TEXT], "A text cannot"),
        (["--input", "comments.csv", "--output", "o.csv", "--json"], "--json cannot"),
        (["--input", "coments.csv", "--output", "o.csv"], "Did you mean 'comments.csv'?"),
        (["--input", "comments.csv", "--output", "o.csv", "--columns", "lable"], "'label'"),
        (["--input", "comments.csv", "--output", "o.xls"], "'.xls'"),
        (["--input", "comments.csv", "--output", "comments.csv"], "is the input"),
        (["--input", "comments.csv", "--output", "o.csv", "--text-column", "boddy"], "'body'"),
        (["--input", "comments.csv", "--output", "o.csv", "--strict"], "row 2 (line 3)"),
        (["--input", "-", "--output", "o.csv"], "--format"),
        (["--input", "comments.csv", "--output", "-"], "--output-format"),
    ],
)
def test_a_mistake_exits_with_2_and_says_what_is_wrong(
    run_cli: Cli,
    tiny_bundle: Path,
    comments: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    expected: str,
) -> None:
    monkeypatch.chdir(comments.parent)
    model = [] if "--model" in words else ["--model", tiny_bundle]
    done = run_cli("predict", *model, *words)
    assert done.code == 2
    assert expected in done.err
    assert "Traceback" not in done.err and not done.out
    assert [p.name for p in comments.parent.iterdir()] == ["comments.csv"]


def test_no_text_at_all_is_a_mistake(predict: Cli, stdin: Callable[[bytes], None]) -> None:
    stdin(b"")
    done = predict()
    assert done.code == 2 and "No text" in done.err


def test_importing_the_command_line_loads_no_library_of_inference() -> None:
    heavy = ("torch", "pandas", "pyarrow", "onnxruntime", "tokenizers", "distillora.inference")
    code = f"import sys, distillora.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_predict_loads_neither_torch_nor_pandas_nor_pyarrow_for_csv(
    tiny_bundle: Path, comments: Path
) -> None:
    code = (
        "import sys\nfrom distillora.cli import main\n"
        "sys.argv = ['distillora', 'predict', *sys.argv[1:]]\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'pandas', 'pyarrow', 'transformers') if m in sys.modules])"
    )
    words = ["--model", str(tiny_bundle), "--input", str(comments), "--output", "o.jsonl"]
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=comments.parent)
    assert done.stdout.strip() == "[]"
