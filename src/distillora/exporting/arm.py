"""A trained arm of a finished run: its model, its results and its data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from distillora.artifacts import ArmLayout, RunLayout
from distillora.data.dataset import Dataset
from distillora.data.stored import read_stored
from distillora.errors import RunFolderError
from distillora.evaluation.integrity import check_arm, check_chain, load_results
from distillora.evaluation.results import ArmResult, Results
from distillora.models.backbones import load_classifier, load_tokenizer
from distillora.probabilities import TaskType
from distillora.recipe import Recipe, load_recipe


@dataclass(frozen=True)
class TrainedArm:
    """One finished arm of a run.

    Attributes:
        layout: the arm's paths.
        run: the paths of its run.
        results: the results of the run.
        result: the arm's entry in them.
    """

    layout: ArmLayout
    run: RunLayout
    results: Results
    result: ArmResult

    @classmethod
    def open(cls, folder: Path) -> TrainedArm:
        """Open an arm by its folder, ``RUN/arms/ARM/seed-N``.

        Raises:
            RunFolderError: the folder is not that of a finished arm with an encoder; or its
                weights, predictions or data do not match the results.
            IntegrityError: the results are damaged, or contradict themselves.
        """
        layout = ArmLayout(folder.resolve())
        if layout.result.is_file():
            _refuse_ensemble(folder, ArmResult.model_validate_json(layout.result.read_bytes()))
        if not layout.result.is_file() or not layout.model.is_dir():
            raise RunFolderError(
                f"{folder} is not a finished arm with its model. Give a folder such as "
                "runs/RUN/arms/ARM/seed-0 of a finished run."
            )
        run = RunLayout(layout.root.parents[2])
        results = load_results(run)
        check_chain(results)
        name, seed = layout.root.parent.name, layout.root.name
        recorded = [arm for arm in results.arms if (arm.name, f"seed-{arm.seed}") == (name, seed)]
        if not recorded:
            raise RunFolderError(
                f"{run.results} has no entry for {folder}. Run the same `distillora compare` "
                "command again: it rewrites the results."
            )
        result = recorded[0]
        check_arm(run, result, results)
        if not result.is_encoder:
            raise RunFolderError(
                f"{folder} is a baseline ({result.init}), which cannot be exported. Give the "
                "folder of an arm with an encoder."
            )
        if result.temperature is None:
            raise RunFolderError(
                f"{folder} has no temperature, because an older version evaluated it. Delete its "
                "result.json and run the same `distillora compare` again: it evaluates the arm "
                "again without retraining it."
            )
        return cls(layout, run, results, result)

    @property
    def recipe(self) -> Recipe:
        """The run's recipe."""
        return load_recipe(str(self.run.recipe))

    @property
    def task(self) -> TaskType:
        """The task: ``single_label`` or ``multi_label``."""
        return self.results.data.task

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names, label 0 first."""
        return self.results.data.labels

    @property
    def commit(self) -> str | None:
        """The commit of distillora that trained the arm, if it is known."""
        return (self.result.environment or self.results.environment).commit

    @property
    def temperature(self) -> float:
        """The divisor of the logits that calibrates them."""
        assert self.result.temperature is not None  # see `open`
        return self.result.temperature

    def load_model(self) -> PreTrainedModel:
        """Load the trained weights, adapters merged, in float32; ``open`` has verified them."""
        multi_label = self.task == "multi_label"
        return load_classifier(str(self.layout.model), None, self.labels, multi_label=multi_label)

    def load_tokenizer(self) -> PreTrainedTokenizerFast:
        """Load the tokenizer that the arm was trained with."""
        return load_tokenizer(str(self.layout.model))

    def load_data(self) -> Dataset:
        """Read the run's copy of the data.

        Raises:
            IntegrityError: it is missing or damaged.
        """
        return read_stored(self.run.data)[0]

    @cached_property
    def recorded_logits(self) -> dict[str, npt.NDArray[np.float32]]:
        """Split -> recorded logits of shape (rows, labels), for validation and test."""
        table: Any = pq.read_table(self.layout.predictions, columns=["split", "logits"])
        split = np.array(table["split"].to_pylist())
        logits = np.array(table["logits"].to_pylist(), dtype=np.float32)
        return {name: logits[split == name] for name in ("validation", "test")}


def _refuse_ensemble(folder: Path, result: ArmResult) -> None:
    if result.is_ensemble:
        raise RunFolderError(
            f"{folder} is an ensemble ({result.init}), which has no weights to export. Give the "
            f"folder of one of its members: {'; '.join(result.members)}."
        )
