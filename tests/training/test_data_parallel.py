"""Several processes that train together, as torchrun starts them."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tiny import save_tiny_backbone, write_tiny_data

pytestmark = pytest.mark.slow

ARMS = ("teacher", "odd", "lora")


def write_recipe(folder: Path, **training: Any) -> Path:
    backbone = save_tiny_backbone(folder / "backbone", num_hidden_layers=4)
    data = write_tiny_data(folder / "data", rows=61)
    extra = folder / "extra.txt"
    extra.write_text("\n".join(f"w{word} w{word + 1} w5" for word in range(10, 40)))
    recipe = {
        "name": "together",
        "data": {"source": "folder", "path": str(data), "max_length": 16},
        "training": {"epochs": 2, "batch_size": 8, "learning_rate": 5e-3, **training},
        "arms": {
            "teacher": {"init": {"backbone": str(backbone)}},
            "odd": {
                "init": {"arm": "teacher", "layers": "odd"},
                "objective": {
                    **{"labels": 0.5, "distillation": 0.5, "hidden_cosine": 0.5},
                    **{"label_loss": "weighted", "extra_text": str(extra)},
                },
            },
            "lora": {
                "init": {"backbone": str(backbone)},
                "tuning": {"method": "lora", "rank": 2, "alpha": 4},
            },
        },
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return path


def run_together(recipe: Path, out: Path, processes: int = 2) -> subprocess.CompletedProcess[str]:
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    compare = ["-m", "distillora", "compare", "--recipe", str(recipe), "--out", str(out)]
    with subprocess.Popen(
        [sys.executable, "-m", *torchrun, *compare],
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=180)
        except subprocess.TimeoutExpired:
            process.terminate()  # torchrun ends its workers when it is asked to, not when killed
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the recipe and the folder of a run that two processes made."""
    folder = tmp_path_factory.mktemp("together")
    recipe, out = write_recipe(folder), folder / "run"
    done = run_together(recipe, out)
    assert done.returncode == 0, done.stderr
    return recipe, out


def test_two_processes_make_every_arm(run: tuple[Path, Path]) -> None:
    results = json.loads((run[1] / "results.json").read_text())
    assert results["environment"]["processes"] == 2
    assert [arm["name"] for arm in results["arms"]] == list(ARMS)
    for arm in results["arms"]:
        test = arm["metrics"]["test"]
        assert test["rows"] == 20
        assert 0 <= test["accuracy"] <= 1 and 0 <= test["f1_macro"] <= 1
        assert 0 < test["loss"] < 2 * math.log(4)
        assert [epoch["epoch"] for epoch in arm["history"]] == [1, 2]
        assert all(0 < epoch["train_loss"] < 10 for epoch in arm["history"])
        assert arm["cost"]["examples_per_second"] > 0


def test_validation_in_parts_measures_what_one_process_does(run: tuple[Path, Path]) -> None:
    results = json.loads((run[1] / "results.json").read_text())
    for arm in results["arms"]:
        best = arm["history"][arm["best_epoch"] - 1]
        # the arm was scored again by the main process alone, over all rows
        alone = arm["metrics"]["validation"]
        assert best["accuracy"] == pytest.approx(alone["accuracy"])
        assert best["f1_weighted"] == pytest.approx(alone["f1_weighted"])
        assert best["validation_loss"] == pytest.approx(alone["loss"], rel=0.05)


def test_the_arms_ship_weights_that_load_and_no_checkpoints(run: tuple[Path, Path]) -> None:
    from distillora.models.backbones import load_classifier
    from tiny import LABELS

    for name in ARMS:
        folder = run[1] / "arms" / name / "seed-0"
        load_classifier(str(folder / "model"), None, LABELS[:4], multi_label=False)
        assert not (folder / "checkpoints").exists()


def test_running_it_again_finds_everything_finished(run: tuple[Path, Path]) -> None:
    recipe, out = run
    weights = {p: p.stat().st_mtime_ns for p in out.rglob("*.safetensors")}
    done = run_together(recipe, out)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("finished before") == len(ARMS)
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*.safetensors")} == weights


def test_a_batch_that_cannot_be_shared_out_is_refused(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, batch_size=7)
    done = run_together(recipe, tmp_path / "run")
    assert done.returncode != 0
    assert "batch_size 7 cannot be divided among 2 processes" in done.stderr
    assert "Traceback" not in done.stderr.split("batch_size 7")[0]
