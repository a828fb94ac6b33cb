"""Arms made side by side, in processes of their own."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from distillora.errors import InputError, ModelError
from distillora.evaluation.results import Results
from distillora.pipeline import compare
from distillora.progress import Reporter
from distillora.recipe import parse_recipe

pytestmark = pytest.mark.slow

QUIET = Reporter(quiet=True)


def run(values: dict[str, Any], out: Path, jobs: int) -> Results:
    results = compare(parse_recipe(values), out, QUIET, jobs)
    assert results is not None
    return results


def test_side_by_side_the_same_models_come_out_as_one_after_the_other(
    tiny_recipe: dict[str, Any], tmp_path: Path
) -> None:
    tiny_recipe["seeds"] = [0, 1]
    tiny_recipe["arms"]["odd"]["objective"]["teacher_seeds"] = "all"
    one, two = run(tiny_recipe, tmp_path / "one", 1), run(tiny_recipe, tmp_path / "two", 2)
    assert (one.environment.jobs, two.environment.jobs) == (1, 2)
    assert [(a.name, a.seed) for a in one.arms] == [(a.name, a.seed) for a in two.arms]
    for a, b in zip(one.arms, two.arms, strict=True):
        assert a.metrics.test.loss == pytest.approx(b.metrics.test.loss, abs=1e-4)
        assert a.history[-1].train_loss == pytest.approx(b.history[-1].train_loss, abs=1e-4)


def test_a_failure_in_a_process_arrives_as_it_is(
    tiny_recipe: dict[str, Any], tmp_path: Path
) -> None:
    backbone = tmp_path / "backbone"
    shutil.copytree(tiny_recipe["arms"]["teacher"]["init"]["backbone"], backbone)
    (backbone / "model.safetensors").write_bytes(b"no tensors")
    tiny_recipe["arms"] = {"teacher": {"init": {"backbone": str(backbone)}}}
    with pytest.raises(ModelError, match="backbone"):
        run(tiny_recipe, tmp_path / "run", 2)


def test_jobs_and_torchrun_exclude_each_other(
    tiny_recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distillora.pipeline.run.process_count", lambda: 2)
    with pytest.raises(InputError, match="not both"):
        run(tiny_recipe, tmp_path / "run", 2)


def test_the_processes_end_when_the_one_that_started_them_is_killed(
    tiny_recipe: dict[str, Any], tmp_path: Path
) -> None:
    tiny_recipe["training"] |= {"epochs": 500}
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(tiny_recipe))
    words = ["compare", "--recipe", str(recipe), "--out", str(tmp_path / "run"), "--jobs", "2"]
    parent = subprocess.Popen(
        [sys.executable, "-m", "distillora", *words], stderr=subprocess.PIPE, text=True
    )
    assert parent.stderr is not None
    for line in parent.stderr:
        if "epoch 1/500" in line:
            break
    workers = psutil.Process(parent.pid).children(recursive=True)
    assert len(workers) >= 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 30
    while any(w.is_running() and w.status() != psutil.STATUS_ZOMBIE for w in workers):
        assert time.monotonic() < deadline
        time.sleep(0.2)
