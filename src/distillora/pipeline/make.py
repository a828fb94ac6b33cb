"""The second stage: one arm at one seed, from its start to trained weights on disk."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from distillora.artifacts import (
    ArmLayout,
    RunLayout,
    is_sealed,
    seal_folder,
    write_atomic,
    write_folder_atomic,
)
from distillora.data.tokens import tokenizer_sha256
from distillora.evaluation.metrics import epoch_metrics
from distillora.evaluation.results import EpochRecord
from distillora.models.adapters import add_adapter, is_adapted, merge_adapter, save_adapter
from distillora.models.backbones import (
    build_random,
    load_backbone,
    load_classifier,
    set_output_bias,
    weights_sha256,
)
from distillora.models.distilbert import to_distilbert
from distillora.models.layers import keep_layers
from distillora.models.tfidf import TfidfClassifier
from distillora.pipeline.floor import make_floor
from distillora.pipeline.plan import ArmPlan
from distillora.pipeline.prepare import PreparedData
from distillora.progress import Reporter
from distillora.recipe import LoraTuning
from distillora.runtime import (
    device,
    is_main_process,
    resolve_precision,
    set_seed,
    wait_for_everyone,
)
from distillora.training.batches import Examples
from distillora.training.objectives import Objective, label_bias
from distillora.training.teacher_cache import (
    TeacherKey,
    TeacherOutputs,
    compute_outputs,
    load_outputs,
    mean_outputs,
)
from distillora.training.trainer import Trained, train

_OBJECTIVE_TERMS = ("labels", "distillation", "logits_mse", "hidden_cosine", "temperature")


class TrainingRecord(BaseModel):
    """What training one arm measured, as ``training.json``; its presence ends the stage.

    ``choice`` says in words what was chosen on validation, beside the epoch.
    ``before`` maps what this arm depends on (arms, teacher outputs) to the seconds that it took.
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

    @property
    def teacher_seconds(self) -> float | None:
        """Seconds of all that this arm depends on, each once; None if it depends on nothing."""
        return sum(self.before.values()) if self.before else None


@dataclass(frozen=True)
class Workbench:
    """What every arm of one seed is made with."""

    plans: Mapping[str, ArmPlan]
    data: PreparedData
    layout: RunLayout
    seed: int
    reporter: Reporter

    def folder(self, name: str) -> ArmLayout:
        """Return the paths of an arm at this seed."""
        return self.layout.arm(name, self.seed)


def make_arm(bench: Workbench, name: str) -> TrainingRecord:
    """Build, train and save one arm, unless that is done already."""
    folder = bench.folder(name)
    done = folder.training.is_file() and is_sealed(folder.model)
    wait_for_everyone()  # nobody may write before everybody has looked
    if not done:
        plan = bench.plans[name]
        set_seed(bench.seed)
        if plan.arm.init.baseline:
            model, record = _fit_baseline(bench, plan)
        else:
            model = build_model(bench, plan)
            record = _train_arm(bench, plan, model)
        if is_main_process():
            _save(model, bench, plan)
            write_atomic(folder.training, record.model_dump_json(indent=1))
            shutil.rmtree(folder.checkpoints, ignore_errors=True)
        wait_for_everyone()
    return _read_record(folder)


def build_model(bench: Workbench, plan: ArmPlan) -> Any:
    """Load what the arm starts from, keep its layers, add its adapters."""
    model = _load_origin(bench, plan)
    # random weights are made in their final shape
    if plan.arm.init.weights == "pretrained":
        if plan.layers != tuple(range(plan.available)):
            model = keep_layers(model, plan.layers)
        if plan.arm.init.architecture == "distilbert":
            model = to_distilbert(model)
    if isinstance(plan.arm.tuning, LoraTuning):
        model = add_adapter(model, plan.arm.tuning)
    return model


def _load_origin(bench: Workbench, plan: ArmPlan) -> Any:
    init, multi_label = plan.arm.init, bench.data.recipe.multi_label
    labels = bench.data.corpus.label_names
    if init.backbone:
        if init.weights == "random":
            model = build_random(plan.config)
        else:
            model = load_backbone(init.backbone, init.revision, labels, multi_label=multi_label)
        if init.output_bias == "frequencies":
            set_output_bias(model, label_bias(bench.data.targets("train"), len(labels)))
        return model
    if init.classifier:
        return load_classifier(init.classifier, init.revision, labels, multi_label=multi_label)
    assert init.arm is not None
    return load_arm(bench, init.arm)


def load_arm(bench: Workbench, name: str) -> Any:
    """Load a finished arm's model from disk."""
    return load_classifier(
        str(bench.folder(name).model),
        None,
        bench.data.corpus.label_names,
        multi_label=bench.data.recipe.multi_label,
    )


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
    teachers = {name: teacher_outputs(bench, plan, name) for name in arm.teachers}
    tokens = functools.partial(data.tokens, plan.tokenizer)
    trained = train(
        model,
        Examples(tokens("train"), data.targets("train"), mean_outputs(list(teachers.values()))),
        Examples(tokens("validation"), data.targets("validation")),
        objective=Objective(**{term: getattr(arm.objective, term) for term in _OBJECTIVE_TERMS}),
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
    )
    return _record(trained, metric, _time_before(bench, plan, teachers))


def _fit_baseline(bench: Workbench, plan: ArmPlan) -> tuple[TfidfClassifier, TrainingRecord]:
    metric = best_metric(plan, multi_label=bench.data.recipe.multi_label)
    floor = make_floor(plan.config, bench.data, metric, bench.reporter)
    measured = {
        "seconds": floor.seconds,
        "peak_memory_bytes": floor.peak_memory_bytes,
        "choice": floor.choice,
    }
    return floor.model, _record(None, metric, {}).model_copy(update=measured)


def teacher_outputs(bench: Workbench, plan: ArmPlan, name: str) -> TeacherOutputs:
    """Return a teacher's outputs over the training texts, computed if this is the first need."""
    data, teacher_plan = bench.data, bench.plans[name]
    tokens = data.tokens(teacher_plan.tokenizer, "train")
    tokenizer = data.tokenizer(teacher_plan.tokenizer)
    teacher = load_arm(bench, name)
    key = TeacherKey(
        teacher=weights_sha256(teacher),
        data=data.corpus.splits["train"].sha256,
        tokenizer=tokenizer_sha256(tokenizer),
        max_length=data.recipe.data.max_length,
        precision=resolve_precision(plan.arm.training.precision),
        hidden=plan.arm.objective.hidden_cosine > 0,
    )
    folder = bench.layout.teacher_outputs / key.digest
    if is_main_process() and not folder.exists():
        title = f"{name}: outputs over the training texts"
        bench.reporter.say(f"  {title}")
        with bench.reporter.track(title, len(tokens)) as advance:
            model = teacher.to(device())
            compute_outputs(folder, key, model, tokens, tokenizer.pad_token_id, advance)
    wait_for_everyone()
    return load_outputs(folder, key, tokens)


def _time_before(
    bench: Workbench, plan: ArmPlan, teachers: Mapping[str, TeacherOutputs]
) -> dict[str, float]:
    """Return the seconds of the arms that this one depends on, and of its teachers' outputs."""
    before: dict[str, float] = {}
    for name in plan.arm.needs:
        record = _read_record(bench.folder(name))
        before |= {**record.before, name: record.seconds}
    for name, outputs in teachers.items():
        kind = "outputs" if outputs.hidden is None else "outputs and hidden states"
        before[f"{kind} of {name}"] = outputs.seconds
    return before


def _read_record(folder: ArmLayout) -> TrainingRecord:
    return TrainingRecord.model_validate_json(folder.training.read_bytes())


def _save(model: Any, bench: Workbench, plan: ArmPlan) -> None:
    folder = bench.folder(plan.name)
    if isinstance(model, TfidfClassifier):
        _save_sealed(folder.model, model.save)
        return
    model = model.cpu()
    if is_adapted(model):
        write_folder_atomic(folder.adapter, functools.partial(save_adapter, model))
        model = merge_adapter(model)

    def write(part: Path) -> None:
        model.save_pretrained(part)
        bench.data.tokenizer(plan.tokenizer).save_pretrained(part)

    _save_sealed(folder.model, write)


def _save_sealed(folder: Path, write: Callable[[Path], None]) -> None:
    def write_and_seal(part: Path) -> None:
        write(part)
        seal_folder(part)

    write_folder_atomic(folder, write_and_seal)


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
