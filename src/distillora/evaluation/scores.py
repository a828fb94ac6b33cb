"""The part of ``results.json`` about quality: the figures of an arm on validation and test."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen part of the results; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LabelMetrics(Record):
    """One label against the rest: precision, recall and F1 in [0, 1], support in rows."""

    label: str
    support: int
    precision: float
    recall: float
    f1: float


class TunedMetrics(Record):
    """The multi-label metrics at thresholds that were tuned per label on validation."""

    accuracy: float
    f1_weighted: float
    f1_macro: float
    f1_micro: float
    hamming_loss: float
    per_label: tuple[LabelMetrics, ...]


class Rung(Record):
    """What one way of setting thresholds gives on the test split."""

    accuracy: float
    f1_weighted: float
    f1_macro: float
    f1_micro: float


class Ladder(Record):
    """Multi-label figures on test by how thresholds were set.

    Attributes:
        fixed: 0.5 for every label.
        one: one threshold for all labels, tuned on validation.
        exact: the best threshold of each label on validation.
        tuned: the same, smoothed and shrunk; the thresholds that ship.
        oracle: the best threshold of each label on test: no result, but how much there is to win.
    """

    fixed: Rung
    one: Rung
    exact: Rung
    tuned: Rung
    oracle: Rung


class SplitMetrics(Record):
    """The quality of one arm on one split.

    Attributes:
        rows: how many texts were scored.
        loss: mean cross-entropy (single-label) or binary cross-entropy (multi-label), in nats.
        accuracy: share of rows whose class is right; multi-label: whose label set is exactly
            right (the same number as ``subset_accuracy``), at a threshold of 0.5.
        accuracy_any_label: single-label only: share of rows whose predicted class is any of the
            row's labels, where the data has rows with several; else None.
        f1_weighted: F1 averaged over labels by support.
        f1_macro: F1 averaged over labels, each counting the same.
        f1_micro, subset_accuracy, hamming_loss, average_precision: multi-label only;
            ``average_precision`` is the mean over the labels that occur.
        per_label: one entry a label, in label order.
        tuned: multi-label only: the same at per-label thresholds from validation.
        calibration_error, uncalibrated_error: expected calibration error in [0, 1] after and
            before the logits were divided by the arm's temperature; None in older results.
    """

    rows: int
    loss: float
    accuracy: float
    accuracy_any_label: float | None = None
    f1_weighted: float
    f1_macro: float
    f1_micro: float | None = None
    subset_accuracy: float | None = None
    hamming_loss: float | None = None
    average_precision: float | None = None
    per_label: tuple[LabelMetrics, ...]
    tuned: TunedMetrics | None = None
    calibration_error: float | None = None
    uncalibrated_error: float | None = None


class Metrics(Record):
    """Both evaluated splits; every choice was made on ``validation``."""

    validation: SplitMetrics
    test: SplitMetrics
