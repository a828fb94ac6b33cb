"""Reading ``predictions.parquet``, and what is confused with what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.metrics import confusion_matrix

from distillora.errors import IntegrityError
from distillora.report.summary import ArmSummary


def count_confusions(run_dir: Path, arm: ArmSummary, n_labels: int) -> npt.NDArray[np.int64]:
    """Count test rows by class and most probable label, summed over the arm's seeds.

    Returns:
        Shape (labels, labels): a row for each class (a text's first label), a column for each
        predicted label.

    Raises:
        IntegrityError: a predictions file is missing, cannot be read, or has other rows than
            ``results.json`` says.
    """
    counts = np.zeros((n_labels, n_labels), dtype=np.int64)
    for run in arm.runs:
        path = run_dir / run.predictions
        classes, predicted = _read_test(path)
        expected = run.metrics.test.rows
        if len(classes) != expected:
            raise _broken(path, f"it holds {len(classes)} test rows instead of {expected}")
        counts += confusion_matrix(classes, predicted, labels=range(n_labels))
    return counts


def _read_test(path: Path) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the class and the most probable label of each test row."""
    try:
        rows = pq.read_table(
            path, columns=["labels", "logits"], filters=[("split", "=", "test")]
        ).to_pydict()
        logits = np.array(rows["logits"], dtype=np.float64)
        classes = np.array([labels[0] for labels in rows["labels"]], dtype=np.int64)
        return classes, logits.argmax(axis=1)
    except (OSError, pa.ArrowException, ValueError, LookupError) as error:
        raise _broken(path, str(error)) from error


def _broken(path: Path, reason: str) -> IntegrityError:
    return IntegrityError(
        f"{path} does not hold an arm's predictions: {reason}. "
        "Run `distillora compare` with the same --out to make it again."
    )
