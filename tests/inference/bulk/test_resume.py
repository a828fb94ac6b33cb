"""An interrupted run goes on with --resume: no row twice, none lost, the same bytes."""

from __future__ import annotations

import errno
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distillora.errors import DistilloraError, StorageError
from distillora.inference.bulk import score_file
from distillora.inference.classifier import Prediction, TextClassifier

ROWS = 9000  # five chunks


class Counting(TextClassifier):
    """A classifier that counts what it scores, and can be interrupted by its user."""

    texts: int = 0
    calls_left: int | None = None

    def predict(self, texts: str | Sequence[str], **options: Any) -> list[Prediction]:
        if self.calls_left == 0:
            raise KeyboardInterrupt
        if self.calls_left is not None:
            self.calls_left -= 1
        self.texts += len(texts)
        return super().predict(texts, **options)


@pytest.fixture
def classifier(tiny_bundle: Path) -> Counting:
    return Counting.load(tiny_bundle, threads=1)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "in.csv", ROWS)


def write_rows(path: Path, rows: int) -> Path:
    words = random.Random(5)
    texts = [" ".join(f"w{words.randint(5, 199)}" for _ in range(i % 9)) for i in range(rows)]
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"id": range(rows), "body": texts}), path)
    elif path.suffix == ".jsonl":
        path.write_text(
            "".join(json.dumps({"id": i, "body": t}) + "\n" for i, t in enumerate(texts))
        )
    else:
        lines = (f"{i},{text}\n" for i, text in enumerate(texts))
        path.write_text("id,body\n" + "".join(lines))
    return path


def interrupt(classifier: Counting, source: Any, target: Path, calls: int, **options: Any) -> None:
    classifier.calls_left = calls
    with pytest.raises(KeyboardInterrupt):
        score_file(classifier, source, target, **options)
    classifier.calls_left = None


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("in.csv", "out.csv"),
        ("in.csv", "out.txt"),
        ("in.jsonl", "out.parquet"),
        ("in.parquet", "out.jsonl"),
        ("in.parquet", "out.parquet"),
    ],
)
def test_a_resumed_run_scores_no_row_twice_and_writes_the_same_bytes(
    classifier: Counting, tmp_path: Path, kind: str, target: str
) -> None:
    source = write_rows(tmp_path / kind, ROWS)
    calm, rough = tmp_path / f"calm-{target}", tmp_path / target
    whole = score_file(classifier, source, calm)
    classifier.texts = 0
    interrupt(classifier, source, rough, calls=2)
    assert not rough.exists()
    interrupt(classifier, source, rough, calls=1, resume=True)
    summary = score_file(classifier, source, rough, resume=True)
    assert classifier.texts == ROWS - ROWS // 9
    assert rough.read_bytes() == calm.read_bytes()
    assert (summary.rows, summary.failed) == (whole.rows, whole.failed) == (ROWS, ROWS // 9)
    assert summary.first_failures == whole.first_failures
    assert summary.resumed == 3 * 2048
    assert not list(tmp_path.glob(".*"))


def test_a_stream_resumes_when_it_comes_again(
    classifier: Counting, source: Path, tmp_path: Path
) -> None:
    content, out = source.read_bytes(), tmp_path / "out.csv"
    interrupt(classifier, io.BytesIO(content), out, calls=2, source_format="csv")
    with pytest.raises(DistilloraError, match="the input"):
        other = io.BytesIO(content + b"9999,w7\n")
        score_file(classifier, other, out, source_format="csv", resume=True)
    again = io.BytesIO(content)
    summary = score_file(classifier, again, out, source_format="csv", resume=True)
    assert summary.resumed == 2 * 2048
    score_file(classifier, source, tmp_path / "calm.csv")
    assert out.read_bytes() == (tmp_path / "calm.csv").read_bytes()


def test_another_input_model_or_option_is_refused(
    classifier: Counting, source: Path, tmp_path: Path, tiny_bundle: Path
) -> None:
    out = tmp_path / "out.csv"
    interrupt(classifier, source, out, calls=1)
    other = Counting.load(tiny_bundle, precision="fp32", threads=1)
    cases: list[tuple[TextClassifier, dict[str, Any], str]] = [
        (other, {}, "the precision"),
        (classifier, {"columns": ["label"]}, "the added columns"),
        (classifier, {"prefix": "x_"}, "the added columns"),
        (classifier, {"text_column": "id"}, "the text column"),
        (classifier, {"target_format": "tsv"}, "the output's format"),
    ]
    for model, options, words in cases:
        with pytest.raises(DistilloraError, match=words) as refused:
            score_file(model, source, out, resume=True, **options)
        assert refused.value.exit_code == 2

    text = source.read_text()
    source.write_text(text.replace("8999,", "8998,"))
    with pytest.raises(DistilloraError, match="the input"):
        score_file(classifier, source, out, resume=True)
    source.write_text(text)
    assert score_file(classifier, source, out, resume=True).resumed == 2048


def test_without_resume_an_interrupted_run_starts_anew(
    classifier: Counting, source: Path, tmp_path: Path
) -> None:
    interrupt(classifier, source, tmp_path / "out.csv", calls=2)
    summary = score_file(classifier, source, tmp_path / "out.csv", columns=["label"])
    assert summary.resumed == 0
    score_file(classifier, source, tmp_path / "calm.csv", columns=["label"])
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "calm.csv").read_bytes()


def test_resume_without_an_interrupted_run_starts(
    classifier: Counting, source: Path, tmp_path: Path
) -> None:
    assert score_file(classifier, source, tmp_path / "out.csv", resume=True).resumed == 0


def test_two_runs_do_not_share_an_output(
    classifier: Counting, source: Path, tmp_path: Path
) -> None:
    class Second(Counting):
        def predict(self, texts: str | Sequence[str], **options: Any) -> list[Prediction]:
            with pytest.raises(DistilloraError, match="by another run") as refused:
                score_file(classifier, source, tmp_path / "out.csv")
            assert refused.value.exit_code == 2
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_file(Second(classifier.bundle), source, tmp_path / "out.csv")


def test_an_input_that_is_written_meanwhile_is_refused(
    classifier: Counting, source: Path, tmp_path: Path, tiny_bundle: Path
) -> None:
    class Meanwhile(TextClassifier):
        def predict(self, texts: str | Sequence[str], **options: Any) -> list[Prediction]:
            with source.open("a") as stream:
                stream.write("9999,w7\n")
            return super().predict(texts, **options)

    with pytest.raises(DistilloraError, match="changed while"):
        score_file(Meanwhile.load(tiny_bundle), source, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_a_full_disk_keeps_what_is_scored(
    classifier: Counting, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, syncs = os.fsync, 0

    def full(handle: int) -> None:
        nonlocal syncs
        syncs += 1
        if syncs > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="`resume`"):
        score_file(classifier, source, tmp_path / "out.csv")
    monkeypatch.undo()
    assert not (tmp_path / "out.csv").exists()
    assert score_file(classifier, source, tmp_path / "out.csv", resume=True).resumed >= 2048


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "target"), [("csv", "csv"), ("jsonl", "parquet")])
def test_a_run_killed_at_random_moments_ends_like_one_left_in_peace(
    tmp_path: Path, tiny_bundle: Path, kind: str, target: str
) -> None:
    source = write_rows(tmp_path / f"in.{kind}", 30_000)

    def start(out: Path, *options: str) -> subprocess.Popen[bytes]:
        words = ["predict", "--model", tiny_bundle, "--input", source, "--text-column", "body"]
        words += ["--output", out, *options]
        command = [sys.executable, "-m", "distillora", *map(str, words)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    calm, rough = tmp_path / f"calm.{target}", tmp_path / f"rough.{target}"
    began = time.monotonic()
    assert start(calm).wait(timeout=300) == 0
    whole = time.monotonic() - began

    moments, kills, most_parts = random.Random(11), 0, 0
    while kills < 6:
        process = start(rough, "--resume")
        time.sleep(moments.uniform(0.2, 0.9) * whole)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
        if rough.exists():  # it was whole before the process could end
            break
        parts = len(list(tmp_path.glob(".rough*/*.chunk")))
        assert parts >= most_parts
        most_parts = parts
    assert kills and most_parts
    assert not rough.exists() or rough.read_bytes() == calm.read_bytes()
    assert start(rough, "--resume").wait(timeout=300) == 0
    assert rough.read_bytes() == calm.read_bytes()
    assert not list(tmp_path.glob(".*"))
