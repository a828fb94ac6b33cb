"""Training that is killed and started again ends in the same bits as training left in peace."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import forked
from training.resumable import LOGGED, train_tiny

pytestmark = pytest.mark.slow

Moment = Callable[[Path, float], bool]


def finish(folder: Path, tuning: str) -> Any:
    output = folder.with_suffix(".log")
    forked.finish(forked.start(output, train_tiny, folder, tuning), output)
    return json.loads((folder / "outcome.json").read_text())


def kill_at(moment: Moment, folder: Path, tuning: str) -> bool:
    """Start training and kill it at a moment; return False if it was over before that."""
    output = folder.with_suffix(".log")
    process = forked.start(output, train_tiny, folder, tuning)
    began = time.monotonic()
    while process.is_alive():
        if moment(folder / "checkpoints", time.monotonic() - began):
            process.kill()
            break
        time.sleep(0.001)
    process.join(timeout=300)
    assert process.exitcode in (0, -signal.SIGKILL), output.read_text()
    return process.exitcode != 0


def once_complete(step: int) -> Moment:
    return lambda checkpoints, _: (checkpoints / f"checkpoint-{step}/manifest.json").is_file()


def once_begun(step: int) -> Moment:
    return lambda checkpoints, _: (checkpoints / f"checkpoint-{step}").is_dir()


def tear(checkpoints: Path) -> None:
    """Cut a file of the newest checkpoint short, as a full disk or a crash may."""
    newest = max(checkpoints.glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1]))
    weights = next(newest.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-100])


@pytest.mark.parametrize("tuning", ["full", "lora", "variants", "extra text"])
def test_training_killed_at_chosen_moments_ends_in_the_same_bits(
    tuning: str, tmp_path: Path
) -> None:
    undisturbed = finish(tmp_path / "undisturbed", tuning)
    assert [e["step"] for e in undisturbed["history"] if "loss" in e] == LOGGED
    assert undisturbed["epochs"] == 3
    killed = tmp_path / "killed"
    # in the middle of an epoch; at its end; in the next, while a state is written; at its end
    moments = [once_complete(50), once_complete(60), once_begun(100), once_complete(120)]
    assert all(kill_at(moment, killed, tuning) for moment in moments)
    tear(killed / "checkpoints")
    assert kill_at(once_begun(150), killed, tuning)
    assert finish(killed, tuning) == undisturbed


def test_training_killed_at_random_moments_ends_in_the_same_bits(tmp_path: Path) -> None:
    began = time.monotonic()
    undisturbed = finish(tmp_path / "undisturbed", "full")
    whole = time.monotonic() - began
    killed, kills, moments = tmp_path / "killed", 0, random.Random(11)
    while kills < 5:
        delay = moments.uniform(0.2, 0.6) * whole
        if kill_at(lambda _, seconds, delay=delay: seconds > delay, killed, "full"):
            kills += 1
        elif kills:
            break
        else:  # the machine was busier while the whole was timed
            shutil.rmtree(killed)
            whole /= 2
    assert (killed / "checkpoints").is_dir() or (killed / "outcome.json").is_file()
    assert finish(killed, "full") == undisturbed
