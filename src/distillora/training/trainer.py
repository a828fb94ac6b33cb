"""The one training loop: transformers' Trainer with another loss and another batch order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.integrations import TensorBoardCallback

from distillora.errors import RunError
from distillora.models.adapters import head_weights, load_weights
from distillora.models.backbones import quiet_transformers
from distillora.progress import Reporter
from distillora.recipe import Training
from distillora.runtime import Precision, is_main_process, process_count, watch_memory
from distillora.training.batches import Collator, Examples, JoinedExamples, LengthGroupedSampler
from distillora.training.checkpoints import (
    CheckpointKeeper,
    Clock,
    last_complete_checkpoint,
    read_clock,
)
from distillora.training.dropout import use_byte_dropout
from distillora.training.objectives import TrainingLoss, label_loss
from distillora.training.rates import set_rate

_LOG_STEPS = 50

EpochMetrics = Callable[[Any, Any], dict[str, float]]


@dataclass(frozen=True)
class Trained:
    """What training measured; the model itself holds the weights of the best epoch.

    Attributes:
        history: the log of the Trainer: losses by step, validation metrics by epoch.
        best_epoch: counted from 1.
        clock: time, examples and memory.
    """

    history: list[dict[str, float]]
    best_epoch: int
    clock: Clock


class ObjectiveTrainer(Trainer):  # type: ignore[misc]
    """A Trainer that minimises an :class:`TrainingLoss` on length-grouped batches."""

    def __init__(
        self,
        *args: Any,
        objective: TrainingLoss,
        head_learning_rate: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.objective = objective
        self.head_learning_rate = head_learning_rate
        # the loss below is a mean already; the Trainer must not rescale it
        self.model_accepts_loss_kwargs = False

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Return the objective while training and the label loss while evaluating."""
        targets = inputs.pop("labels")
        teacher_logits = inputs.pop("teacher_logits", None)
        teacher_hidden = inputs.pop("teacher_hidden", None)
        if not model.training:
            outputs = model(**inputs)
            loss = label_loss(outputs.logits.float(), targets)
            return (loss, outputs) if return_outputs else loss
        outputs = model(**inputs, output_hidden_states=teacher_hidden is not None)
        hidden = outputs.hidden_states[-1] if teacher_hidden is not None else None
        mask = inputs["attention_mask"]
        loss = self.objective(outputs.logits, targets, teacher_logits, hidden, teacher_hidden, mask)
        return (loss, outputs) if return_outputs else loss

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Return AdamW, with a group for the head if it has its own learning rate."""
        new = self.optimizer is None
        optimizer: torch.optim.Optimizer = super().create_optimizer(model)
        if new and self.head_learning_rate is not None:
            set_rate(optimizer, head_weights(self.model), self.head_learning_rate)
        return optimizer

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Return 0: the count is not used, and computing it walks the whole model at every step."""
        return 0

    def _get_train_sampler(self, train_dataset: Examples | None = None) -> LengthGroupedSampler:
        batch = self.args.train_batch_size * self.args.world_size
        return LengthGroupedSampler(self.train_dataset.lengths, batch, self.args.seed)


class EpochOrder(TrainerCallback):  # type: ignore[misc]
    """Tells the sampler which epoch begins, also when training resumes inside one."""

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **objects: Any) -> None:
        """Set the epoch on the sampler, through whatever accelerate wrapped around it."""
        node = objects["train_dataloader"]
        steps_per_epoch = math.ceil(state.max_steps / args.num_train_epochs)
        while node is not None and not isinstance(node, LengthGroupedSampler):
            node = getattr(node, "batch_sampler", None) or getattr(node, "sampler", None)
        if node is None:
            raise RunError("The data loader does not use the sampler of this project.")
        node.set_epoch(state.global_step // steps_per_epoch)


class ProgressBar(TrainerCallback):  # type: ignore[misc]
    """Shows examples, speed and remaining time, and a line for each epoch."""

    def __init__(self, reporter: Reporter, advance: Callable[[int], None]) -> None:
        self.reporter = reporter
        self.advance = advance

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Move the bar."""
        self.advance(state.global_step * args.per_device_train_batch_size * args.world_size)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any, **_: Any) -> None:
        """Print the metrics of the epoch."""
        shown = ", ".join(
            f"{name.removeprefix('eval_')} {metrics[name]:.4f}"
            for name in ("eval_loss", "eval_accuracy", "eval_f1_weighted", "eval_f1_macro")
        )
        self.reporter.say(f"  epoch {round(state.epoch)}/{round(args.num_train_epochs)}: {shown}")


def training_arguments(
    settings: Training, metric: str, seed: int, precision: Precision, folder: Path
) -> TrainingArguments:
    """Translate a recipe's settings; ``batch_size`` is divided among the processes."""
    per_process, rest = divmod(settings.batch_size, process_count())
    if rest:
        raise RunError(
            f"batch_size {settings.batch_size} cannot be divided among {process_count()} processes."
        )
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=per_process,
        per_device_eval_batch_size=64,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup_steps=settings.warmup,
        lr_scheduler_type="linear",
        max_grad_norm=settings.max_grad_norm,
        optim="adamw_torch_fused",
        bf16=precision == "bf16",
        use_cpu=not torch.cuda.is_available(),
        seed=seed,
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_steps=_LOG_STEPS,
        metric_for_best_model=metric,
        greater_is_better=metric != "loss",
        load_best_model_at_end=False,
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_pin_memory=torch.cuda.is_available(),
        ddp_find_unused_parameters=False,
        disable_tqdm=True,
        report_to="none",
    )


def train(
    model: nn.Module,
    examples: Examples | JoinedExamples,
    validation: Examples,
    *,
    objective: TrainingLoss,
    settings: Training,
    metric: str,
    epoch_metrics: EpochMetrics,
    pad_token_id: int,
    seed: int,
    precision: Precision,
    checkpoints: Path,
    tensorboard: Path,
    reporter: Reporter,
    title: str,
    head_learning_rate: float | None = None,
) -> Trained:
    """Train a model in place and leave the weights of its best epoch in it.

    Resumes from the last complete checkpoint in ``checkpoints``, if there is one.

    Args:
        metric: the validation metric that chooses the epoch, a key of what ``epoch_metrics``
            returns, or ``loss``.
        epoch_metrics: (logits, targets) of validation -> metrics.
        head_learning_rate: of the head; None: that of ``settings``.
    """
    use_byte_dropout(model)
    resume = last_complete_checkpoint(checkpoints)
    clock = read_clock(resume)
    total = settings.epochs * len(examples)
    with (
        watch_memory() as memory,
        reporter.track(title, total) as advance,
        _tensorboard(tensorboard) as writer,
    ):
        trainer = ObjectiveTrainer(
            model=model,
            args=training_arguments(settings, metric, seed, precision, checkpoints),
            train_dataset=examples,
            eval_dataset=validation,
            data_collator=Collator(pad_token_id),
            objective=objective,
            head_learning_rate=head_learning_rate,
            compute_metrics=lambda scored: epoch_metrics(scored.predictions, scored.label_ids),
            callbacks=[
                EpochOrder(),
                CheckpointKeeper(clock, memory, settings.checkpoint_minutes),
                ProgressBar(reporter, advance),
                *([TensorBoardCallback(writer)] if writer else []),
            ],
        )
        trainer.remove_callback(PrinterCallback)
        with quiet_transformers():
            trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    clock.peak_memory = max(clock.peak_memory, memory.bytes)
    best_step = trainer.state.best_global_step
    load_weights(trainer.accelerator.unwrap_model(model), checkpoints / f"checkpoint-{best_step}")
    _end_mixed_precision(model)
    steps_per_epoch = trainer.state.max_steps // settings.epochs
    return Trained(trainer.state.log_history, best_step // steps_per_epoch, clock)


def _end_mixed_precision(model: nn.Module) -> None:
    """Make a model compute in the precision of its weights again, as it will when it is loaded.

    For bfloat16, Accelerate shadows the forward of the class with one on the instance.
    ``unwrap_model(model, keep_fp32_wrapper=False)`` would remove decorators of Transformers, too.
    """
    vars(model).pop("forward", None)
    vars(model).pop("_original_forward", None)


@contextmanager
def _tensorboard(folder: Path) -> Iterator[SummaryWriter | None]:
    """Open event files for TensorBoard, in the main process alone."""
    if not is_main_process():
        yield None
        return
    with SummaryWriter(str(folder)) as writer:
        yield writer
