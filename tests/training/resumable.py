"""A training of a tiny model that may be killed at any moment and started again."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from distillora.artifacts import write_atomic
from distillora.evaluation.metrics import epoch_metrics
from distillora.models.adapters import add_adapter
from distillora.models.hashes import weights_sha256
from distillora.progress import Reporter
from distillora.recipe import LoraTuning, Training
from distillora.runtime import set_seed, start_processes
from distillora.training.batches import Examples, JoinedExamples
from distillora.training.label_losses import unlabelled_targets
from distillora.training.objectives import TrainingLoss
from distillora.training.teacher_cache import TeacherOutputs
from distillora.training.trainer import train
from tiny import learnable_classes, tiny_model, tiny_tokens

# 60 steps an epoch: losses are logged, and a state is saved, at the steps
LOGGED = [50, 60, 100, 120, 150, 180]
ROWS = 475

_PLAIN = {"method": "lora", "rank": 4, "alpha": 8, "dropout": 0.2}
_EVERY_VARIANT = {"rslora": True, "dora": True, "targets": "all"}
_ADAPTERS = {"lora": _PLAIN, "variants": _PLAIN | _EVERY_VARIANT}


def train_tiny(folder: Path, tuning: str) -> None:
    """Train for three epochs, or go on, and write ``outcome.json``.

    ``tuning`` is "full", "lora", "variants" (of LoRA, all at once) or "extra text" (full).
    """
    folder.mkdir(exist_ok=True)
    start_processes()
    set_seed(5)
    model = tiny_model(seed=5, num_hidden_layers=2)
    if tuning in _ADAPTERS:
        model = add_adapter(model, LoraTuning(**_ADAPTERS[tuning]))
    examples, objective = _with_extra_text() if tuning == "extra text" else _labelled()
    validation = tiny_tokens(rows=60, seed=1)
    trained = train(
        model,
        examples,
        Examples(validation, learnable_classes(validation)),
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
    )
    write_atomic(folder / "outcome.json", json.dumps(_outcome(model, trained)))


def _labelled() -> tuple[Examples, TrainingLoss]:
    tokens = tiny_tokens(rows=ROWS, seed=0)
    return Examples(tokens, learnable_classes(tokens)), TrainingLoss()


def _with_extra_text() -> tuple[JoinedExamples, TrainingLoss]:
    """Return examples of which some have a teacher's outputs and no label."""
    rows = [tiny_tokens(rows=275, seed=0), tiny_tokens(rows=ROWS - 275, seed=2)]
    labels = learnable_classes(rows[0])
    targets = [labels, unlabelled_targets(len(rows[1]), like=labels)]
    draw = np.random.default_rng(0)
    teachers = [
        TeacherOutputs(draw.normal(size=(len(t), 5)).astype(np.float32), None, 0) for t in rows
    ]
    parts = [Examples(*part) for part in zip(rows, targets, teachers, strict=True)]
    return JoinedExamples(parts), TrainingLoss(labels=0.5, distillation=0.5)


def _outcome(model: Any, trained: Any) -> dict[str, Any]:
    """Return what training led to, without what a clock says."""
    timing = ("runtime", "per_second")
    return {
        "weights": weights_sha256(model),
        "best_epoch": trained.best_epoch,
        "examples": trained.clock.examples,
        "epochs": len(trained.clock.epochs),
        "history": [
            {k: v for k, v in entry.items() if not k.endswith(timing)}
            for entry in trained.history
            if "loss" in entry or "eval_loss" in entry
        ],
    }
