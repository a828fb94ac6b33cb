"""What an arm leaves of its training: what it was made from, and what training measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

from distillora.artifacts import ArmLayout, RunLayout, seal_folder, write_folder_atomic
from distillora.errors import IntegrityError
from distillora.evaluation.results import (
    ArmEnvironment,
    EpochRecord,
    Fingerprint,
    identify_model,
)
from distillora.pipeline.context import Task


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def _read(cls, path: Path, what: str) -> Self:
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise IntegrityError(
                f"{path} does not say {what}: {error}. Run `distillora compare` again: it says "
                "what changed, and --retrain-changed retrains the arm and what depends on it."
            ) from error


class BeginningRecord(_Stored):
    """What training one arm began with, as ``fingerprint.json``; written before its first step.

    ``created`` and ``commit`` are the time and distillora's commit at that moment.
    """

    fingerprint: Fingerprint
    created: str
    commit: str | None

    @classmethod
    def read(cls, folder: ArmLayout) -> Self:
        """Read it from an arm's folder.

        Raises:
            IntegrityError: it is missing or torn.
        """
        return cls._read(folder.fingerprint, "what the arm was made from")


class TrainingStats(_Stored):
    """What making one arm measured.

    Attributes:
        best_epoch, best_metric: the epoch that was kept, and the validation metric that chose it.
        history: one record an epoch.
        seconds: wall time.
        examples_per_second: of the training steps alone.
        peak_memory_bytes: of the process; of the device on a GPU.
        before: what this arm depends on (arms, teacher outputs) to the seconds that it took.
        choice: in words, what was chosen on validation beside the epoch.
        layers: which it kept, by index from 0.
        teacher_seeds, teacher_precision: the seeds of the teachers that it learnt from, and what
            their outputs were computed in.
        config_sha256: hash of the configuration of a model that was not trained.
    """

    best_epoch: int
    best_metric: str
    history: tuple[EpochRecord, ...]
    seconds: float
    examples_per_second: float | None
    peak_memory_bytes: int | None
    before: dict[str, float]
    choice: str | None = None
    layers: tuple[int, ...] | None = None
    search: None = None  # earlier versions could search for layers, and wrote how
    teacher_seeds: tuple[int, ...] = ()
    teacher_precision: str | None = None
    config_sha256: str | None = None

    @property
    def teacher_seconds(self) -> float | None:
        """Seconds of all that this arm depends on, each once; None if it depends on nothing."""
        return sum(self.before.values()) if self.before else None


class TrainingRecord(TrainingStats):
    """``training.json``: what training one arm measured; its presence ends the stage.

    ``weights_sha256`` is the hash of the saved weights, ``environment`` what trained them.
    ``fingerprint_sha256`` is the ``weights_digest`` of the fingerprint they were trained from; None
    in records from before there was one.
    """

    weights_sha256: str
    fingerprint_sha256: str | None = None
    environment: ArmEnvironment

    @property
    def identity(self) -> str:
        """The hash by which what is made from this arm knows it."""
        return identify_model(self.weights_sha256, self.config_sha256)

    @classmethod
    def read(cls, folder: ArmLayout) -> Self:
        """Read it from the folder of a trained arm.

        Raises:
            IntegrityError: it is missing or torn.
        """
        return cls._read(folder.training, "how the arm was trained")

    @classmethod
    def of_weights(cls, folder: ArmLayout, sha256: str) -> Self:
        """Read it, and make sure that the weights loaded from the folder are those it is about.

        Raises:
            IntegrityError: they are not, or the record is missing or torn.
        """
        record = cls.read(folder)
        if record.weights_sha256 != sha256:
            raise IntegrityError(
                f"{folder.model} does not hold the weights that were trained. Run the same "
                "command again: it says what changed, and --retrain-changed retrains the arm."
            )
        return record


def training_time(layout: RunLayout, tasks: Iterable[Task]) -> dict[str, float]:
    """Return the seconds of finished arms and of all that they depend on, each once."""
    seconds: dict[str, float] = {}
    for task in tasks:
        record = TrainingRecord.read(layout.arm(*task))
        seconds |= {**record.before, str(task): record.seconds}
    return seconds


def save_sealed(folder: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a folder, and seal it: whole or not at all."""

    def write_and_seal(part: Path) -> None:
        write(part)
        seal_folder(part)

    write_folder_atomic(folder, write_and_seal)
