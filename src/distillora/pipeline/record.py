"""What an arm leaves of its training: what it was made from, and what training measured."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict

from distillora.artifacts import ArmLayout
from distillora.errors import IntegrityError
from distillora.evaluation.results import (
    ArmEnvironment,
    EpochRecord,
    Fingerprint,
    LayerSearchRecord,
)


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


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
        try:
            return cls.model_validate_json(folder.fingerprint.read_bytes())
        except (OSError, ValueError) as error:
            raise IntegrityError(
                f"{folder.fingerprint} does not say what the arm was made from: {error}. "
                f"Delete {folder.root} and run the same command again."
            ) from error


class TrainingRecord(_Stored):
    """What training one arm measured, as ``training.json``; its presence ends the stage.

    ``choice`` says in words what was chosen on validation, beside the epoch.
    ``before`` maps what this arm depends on (arms, teacher outputs) to the seconds that it took.
    ``layers`` are those that it kept, ``search`` how they were found.
    ``teacher_seeds`` are those of the teachers whose outputs were learnt, ``teacher_precision`` is
    what these were computed in.
    ``weights_sha256`` is the hash of the saved weights, ``environment`` what trained them.
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
    search: LayerSearchRecord | None = None
    teacher_seeds: tuple[int, ...] = ()
    teacher_precision: str | None = None
    weights_sha256: str
    environment: ArmEnvironment

    @property
    def teacher_seconds(self) -> float | None:
        """Seconds of all that this arm depends on, each once; None if it depends on nothing."""
        return sum(self.before.values()) if self.before else None

    @classmethod
    def read(cls, folder: ArmLayout) -> Self:
        """Read it from the folder of a trained arm.

        Raises:
            IntegrityError: it is missing or torn.
        """
        try:
            return cls.model_validate_json(folder.training.read_bytes())
        except (OSError, ValueError) as error:
            raise IntegrityError(
                f"{folder.training} does not say how the arm was trained: {error}. "
                f"Delete {folder.root} and run the same command again."
            ) from error
