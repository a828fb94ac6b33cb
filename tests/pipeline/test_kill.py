"""``kill -9`` at any moment, then the same command: the results of an undisturbed run."""

from __future__ import annotations

import json
import random
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

import forked


def start(recipe: Path, out: Path) -> ForkServerProcess:
    output = out.with_suffix(".log")
    return forked.start_cli(output, "compare", "--recipe", recipe, "--out", out)


def finish(recipe: Path, out: Path) -> None:
    forked.finish(start(recipe, out), out.with_suffix(".log"))


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
    # 60 texts in batches of 1: a state is saved in the middle of an epoch, too
    tiny_recipe["training"] |= {"batch_size": 1, "checkpoint_minutes": 1e-6}
    del tiny_recipe["arms"]["hybrid"]
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(tiny_recipe))
    calm, rough = tmp_path / "calm", tmp_path / "rough"

    began = time.monotonic()
    finish(recipe, calm)
    whole = time.monotonic() - began

    moments = random.Random(7)
    kills = 0
    while kills < 5:
        process = start(recipe, rough)
        process.join(moments.uniform(0.1, 0.7) * whole)
        if not process.is_alive():
            break
        process.kill()
        process.join()
        kills += 1
    assert kills
    finish(recipe, rough)

    assert measured(rough) == measured(calm)
    for arm in measured(calm):
        one, two = (pq.read_table(folder / arm["predictions"]) for folder in (calm, rough))
        assert one.equals(two)
    assert not list(rough.rglob(".*.part"))
