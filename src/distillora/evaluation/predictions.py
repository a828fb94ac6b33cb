"""``predictions.parquet``: logits and labels of every scored text; and decisions from logits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from distillora.artifacts import sha256_file, write_file_atomic
from distillora.data.dataset import Split
from distillora.errors import IntegrityError
from distillora.evaluation.results import ArmResult, TaskType
from distillora.probabilities import sigmoid

SplitName = Literal["validation", "test"]
LogitMatrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Predictions:
    """One arm's outputs on one split at one seed.

    Attributes:
        classes: the first label of each row, shape (rows,).
        truth: which labels a row has, shape (rows, labels).
        logits: shape (rows, labels).
    """

    classes: npt.NDArray[np.int64]
    truth: npt.NDArray[np.bool_]
    logits: npt.NDArray[np.float64]


def write_predictions(
    path: Path, splits: Mapping[SplitName, Split], logits: Mapping[SplitName, LogitMatrix]
) -> None:
    """Write split, row, id, labels and logits of every scored text, but not the text.

    Args:
        path: of the file.
        splits: the rows that were scored.
        logits: of each split, shape (rows, labels).
    """
    table = pa.table(
        {
            "split": [name for name, split in splits.items() for _ in split.texts],
            "row": pa.array(
                [i for split in splits.values() for i in range(len(split))], pa.int32()
            ),
            "id": [id_ for split in splits.values() for id_ in split.ids],
            "labels": pa.array(
                [list(row) for split in splits.values() for row in split.labels],
                pa.list_(pa.int32()),
            ),
            "logits": pa.array(
                [row for name in splits for row in logits[name]], pa.list_(pa.float32())
            ),
        }
    )
    write_file_atomic(path, lambda part: pq.write_table(table, part, compression="zstd"))


def read_predictions(run_dir: Path, run: ArmResult, split: SplitName = "test") -> Predictions:
    """Read an arm's outputs on a split.

    Raises:
        IntegrityError: the file is missing, cannot be read, or has another checksum or other
            rows than ``results.json`` says.
    """
    path = run_dir / run.predictions
    if path.is_file() and not has_recorded_checksum(run_dir, run):
        raise _broken(path, "it changed after it was written")
    try:
        columns = pq.read_table(
            path, columns=["labels", "logits"], filters=[("split", "=", split)]
        ).to_pydict()
        logits = np.array(columns["logits"], dtype=np.float64)
        classes = np.array([labels[0] for labels in columns["labels"]], dtype=np.int64)
        truth = np.zeros(logits.shape, dtype=np.bool_)
        for row, labels in enumerate(columns["labels"]):
            truth[row, labels] = True
    except (OSError, pa.ArrowException, ValueError, LookupError) as error:
        raise _broken(path, str(error)) from error
    expected = getattr(run.metrics, split).rows
    if len(classes) != expected:
        raise _broken(path, f"it holds {len(classes)} {split} rows instead of {expected}")
    return Predictions(classes, truth, logits)


def has_recorded_checksum(run_dir: Path, run: ArmResult) -> bool:
    """Whether an arm's predictions are in place and match their checksum, if one was recorded."""
    path = run_dir / run.predictions
    if not path.is_file():
        return False
    return run.predictions_sha256 is None or run.predictions_sha256 == sha256_file(path)


def _broken(path: Path, reason: str) -> IntegrityError:
    return IntegrityError(
        f"{path} does not hold an arm's predictions: {reason}. "
        "Run `distillora compare` with the same `out` to make it again."
    )


def true_labels(found: Predictions, task: TaskType) -> npt.NDArray[np.bool_]:
    """Return the true labels of a task, shape (rows, labels): the class alone, or all labels."""
    return found.truth if task == "multi_label" else _one_hot(found.classes, found.logits.shape)


def decide(found: Predictions, run: ArmResult, task: TaskType) -> npt.NDArray[np.bool_]:
    """Return which labels an arm gives each row at its own thresholds, shape (rows, labels)."""
    cuts = None if run.thresholds is None else np.array(run.thresholds)
    return decide_logits(found.logits, task, run.temperature or 1.0, cuts)


def decide_logits(
    logits: npt.NDArray[np.float64],
    task: TaskType,
    temperature: float = 1.0,
    thresholds: npt.NDArray[np.float64] | None = None,
) -> npt.NDArray[np.bool_]:
    """Return which labels each row gets, shape (rows, labels).

    Single-label: the one with the largest logit. Multi-label: those whose probability reaches their
    threshold.

    Args:
        logits: shape (rows, labels).
        temperature: what to divide the logits by first (multi-label).
        thresholds: shape (labels,); 0.5 for every label if there are none.
    """
    if task == "single_label":
        return _one_hot(logits.argmax(axis=1), logits.shape)
    cuts = 0.5 if thresholds is None else thresholds
    return np.asarray(sigmoid(logits / temperature) >= cuts)


def _one_hot(classes: npt.NDArray[np.int64], shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    hot = np.zeros(shape, dtype=np.bool_)
    hot[np.arange(len(classes)), classes] = True
    return hot
