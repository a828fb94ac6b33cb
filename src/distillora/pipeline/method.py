"""The interface of a method, a way to make a classifier: ``plan``, ``train`` and ``load``.

A method is a module of ``pipeline/methods`` with these three functions. The stages know this
interface alone; what a method does differently, it says in its subclass of ``ArmPlan``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

from distillora.data.dataset import Dataset
from distillora.evaluation.predictions import LogitMatrix, SplitName
from distillora.pipeline.context import ArmPlan, Needs, RunContext
from distillora.pipeline.records import TrainingStats
from distillora.recipe import Arm


@dataclass(frozen=True)
class PlanRequest:
    """What a method plans an arm from.

    Attributes:
        name, arm: as in the recipe.
        needs: the arms that it needs, at the first seed at which it is made.
        planned: the plans of all arms that come before it.
        dataset: the data as it is used.
        extra_texts: how many texts without labels the arm learns from as well.
        multi_label: whether every label of a text counts.
        max_length: tokens per text, special ones included.
    """

    name: str
    arm: Arm
    needs: Needs
    planned: Mapping[str, ArmPlan]
    dataset: Dataset
    extra_texts: int
    multi_label: bool
    max_length: int


class SavedArm(NamedTuple):
    """What training measured, and the hash of the weights that it saved.

    The hash is empty in processes that only helped to train.
    """

    stats: TrainingStats
    weights_sha256: str


class LoadedArm(ABC):
    """A finished arm that turns what it is given into logits.

    Attributes:
        sha256: hash of its weights.
        model_bytes: size on disk of what it computes with.
        device: the hardware that it runs on.
    """

    sha256: str
    model_bytes: int
    device: str

    @abstractmethod
    def read_stats(self) -> TrainingStats:
        """Read what training measured.

        Raises:
            IntegrityError: the weights on disk are not those that were trained.
        """

    @abstractmethod
    def inputs(self, split: SplitName) -> Any:
        """Return all rows of a split, ready to be scored."""

    @abstractmethod
    def take(self, split: SplitName, rows: Sequence[int]) -> Any:
        """Return some rows of a split, ready to be scored."""

    @abstractmethod
    def __call__(self, inputs: Any) -> LogitMatrix:
        """Return logits of shape (rows, labels)."""


P = TypeVar("P", bound=ArmPlan)


class Method(Protocol[P]):
    """A module that makes arms in one way."""

    def plan(self, request: PlanRequest) -> P:
        """Resolve an arm from configurations alone: no weights, no training.

        Raises:
            ModelError: it cannot be made as asked.
        """

    def train(self, context: RunContext, plan: P) -> SavedArm:
        """Make an arm and save it as ``model/`` in its folder.

        It is called in every process that trains; the main one saves.
        """

    def load(self, context: RunContext, plan: P) -> LoadedArm:
        """Load a finished arm, at the context's seed, from disk."""
