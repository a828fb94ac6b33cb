"""Train: one arm at one seed, from its initial weights to trained weights on disk."""

from __future__ import annotations

import shutil

import torch

from distillora.artifacts import ArmLayout, is_sealed, write_atomic
from distillora.errors import IntegrityError
from distillora.evaluation.results import ArmEnvironment
from distillora.pipeline.context import ArmPlan, RunContext, Task
from distillora.pipeline.fingerprint import read_fingerprint, take_fingerprint
from distillora.pipeline.methods import method_of
from distillora.pipeline.records import BeginningRecord, TrainingRecord
from distillora.runtime import (
    is_main_process,
    set_seed,
    timestamp,
    wait_for_everyone,
    watch_load,
)


def train_arm(context: RunContext, name: str) -> None:
    """Build, train and save one arm, unless that is done already.

    Raises:
        IntegrityError: its folder holds an arm that was begun from something else.
    """
    folder = context.folder(name)
    done = folder.training.is_file() and is_sealed(folder.model)
    wait_for_everyone()  # no process may write before all have looked
    if not done:
        plan = context.plans[name]
        if is_main_process():
            _note_beginning(context, Task(name, context.seed), folder)
        set_seed(context.seed)
        with watch_load() as others:
            saved = method_of(plan.arm).train(context, plan)
        if is_main_process():
            record = TrainingRecord(
                **dict(saved.stats),
                weights_sha256=saved.weights_sha256,
                fingerprint_sha256=BeginningRecord.read(folder).fingerprint.weights_digest,
                environment=_environment(context, plan, folder, round(others.cores, 2)),
            )
            write_atomic(folder.training, record.model_dump_json(indent=1))
            shutil.rmtree(folder.checkpoints, ignore_errors=True)
        wait_for_everyone()


def _note_beginning(context: RunContext, task: Task, folder: ArmLayout) -> None:
    """Record what the arm is made from, or check that it was begun from the same."""
    needed = {
        parent: TrainingRecord.read(context.folder(*parent)).identity
        for parent in context.plan.tasks[task].parents
    }
    fingerprint = take_fingerprint(context, task, needed)
    if folder.fingerprint.is_file():
        if read_fingerprint(folder) != fingerprint:
            raise IntegrityError(
                f"{folder.root} holds an arm that was begun from something else. "
                "Run the same command again: it says what changed, and with `retrain_changed` "
                "retrains the arm and what depends on it."
            )
        return
    shutil.rmtree(folder.root, ignore_errors=True)  # no fingerprint: not reusable
    begun = BeginningRecord(
        fingerprint=fingerprint, created=timestamp(), commit=context.environment.commit
    )
    write_atomic(folder.fingerprint, begun.model_dump_json(indent=1))


def _environment(
    context: RunContext, plan: ArmPlan, folder: ArmLayout, other_load: float
) -> ArmEnvironment:
    begun, here = BeginningRecord.read(folder), context.environment.model_dump()
    return ArmEnvironment(
        **here | {"created": begun.created, "precision": plan.precision},
        threads=torch.get_num_threads(),
        ended=timestamp(),
        other_load=other_load,
        begun_at_commit=None if begun.commit == here["commit"] else begun.commit,
    )
