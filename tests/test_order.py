"""Tests do not depend on the tests that ran before them in the same process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_spawned_workers_start_after_a_test_of_the_app() -> None:
    in_this_order = (
        "tests/app/test_predict.py::test_the_original_sentence_stands_ready",
        "tests/pipeline/test_jobs.py::test_a_failure_in_a_process_arrives_as_it_is",
    )
    alone = ("-q", "-p", "no:randomly", "-p", "no:xdist")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *alone, *in_this_order],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout
