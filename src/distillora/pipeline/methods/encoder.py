"""Encoders: trained in full, with LoRA adapters or not at all, from labels and from teachers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from transformers import PreTrainedTokenizerFast

from distillora.artifacts import ArmLayout, write_folder_atomic
from distillora.data.tokens import TokenizedSplit
from distillora.evaluation.cost import weights_bytes
from distillora.evaluation.metrics import epoch_metrics
from distillora.evaluation.predictions import LogitMatrix, SplitName
from distillora.evaluation.results import EpochRecord
from distillora.models.adapters import is_adapted, merge_adapter, save_adapter
from distillora.models.backbones import save_model
from distillora.models.forward import predict_logits
from distillora.models.hashes import config_sha256, weights_sha256
from distillora.models.preflight import check_moved, preflight, take_probe
from distillora.pipeline.context import RunContext
from distillora.pipeline.method import LoadedArm, SavedArm
from distillora.pipeline.methods.build import (
    OutputsBySource,
    build_base,
    build_model,
    load_encoder,
    make_objective,
    pick_layers,
    training_examples,
)
from distillora.pipeline.methods.encoder_plan import EncoderPlan, plan
from distillora.pipeline.records import (
    TrainingRecord,
    TrainingStats,
    save_sealed,
    training_time,
)
from distillora.recipe import LoraTuning
from distillora.runtime import device, device_name, is_main_process, resolve_precision
from distillora.training.batches import Examples
from distillora.training.trainer import Trained
from distillora.training.trainer import train as train_model

__all__ = ["load", "plan", "train"]


def train(context: RunContext, plan: EncoderPlan) -> SavedArm:
    """See ``Method.train``."""
    layers = pick_layers(context, plan)
    model = build_model(context, plan, layers)
    stats = _train(context, plan, model)
    weights = ""
    if is_main_process():
        save_encoder(
            model,
            context.folder(plan.name),
            context.data.tokenizer(plan.tokenizer),
            context.data.tokens(plan.tokenizer, "validation"),
            make_base=functools.partial(build_base, context, plan, layers),
            load_saved=functools.partial(load_encoder, context, plan.name),
        )
        weights = weights_sha256(load_encoder(context, plan.name))
    return SavedArm(stats.model_copy(update={"layers": layers}), weights)


def load(context: RunContext, plan: EncoderPlan) -> LoadedArm:
    """See ``Method.load``."""
    return _LoadedEncoder(context, plan)


class _LoadedEncoder(LoadedArm):
    """An encoder; its inputs are tokens."""

    def __init__(self, context: RunContext, plan: EncoderPlan) -> None:
        folder, model = context.folder(plan.name), load_encoder(context, plan.name)
        self.sha256 = weights_sha256(model)
        self.model_bytes = weights_bytes(folder.model)
        self.device = device_name()
        self._folder = folder
        self._model = model.to(device())
        self._data = context.data
        self._tokenizer = plan.tokenizer

    def read_stats(self) -> TrainingStats:
        return TrainingRecord.of_weights(self._folder, self.sha256)

    def inputs(self, split: SplitName) -> TokenizedSplit:
        return self._data.tokens(self._tokenizer, split)

    def take(self, split: SplitName, rows: Sequence[int]) -> TokenizedSplit:
        return self.inputs(split).take(rows)

    def __call__(self, inputs: TokenizedSplit) -> LogitMatrix:
        pad = self._data.tokenizer(self._tokenizer).pad_token_id
        return predict_logits(self._model, inputs, pad)


def _train(context: RunContext, plan: EncoderPlan, model: Any) -> TrainingStats:
    """Train a model in place, if anything of it is to be trained."""
    data, arm, folder = context.data, plan.arm, context.folder(plan.name)
    metric = plan.best_metric(multi_label=data.multi_label)
    if arm.tuning.method == "none":
        taken = _stats(None, metric, _time_before(context, plan, {}))
        return taken.model_copy(update={"config_sha256": config_sha256(plan.config)})
    if isinstance(arm.tuning, LoraTuning):
        preflight(model, arm.training.learning_rate, context.reporter.warn)
    examples, outputs = training_examples(context, plan)
    trained = train_model(
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
        precision=plan.precision,
        checkpoints=folder.checkpoints,
        tensorboard=folder.tensorboard,
        reporter=context.reporter,
        title=plan.name,
    )
    stats = _stats(trained, metric, _time_before(context, plan, outputs))
    return stats.model_copy(update=_describe_teachers(plan, outputs))


def _describe_teachers(plan: EncoderPlan, outputs: OutputsBySource) -> dict[str, Any]:
    if not outputs:
        return {}
    return {
        "teacher_seeds": tuple(sorted({teacher.seed for teacher, _ in outputs})),
        "teacher_precision": resolve_precision(plan.arm.objective.teacher_precision),
    }


def _time_before(
    context: RunContext, plan: EncoderPlan, outputs: OutputsBySource
) -> dict[str, float]:
    """Return the seconds of the arms that this one depends on, and of its teachers' outputs."""
    before = training_time(context.layout, context.needs(plan.name).parents)
    for (task, split), found in outputs.items():
        kind = "outputs" if found.hidden is None else "outputs and hidden states"
        place = "" if split == "train" else f" on {split}"
        before[f"{kind} of {task}{place}"] = found.seconds
    return before


def _stats(trained: Trained | None, metric: str, before: dict[str, float]) -> TrainingStats:
    """Return what training measured; ``trained`` is None for a model that is taken as it is."""
    clock = trained.clock if trained else None
    return TrainingStats(
        best_epoch=trained.best_epoch if trained else 0,
        best_metric=metric,
        history=_epochs(trained) if trained else (),
        seconds=clock.total if clock else 0.0,
        examples_per_second=clock.examples / clock.stepping if clock else None,
        peak_memory_bytes=clock.peak_memory if clock else None,
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


def _save_model(model: Any, folder: ArmLayout, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write the weights that ship, with configuration and tokenizer, and seal the folder."""

    save_sealed(folder.model, functools.partial(save_model, model, tokenizer))


def save_encoder(
    model: Any,
    folder: ArmLayout,
    tokenizer: PreTrainedTokenizerFast,
    tokens: TokenizedSplit,
    make_base: Callable[[], Any],
    load_saved: Callable[[], Any],
) -> None:
    """Save a trained model; an adapted one as its adapter and with the adapter merged.

    Args:
        tokens: some texts, on which an adapted model, its adapter on a fresh base and its merged
            weights must agree.
        make_base: builds the base of an adapted model again.
        load_saved: loads the saved model.

    Raises:
        AdapterError: the adapters did not move, or the saved model gives other logits.
        IntegrityError: the base changed since training.
    """
    model = model.cpu()
    if not is_adapted(model):
        _save_model(model, folder, tokenizer)
        return
    check_moved(model)
    probe = take_probe(model, tokens, tokenizer.pad_token_id)
    write_folder_atomic(folder.adapter, functools.partial(save_adapter, model))
    reloaded = probe.check_reload(make_base(), folder.adapter)
    _save_model(merge_adapter(model), folder, tokenizer)
    probe.check_merged(load_saved(), folder.model, reloaded)
