"""Figures that another study published, for the report to show beside those of the run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from distillora.recipe.sections import Count, Number, Settings

Score = Annotated[Number, Field(ge=0, le=1)]
Positive = Annotated[Count, Field(ge=1)]


class PublishedArm(Settings):
    """What a study measured for one arm.

    Attributes:
        arm: the arm of the recipe that it compares with.
        accuracy, f1_weighted: on the test split.
        validation_loss: cross-entropy, in nats.
        trainable, total: numbers of parameters.
        training_seconds: wall time of training.
    """

    arm: str
    accuracy: Score
    f1_weighted: Score
    validation_loss: Annotated[Number, Field(ge=0)]
    trainable: Positive
    total: Positive
    training_seconds: Positive


class Published(Settings):
    """The figures of one study.

    Attributes:
        note: where they are from, and how their protocol differs.
        task: the task that they were measured on.
        test_sha256: the hash of the test split that they were measured on, as ``results.json`` has
            it (``data.sha256.test``). The report leaves them out for any other.
        arms: one entry an arm.
    """

    note: str = Field(min_length=1)
    task: Literal["single_label", "multi_label"] = "single_label"
    test_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    arms: tuple[PublishedArm, ...] = Field(min_length=1)
