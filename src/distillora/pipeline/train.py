"""The second stage: one arm at one seed, from its start to trained weights on disk."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import torch

from distillora.artifacts import ArmLayout, is_sealed, write_atomic
from distillora.errors import IntegrityError
from distillora.evaluation.metrics import epoch_metrics
from distillora.evaluation.results import ArmEnvironment, EpochRecord
from distillora.models.hashes import config_sha256, weights_sha256
from distillora.models.preflight import preflight
from distillora.pipeline.arm_plan import ArmPlan
from distillora.pipeline.baseline import fit_baseline
from distillora.pipeline.build import build_base, build_model, pick_layers
from distillora.pipeline.context import RunContext, load_arm
from distillora.pipeline.fingerprint import best_metric, read_fingerprint, take_fingerprint
from distillora.pipeline.saving import BeginningRecord, TrainingRecord, save_arm, save_sealed
from distillora.pipeline.tasks import Task
from distillora.pipeline.teaching import OutputsBySource, make_objective, training_examples
from distillora.recipe import LoraTuning
from distillora.runtime import (
    is_main_process,
    resolve_precision,
    set_seed,
    timestamp,
    wait_for_everyone,
    watch_load,
)
from distillora.training.batches import Examples
from distillora.training.trainer import Trained, train

Measured = dict[str, Any]
"""Fields of a ``TrainingRecord``."""


def train_arm(context: RunContext, name: str) -> None:
    """Build, train and save one arm, unless that is done already.

    Raises:
        IntegrityError: its folder holds the beginning of an arm that was made from something else.
    """
    folder = context.folder(name)
    done = folder.training.is_file() and is_sealed(folder.model)
    wait_for_everyone()  # nobody may write before everybody has looked
    if not done:
        plan = context.plans[name]
        if is_main_process():
            _note_beginning(context, Task(name, context.seed), folder)
        set_seed(context.seed)
        with watch_load() as others:
            made = (_fit_baseline if plan.arm.init.baseline else _make_model)(context, plan)
        if is_main_process():
            measured, weights = made
            environment = _environment(context, plan, folder, round(others.cores, 2))
            record = TrainingRecord(**measured, weights_sha256=weights, environment=environment)
            write_atomic(folder.training, record.model_dump_json(indent=1))
            shutil.rmtree(folder.checkpoints, ignore_errors=True)
        wait_for_everyone()


def _note_beginning(context: RunContext, task: Task, folder: ArmLayout) -> None:
    """Write down what the arm is made from, or make sure that it was begun from the same."""
    needed = {
        parent: TrainingRecord.read(context.folder(*parent)).identity
        for parent in context.plan.tasks[task].parents
    }
    fingerprint = take_fingerprint(context, task, needed)
    if folder.fingerprint.is_file():
        if read_fingerprint(folder) != fingerprint:
            raise IntegrityError(
                f"{folder.root} holds the beginning of an arm that was made from something else. "
                "Run the same command again: it says what changed, and with `retrain_changed` "
                "trains the arm and what depends on it anew."
            )
        return
    shutil.rmtree(folder.root, ignore_errors=True)  # what nothing vouches for
    begun = BeginningRecord(
        fingerprint=fingerprint, created=timestamp(), commit=context.environment.commit
    )
    write_atomic(folder.fingerprint, begun.model_dump_json(indent=1))


def _environment(
    context: RunContext, plan: ArmPlan, folder: ArmLayout, other_load: float
) -> ArmEnvironment:
    begun, here = BeginningRecord.read(folder), context.environment.model_dump()
    precision = "fp32" if plan.arm.init.baseline else resolve_precision(plan.arm.training.precision)
    return ArmEnvironment(
        **here | {"created": begun.created, "precision": precision},
        threads=torch.get_num_threads(),
        ended=timestamp(),
        other_load=other_load,
        begun_at_commit=None if begun.commit == here["commit"] else begun.commit,
    )


def _make_model(context: RunContext, plan: ArmPlan) -> tuple[Measured, str]:
    layers = pick_layers(context, plan)
    model = build_model(context, plan, layers)
    measured = _train_arm(context, plan, model)
    weights = ""
    if is_main_process():
        save_arm(
            model,
            context.folder(plan.name),
            context.data.tokenizer(plan.tokenizer),
            context.data.tokens(plan.tokenizer, "validation"),
            make_base=functools.partial(build_base, context, plan, layers),
            load_saved=functools.partial(load_arm, context, plan.name),
        )
        weights = weights_sha256(load_arm(context, plan.name))
    return measured | {"layers": layers}, weights


def _train_arm(context: RunContext, plan: ArmPlan, model: Any) -> Measured:
    data, arm, folder = context.data, plan.arm, context.folder(plan.name)
    metric = best_metric(plan, multi_label=data.multi_label)
    if arm.tuning.method == "none":
        taken = _measured(None, metric, _time_before(context, plan, {}))
        return taken | {"config_sha256": config_sha256(plan.config)}
    if isinstance(arm.tuning, LoraTuning):
        preflight(model, arm.training.learning_rate, context.reporter.warn)
    examples, outputs = training_examples(context, plan)
    trained = train(
        model,
        examples,
        Examples(data.tokens(plan.tokenizer, "validation"), data.targets("validation")),
        objective=make_objective(
            arm.objective, data.targets("train"), len(data.dataset.label_names)
        ),
        settings=arm.training,
        head_learning_rate=arm.head_learning_rate,
        metric=metric,
        epoch_metrics=functools.partial(epoch_metrics, task=data.task),
        pad_token_id=data.tokenizer(plan.tokenizer).pad_token_id,
        seed=context.seed,
        precision=resolve_precision(arm.training.precision),
        checkpoints=folder.checkpoints,
        tensorboard=folder.tensorboard,
        reporter=context.reporter,
        title=plan.name,
    )
    measured = _measured(trained, metric, _time_before(context, plan, outputs))
    return measured | _describe_teachers(plan, outputs)


def _describe_teachers(plan: ArmPlan, outputs: OutputsBySource) -> Measured:
    if not outputs:
        return {}
    return {
        "teacher_seeds": tuple(sorted({teacher.seed for teacher, _ in outputs})),
        "teacher_precision": resolve_precision(plan.arm.objective.teacher_precision),
    }


def _fit_baseline(context: RunContext, plan: ArmPlan) -> tuple[Measured, str]:
    metric = best_metric(plan, multi_label=context.plan.multi_label)
    floor = fit_baseline(plan.config, context.data, metric, context.reporter)
    measured = {
        "seconds": floor.seconds,
        "peak_memory_bytes": floor.peak_memory_bytes,
        "choice": floor.choice,
    }
    if is_main_process():
        save_sealed(context.folder(plan.name).model, floor.model.save)
    return _measured(None, metric, {}) | measured, floor.model.sha256


def _time_before(context: RunContext, plan: ArmPlan, outputs: OutputsBySource) -> dict[str, float]:
    """Return the seconds of the arms that this one depends on, and of its teachers' outputs."""
    before = training_time(context, context.needs(plan.name).parents)
    for (task, split), found in outputs.items():
        kind = "outputs" if found.hidden is None else "outputs and hidden states"
        place = "" if split == "train" else f" on {split}"
        before[f"{kind} of {task}{place}"] = found.seconds
    return before


def training_time(context: RunContext, tasks: Iterable[Task]) -> dict[str, float]:
    """Return the seconds of finished models and of all that they depend on, each once."""
    seconds: dict[str, float] = {}
    for task in tasks:
        record = TrainingRecord.read(context.folder(*task))
        seconds |= {**record.before, str(task): record.seconds}
    return seconds


def _measured(trained: Trained | None, metric: str, before: dict[str, float]) -> Measured:
    """Return the fields of a ``TrainingRecord`` about training; None for an untrained arm."""
    clock = trained.clock if trained else None
    return {
        "best_epoch": trained.best_epoch if trained else 0,
        "best_metric": metric,
        "history": _epochs(trained) if trained else (),
        "seconds": clock.total if clock else 0.0,
        "examples_per_second": clock.examples / clock.stepping if clock else None,
        "peak_memory_bytes": clock.peak_memory if clock else None,
        "before": before,
    }


def _epochs(trained: Trained) -> tuple[EpochRecord, ...]:
    """Turn the log (losses over spans of steps, then the metrics of an epoch) into one row each."""
    records: list[EpochRecord] = []
    losses: list[tuple[int, float]] = []
    last_step = 0
    ends = [0.0, *trained.clock.epochs]
    for entry in trained.history:
        if "loss" in entry:
            losses.append((int(entry["step"]) - last_step, entry["loss"]))
            last_step = int(entry["step"])
        elif "eval_loss" in entry:
            number = len(records)
            steps = sum(n for n, _ in losses)
            seconds = list(pairwise(ends))[number]
            records.append(
                EpochRecord(
                    epoch=number + 1,
                    train_loss=sum(n * loss for n, loss in losses) / steps,
                    validation_loss=entry["eval_loss"],
                    accuracy=entry["eval_accuracy"],
                    f1_weighted=entry["eval_f1_weighted"],
                    f1_macro=entry["eval_f1_macro"],
                    seconds=seconds[1] - seconds[0],
                )
            )
            losses = []
    return tuple(records)
