"""What an arm leaves of its training: what it was made from, and what training measured."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict
from transformers import PreTrainedTokenizerFast

from distillora.artifacts import ArmLayout, seal_folder, write_folder_atomic
from distillora.data.tokens import TokenizedSplit
from distillora.errors import IntegrityError
from distillora.evaluation.results import (
    ArmEnvironment,
    EpochRecord,
    Fingerprint,
    identify_model,
)
from distillora.models.adapters import is_adapted, merge_adapter, save_adapter
from distillora.models.preflight import check_moved, take_probe


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
            raise _torn(folder.fingerprint, "what the arm was made from", error) from error


class TrainingRecord(_Stored):
    """What training one arm measured, as ``training.json``; its presence ends the stage.

    ``choice`` says in words what was chosen on validation, beside the epoch.
    ``before`` maps what this arm depends on (arms, teacher outputs) to the seconds that it took.
    ``layers`` are those that it kept.
    ``teacher_seeds`` are those of the teachers whose outputs were learnt, ``teacher_precision`` is
    what these were computed in.
    ``config_sha256`` is the hash of the configuration of a model that was not trained.
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
    search: None = None  # earlier versions could search for layers, and wrote how
    teacher_seeds: tuple[int, ...] = ()
    teacher_precision: str | None = None
    config_sha256: str | None = None
    weights_sha256: str
    environment: ArmEnvironment

    @property
    def identity(self) -> str:
        """The hash by which what is made from this arm knows it."""
        return identify_model(self.weights_sha256, self.config_sha256)

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
            raise _torn(folder.training, "how the arm was trained", error) from error


def _torn(path: Path, what: str, error: Exception) -> IntegrityError:
    return IntegrityError(
        f"{path} does not say {what}: {error}. Run `distillora compare` again: it says what "
        "changed, and --retrain-changed trains the arm and what depends on it anew."
    )


def save_model(model: Any, folder: ArmLayout, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write the weights that ship, with configuration and tokenizer, and seal the folder."""

    def write(part: Path) -> None:
        model.save_pretrained(part)
        tokenizer.save_pretrained(part)

    save_sealed(folder.model, write)


def save_sealed(folder: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a folder, and seal it: whole or not at all."""

    def write_and_seal(part: Path) -> None:
        write(part)
        seal_folder(part)

    write_folder_atomic(folder, write_and_seal)


def save_arm(
    model: Any,
    folder: ArmLayout,
    tokenizer: PreTrainedTokenizerFast,
    tokens: TokenizedSplit,
    make_base: Callable[[], Any],
    load_saved: Callable[[], Any],
) -> None:
    """Write a trained model; of an adapted one the adapter too, and its weights merged.

    Args:
        tokens: some texts, on which an adapted model, its adapter on a fresh base and its merged
            weights must agree.
        make_base: makes the base of an adapted model anew.
        load_saved: loads what this function wrote.

    Raises:
        AdapterError: the adapters did not move, or what is on disk says something else.
        IntegrityError: the base is no longer what it was.
    """
    model = model.cpu()
    if not is_adapted(model):
        save_model(model, folder, tokenizer)
        return
    check_moved(model)
    probe = take_probe(model, tokens, tokenizer.pad_token_id)
    write_folder_atomic(folder.adapter, functools.partial(save_adapter, model))
    reloaded = probe.check_reload(make_base(), folder.adapter)
    save_model(merge_adapter(model), folder, tokenizer)
    probe.check_merged(load_saved(), folder.model, reloaded)
