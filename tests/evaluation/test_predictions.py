"""Predictions are read as they were recorded, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from distillora.artifacts import sha256_file
from distillora.errors import IntegrityError
from distillora.evaluation.predictions import has_recorded_checksum, read_predictions
from report.conftest import build_run


def test_predictions_that_changed_after_they_were_written_are_refused(tmp_path: Path) -> None:
    run, results = build_run(tmp_path, arms=("lora", "odd"), rows=60)
    lora, odd = results.arms
    sealed = lora.model_copy(update={"predictions_sha256": sha256_file(run / lora.predictions)})
    assert len(read_predictions(run, sealed).classes) == 60
    # those of another arm: the same rows, so that nothing but the checksum tells
    (run / lora.predictions).write_bytes((run / odd.predictions).read_bytes())
    with pytest.raises(IntegrityError, match="changed after it was written"):
        read_predictions(run, sealed)
    assert not has_recorded_checksum(run, sealed)
    assert has_recorded_checksum(run, lora)  # of a run from before there were checksums


def test_predictions_that_are_gone_do_not_count_as_recorded(tmp_path: Path) -> None:
    run, results = build_run(tmp_path, arms=("lora",), rows=60)
    (run / results.arms[0].predictions).unlink()
    assert not has_recorded_checksum(run, results.arms[0])
    with pytest.raises(IntegrityError, match="does not hold an arm's predictions"):
        read_predictions(run, results.arms[0])
