"""The second stage: one arm at one seed, from its start to trained weights on disk."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, ConfigDict

from distillora.artifacts import ArmLayout, is_sealed, write_atomic
from distillora.evaluation.metrics import epoch_metrics
from distillora.evaluation.results import EpochRecord, LayerSearchRecord
from distillora.models.preflight import preflight
from distillora.pipeline.bench import Workbench, load_arm
from distillora.pipeline.build import Layers, build_base, build_model, pick_layers
from distillora.pipeline.floor import make_floor
from distillora.pipeline.plan import ArmPlan
from distillora.pipeline.saving import save_arm, save_sealed
from distillora.pipeline.schedule import Task
from distillora.pipeline.teaching import OutputsBySource, make_objective, training_examples
from distillora.recipe import LoraTuning
from distillora.runtime import (
    is_main_process,
    resolve_precision,
    set_seed,
    wait_for_everyone,
)
from distillora.training.batches import Examples
from distillora.training.trainer import Trained, train


class TrainingRecord(BaseModel):
    """What training one arm measured, as ``training.json``; its presence ends the stage.

    ``choice`` says in words what was chosen on validation, beside the epoch.
    ``before`` maps what this arm depends on (arms, teacher outputs) to the seconds that it took.
    ``layers`` are those that it kept, ``search`` how they were found.
    ``teacher_seeds`` are those of the teachers whose outputs were learnt, ``teacher_precision`` is
    what these were computed in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    best_epoch: int
    best_metric: str
    history: tuple[EpochRecord, ...]
    seconds: float
    examples_per_second: float | None
    peak_memory_bytes: int | None
    before: dict[str, float]
    choice: str | None = None
    layers: Layers | None = None
    search: LayerSearchRecord | None = None
    teacher_seeds: tuple[int, ...] = ()
    teacher_precision: str | None = None

    @property
    def teacher_seconds(self) -> float | None:
        """Seconds of all that this arm depends on, each once; None if it depends on nothing."""
        return sum(self.before.values()) if self.before else None


def make_arm(bench: Workbench, name: str) -> None:
    """Build, train and save one arm, unless that is done already."""
    folder = bench.folder(name)
    done = folder.training.is_file() and is_sealed(folder.model)
    wait_for_everyone()  # nobody may write before everybody has looked
    if not done:
        plan = bench.plans[name]
        set_seed(bench.seed)
        record = (_fit_baseline if plan.arm.init.baseline else _make_model)(bench, plan)
        if is_main_process():
            write_atomic(folder.training, record.model_dump_json(indent=1))
            shutil.rmtree(folder.checkpoints, ignore_errors=True)
        wait_for_everyone()


def _make_model(bench: Workbench, plan: ArmPlan) -> TrainingRecord:
    layers, search = pick_layers(bench, plan)
    model = build_model(bench, plan, layers)
    record = _train_arm(bench, plan, model)
    if is_main_process():
        save_arm(
            model,
            bench.folder(plan.name),
            bench.data.tokenizer(plan.tokenizer),
            bench.data.tokens(plan.tokenizer, "validation"),
            make_base=functools.partial(build_base, bench, plan, layers),
            load_saved=functools.partial(load_arm, bench, plan.name),
        )
    return record.model_copy(update={"layers": layers, "search": search})


def read_training(bench: Workbench, name: str) -> TrainingRecord:
    """Return what training an arm measured."""
    return _read_record(bench.folder(name))


def best_metric(plan: ArmPlan, *, multi_label: bool) -> str:
    """Return the validation metric that chooses the epoch."""
    wanted = plan.arm.training.best_metric
    if wanted == "auto":
        return "average_precision" if multi_label else "f1_weighted"
    return wanted


def _train_arm(bench: Workbench, plan: ArmPlan, model: Any) -> TrainingRecord:
    data, arm, folder = bench.data, plan.arm, bench.folder(plan.name)
    metric = best_metric(plan, multi_label=data.recipe.multi_label)
    if arm.tuning.method == "none":
        return _record(None, metric, _time_before(bench, plan, {}))
    plus_ratio = 1.0
    if isinstance(arm.tuning, LoraTuning):
        plus_ratio = arm.tuning.plus_ratio
        preflight(model, arm.training.learning_rate, plus_ratio, bench.reporter.warn)
    examples, outputs = training_examples(bench, plan)
    trained = train(
        model,
        examples,
        Examples(data.tokens(plan.tokenizer, "validation"), data.targets("validation")),
        objective=make_objective(
            arm.objective, data.targets("train"), len(data.corpus.label_names)
        ),
        settings=arm.training,
        metric=metric,
        epoch_metrics=functools.partial(epoch_metrics, task=data.recipe.task),
        pad_token_id=data.tokenizer(plan.tokenizer).pad_token_id,
        seed=bench.seed,
        precision=resolve_precision(arm.training.precision),
        checkpoints=folder.checkpoints,
        tensorboard=folder.tensorboard,
        reporter=bench.reporter,
        title=plan.name,
        plus_ratio=plus_ratio,
    )
    record = _record(trained, metric, _time_before(bench, plan, outputs))
    return record.model_copy(update=_describe_teachers(plan, outputs))


def _describe_teachers(plan: ArmPlan, outputs: OutputsBySource) -> dict[str, Any]:
    if not outputs:
        return {}
    return {
        "teacher_seeds": tuple(sorted({teacher.seed for teacher, _ in outputs})),
        "teacher_precision": resolve_precision(plan.arm.objective.teacher_precision),
    }


def _fit_baseline(bench: Workbench, plan: ArmPlan) -> TrainingRecord:
    metric = best_metric(plan, multi_label=bench.data.recipe.multi_label)
    floor = make_floor(plan.config, bench.data, metric, bench.reporter)
    measured = {
        "seconds": floor.seconds,
        "peak_memory_bytes": floor.peak_memory_bytes,
        "choice": floor.choice,
    }
    if is_main_process():
        save_sealed(bench.folder(plan.name).model, floor.model.save)
    return _record(None, metric, {}).model_copy(update=measured)


def _time_before(bench: Workbench, plan: ArmPlan, outputs: OutputsBySource) -> dict[str, float]:
    """Return the seconds of the arms that this one depends on, and of its teachers' outputs."""
    made = [Task(name, bench.seed) for name in plan.arm.needs]
    before = time_making(bench, [*made, *(teacher for teacher, _ in outputs)])
    for (task, split), found in outputs.items():
        kind = "outputs" if found.hidden is None else "outputs and hidden states"
        place = "" if split == "train" else f" on {split}"
        before[f"{kind} of {task.arm}, seed {task.seed}{place}"] = found.seconds
    return before


def time_making(bench: Workbench, tasks: Iterable[Task]) -> dict[str, float]:
    """Return the seconds of finished models and of all that they depend on, each once."""
    seconds: dict[str, float] = {}
    for task in dict.fromkeys(tasks):
        record = _read_record(bench.folder(*task))
        seconds |= {**record.before, f"{task.arm}, seed {task.seed}": record.seconds}
    return seconds


def _read_record(folder: ArmLayout) -> TrainingRecord:
    return TrainingRecord.model_validate_json(folder.training.read_bytes())


def _record(trained: Trained | None, metric: str, before: dict[str, float]) -> TrainingRecord:
    if trained is None:
        return TrainingRecord(
            best_epoch=0,
            best_metric=metric,
            history=(),
            seconds=0.0,
            examples_per_second=None,
            peak_memory_bytes=None,
            before=before,
        )
    clock = trained.clock
    return TrainingRecord(
        best_epoch=trained.best_epoch,
        best_metric=metric,
        history=_epochs(trained),
        seconds=clock.total,
        examples_per_second=clock.examples / clock.stepping,
        peak_memory_bytes=clock.peak_memory,
        before=before,
    )


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
