"""``kill -9`` at any moment, then the same command: the results of an undisturbed run."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml


def start(recipe: Path, out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "distillora", "compare", "--recipe", str(recipe), "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def measured(out: Path) -> list[dict[str, Any]]:
    """Return the results without what a clock says."""
    arms: list[dict[str, Any]] = json.loads((out / "results.json").read_text())["arms"]
    for arm in arms:
        for said_by_a_clock in ("created", "ended", "other_load"):
            del arm["environment"][said_by_a_clock]
        arm["cost"] = {k: arm["cost"][k] for k in ("model_bytes", "adapter_bytes")}
        arm["history"] = [{k: v for k, v in e.items() if k != "seconds"} for e in arm["history"]]
    return arms


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_like_one_left_in_peace(
    tiny_recipe: dict[str, Any], tmp_path: Path
) -> None:
    # a state is saved after every step, so in the middle of an epoch, too
    tiny_recipe["training"] |= {"batch_size": 4, "checkpoint_minutes": 1e-6}
    del tiny_recipe["arms"]["hybrid"]
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(tiny_recipe))
    calm, rough = tmp_path / "calm", tmp_path / "rough"

    began = time.monotonic()
    assert start(recipe, calm).wait(timeout=300) == 0
    whole = time.monotonic() - began

    moments = random.Random(7)
    kills = 0
    while kills < 5:
        process = start(recipe, rough)
        time.sleep(moments.uniform(0.3, 0.9) * whole)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert kills
    assert start(recipe, rough).wait(timeout=300) == 0

    assert measured(rough) == measured(calm)
    for arm in measured(calm):
        one, two = (pq.read_table(folder / arm["predictions"]) for folder in (calm, rough))
        assert one.equals(two)
    assert not list(rough.rglob(".*.part"))
