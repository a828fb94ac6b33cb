"""Training that is killed and started again ends in the same bits as training left in peace."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parents[1]

# 119 steps an epoch: losses are logged, and a state is saved, at the steps
LOGGED = [50, 100, 119, 150, 200, 238, 250, 300, 350, 357]

SCRIPT = """
import json, sys
from functools import partial
from pathlib import Path
import numpy as np
from distillora.artifacts import write_atomic
from distillora.evaluation.metrics import epoch_metrics
from distillora.models.adapters import add_adapter
from distillora.models.backbones import weights_sha256
from distillora.progress import Reporter
from distillora.recipe import LoraTuning, Training
from distillora.runtime import set_seed, start_processes
from distillora.training.batches import Examples, JoinedExamples
from distillora.training.label_losses import unlabelled_targets
from distillora.training.objectives import Objective
from distillora.training.teacher_cache import TeacherOutputs
from distillora.training.trainer import train
from tiny import learnable_classes, tiny_model, tiny_tokens

folder, tuning = Path(sys.argv[1]), sys.argv[2]
start_processes()
set_seed(5)
model = tiny_model(seed=5, num_hidden_layers=2)
plain = {"method": "lora", "rank": 4, "alpha": 8, "dropout": 0.2}
every_variant = {
    **{"rslora": True, "dora": True, "initialisation": "pissa", "plus_ratio": 4},
    **{"targets": "all", "full_layers": [0]},
}
settings = {"lora": plain, "variants": plain | every_variant}.get(tuning)
if settings:
    settings = LoraTuning(**settings)
    model = add_adapter(model, settings)
rows = [tiny_tokens(rows=950, seed=0), tiny_tokens(rows=60, seed=1)]
data = [Examples(tokens, learnable_classes(tokens)) for tokens in rows]
objective = Objective()
if tuning == "extra text":
    rows = [tiny_tokens(rows=550, seed=0), tiny_tokens(rows=400, seed=2)]
    targets = learnable_classes(rows[0])
    targets = [targets, unlabelled_targets(len(rows[1]), like=targets)]
    draw = np.random.default_rng(0)
    teachers = [
        TeacherOutputs(draw.normal(size=(len(t), 5)).astype(np.float32), None, 0) for t in rows
    ]
    data[0] = JoinedExamples([Examples(*part) for part in zip(rows, targets, teachers)])
    objective = Objective(labels=0.5, distillation=0.5)
trained = train(
    model,
    *data,
    objective=objective,
    settings=Training(epochs=3, batch_size=8, learning_rate=1e-2, checkpoint_minutes=1e-6),
    metric="f1_weighted",
    epoch_metrics=partial(epoch_metrics, task="single_label"),
    pad_token_id=0,
    seed=5,
    precision="fp32",
    checkpoints=folder / "checkpoints",
    tensorboard=folder / "tensorboard",
    reporter=Reporter(quiet=True),
    title="tiny",
    plus_ratio=settings.plus_ratio if settings else 1.0,
)
timing = ("runtime", "per_second")
write_atomic(folder / "outcome.json", json.dumps({
    "weights": weights_sha256(model),
    "best_epoch": trained.best_epoch,
    "examples": trained.clock.examples,
    "epochs": len(trained.clock.epochs),
    "history": [
        {k: v for k, v in entry.items() if not k.endswith(timing)}
        for entry in trained.history if "loss" in entry or "eval_loss" in entry
    ],
}))
"""

Moment = Callable[[Path, float], bool]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    return path


def start(script: Path, folder: Path, tuning: str) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, str(script), str(folder), tuning],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(script: Path, folder: Path, tuning: str) -> Any:
    process = start(script, folder, tuning)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return json.loads((folder / "outcome.json").read_text())


def kill_at(moment: Moment, script: Path, folder: Path, tuning: str) -> bool:
    """Start training and kill it at a moment; return False if it was over before that."""
    process = start(script, folder, tuning)
    checkpoints = folder / "checkpoints"
    began: float | None = None
    while process.poll() is None:
        if began is None and (folder / "tensorboard").is_dir():
            began = time.monotonic()  # the imports are over, and training begins
        if began is not None and moment(checkpoints, time.monotonic() - began):
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.001)
    _, errors = process.communicate(timeout=300)
    assert process.returncode in (0, -signal.SIGKILL), errors
    return process.returncode != 0


def once_complete(step: int) -> Moment:
    return lambda checkpoints, _: (checkpoints / f"checkpoint-{step}/manifest.json").is_file()


def once_begun(step: int) -> Moment:
    return lambda checkpoints, _: (checkpoints / f"checkpoint-{step}").is_dir()


def after_seconds(delay: float) -> Moment:
    return lambda _, seconds: seconds > delay


def tear(checkpoints: Path) -> None:
    """Cut a file of the newest checkpoint short, as a full disk or a crash may."""
    newest = max(checkpoints.glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1]))
    weights = next(newest.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-100])


@pytest.mark.parametrize("tuning", ["full", "lora", "variants", "extra text"])
def test_training_killed_at_chosen_moments_ends_in_the_same_bits(
    tuning: str, script: Path, tmp_path: Path
) -> None:
    undisturbed = finish(script, tmp_path / "undisturbed", tuning)
    assert [e["step"] for e in undisturbed["history"] if "loss" in e] == LOGGED
    assert undisturbed["epochs"] == 3
    killed = tmp_path / "killed"
    # in the middle of an epoch; while a state is written; at the end of an epoch; in the next
    moments = [once_complete(50), once_begun(100), once_complete(119), once_complete(200)]
    assert all(kill_at(moment, script, killed, tuning) for moment in moments)
    tear(killed / "checkpoints")
    assert kill_at(once_begun(300), script, killed, tuning)
    assert finish(script, killed, tuning) == undisturbed


def random_moments() -> Iterator[Moment]:
    delays = random.Random(11)
    while True:
        yield after_seconds(delays.uniform(0.5, 2.5))


def test_training_killed_at_random_moments_ends_in_the_same_bits(
    script: Path, tmp_path: Path
) -> None:
    undisturbed = finish(script, tmp_path / "undisturbed", "full")
    killed, kills = tmp_path / "killed", 0
    for moment in random_moments():
        if kills == 5 or not kill_at(moment, script, killed, "full"):
            break
        kills += 1
    assert kills >= 1
    assert finish(script, killed, "full") == undisturbed
