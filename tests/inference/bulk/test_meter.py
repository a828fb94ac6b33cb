"""Progress tells rows, speed and time left, and only what this run did counts for the speed."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from distillora.inference.bulk import score_file
from distillora.inference.bulk.score import describe
from distillora.inference.classifier import TextClassifier
from distillora.progress import Reporter


def test_speed_and_time_left_come_from_the_rows_of_this_run() -> None:
    assert describe(6144, 10240, 4096, 4.0) == "6,144 of 10,240 rows, 1,024 rows/s, 0:00:04 left"
    assert describe(6144, 10240, 0, 4.0) == "6,144 of 10,240 rows"


def test_a_terminal_shows_a_bar_and_a_file_none(tmp_path: Path, tiny_bundle: Path) -> None:
    (tmp_path / "in.txt").write_text("w5 w6\n" * 5000)
    classifier = TextClassifier.load(tiny_bundle, threads=1)
    for terminal in (True, False):
        shown = io.StringIO()
        console = Console(file=shown, force_terminal=terminal, width=120)
        score_file(
            classifier, tmp_path / "in.txt", tmp_path / "out.csv", reporter=Reporter(console)
        )
        assert ("rows/s" in shown.getvalue()) is terminal
