"""Checkpoints: a complete one has a manifest of checksums, which is written last."""

from __future__ import annotations

import json
import re
import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME

from distillora.artifacts import is_sealed, seal_folder
from distillora.runtime import PeakMemory, is_main_process, process_count, wait_for_everyone

_CLOCK = "clock.json"


@dataclass
class Clock:
    """Time and memory that training took so far, across interruptions.

    Attributes:
        total: seconds of training and validation.
        stepping: seconds of training steps alone.
        examples: training examples of those steps.
        epochs: ``total`` at the end of each epoch.
        peak_memory: bytes.
    """

    total: float = 0.0
    stepping: float = 0.0
    examples: int = 0
    epochs: list[float] = field(default_factory=list)
    peak_memory: int = 0


def read_clock(checkpoint: Path | None) -> Clock:
    """Return the clock that a checkpoint holds, or a new one."""
    if checkpoint is None:
        return Clock()
    return Clock(**json.loads((checkpoint / _CLOCK).read_text()))


def last_complete_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint whose files all match its manifest, or None.

    Newer ones that are damaged or incomplete are deleted; training writes them again.
    """
    for checkpoint in sorted(_checkpoints(folder), key=_step, reverse=True):
        if is_sealed(checkpoint):
            return checkpoint
        shutil.rmtree(checkpoint)
    return None


def _checkpoints(folder: Path) -> list[Path]:
    return [path for path in folder.glob("checkpoint-*") if re.search(r"-\d+$", path.name)]


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


class CheckpointKeeper(TrainerCallback):  # type: ignore[misc]
    """Seals each checkpoint once it is written, saves between epochs, deletes those not needed.

    Losses are logged at fixed steps and at the end of each epoch, and a state is only saved right
    after that: the mean loss of an epoch is then the same, to the last bit, however often training
    was interrupted.

    Args:
        clock: continued from the checkpoint that training starts from.
        memory: watched while training goes on.
        minutes: save between epochs this often. With several processes only epochs are saved,
            because their clocks would disagree on when.
    """

    def __init__(self, clock: Clock, memory: PeakMemory, minutes: float) -> None:
        self.clock = clock
        self.memory = memory
        self.minutes = minutes
        self._base = (clock.total, time.perf_counter())
        self._step_start = 0.0
        self._last_save = time.perf_counter()

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Start the clock of a step."""
        self._step_start = time.perf_counter()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Count the step, and save if it is time and a loss is logged at this step."""
        now = time.perf_counter()
        self.clock.stepping += now - self._step_start
        self.clock.examples += args.per_device_train_batch_size * args.world_size
        due = now - self._last_save > 60 * self.minutes
        if due and control.should_log and process_count() == 1:
            control.should_save = True

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Log the loss, so that it is not carried over into the next epoch."""
        control.should_log = True

    def on_evaluate(self, *_: Any, **__: Any) -> None:
        """Record when the epoch ended."""
        self._update_clock()
        self.clock.epochs.append(self.clock.total)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Complete the checkpoint and delete older ones."""
        wait_for_everyone()  # every process has its own random state to write
        if is_main_process():
            folder = Path(args.output_dir)
            checkpoint = folder / f"checkpoint-{state.global_step}"
            self._update_clock()
            (checkpoint / _CLOCK).write_text(json.dumps(asdict(self.clock)))
            seal_folder(checkpoint)
            _delete_old(folder)
        wait_for_everyone()
        self._last_save = time.perf_counter()

    def _update_clock(self) -> None:
        total, start = self._base
        self.clock.total = total + time.perf_counter() - start
        self.clock.peak_memory = max(self.clock.peak_memory, self.memory.bytes)


def _delete_old(folder: Path) -> None:
    """Keep the two newest checkpoints, and of each the one that was best at its time.

    If the newest is damaged, the one before it is used, with its own best.
    """
    newest_first = sorted(_checkpoints(folder), key=_step, reverse=True)
    kept = {_step(checkpoint) for checkpoint in newest_first[:2]}
    for checkpoint in newest_first[:2]:
        state = json.loads((checkpoint / TRAINER_STATE_NAME).read_text())
        kept.add(state["best_global_step"])
    for checkpoint in newest_first:
        if _step(checkpoint) not in kept:
            shutil.rmtree(checkpoint)
