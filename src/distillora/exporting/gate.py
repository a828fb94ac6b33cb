"""The gate: the check of an export against the trained model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from distillora.data.dataset import Split
from distillora.data.tokens import tokenize_texts
from distillora.evaluation.calibration import calibration_error
from distillora.evaluation.metrics import multi_label_metrics, single_label_metrics
from distillora.inference.bundle import Quality
from distillora.models.forward import predict_logits
from distillora.probabilities import TaskType

LOGIT_TOLERANCE = 1e-4
QUALITY_TOLERANCE = 0.005

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Yardstick:
    """Measures the quality of an export in the same way as that of the trained arm.

    Attributes:
        task: single-label or multi-label.
        labels: label names, in the order of the logits.
        thresholds: multi-label: one per label.
    """

    task: TaskType
    labels: tuple[str, ...]
    thresholds: tuple[float, ...] | None

    def targets(self, split: Split) -> npt.NDArray[np.generic]:
        """Return classes (rows,), or a multi-hot matrix (rows, labels)."""
        if self.task == "single_label":
            return split.classes()
        return split.multi_hot(len(self.labels))

    def measure(self, logits: Logits, split: Split) -> Quality:
        """Measure calibrated logits of shape (rows, labels)."""
        targets = self.targets(split)
        if self.task == "single_label":
            classes = np.asarray(targets, dtype=np.int64)
            plain = single_label_metrics(logits, classes, self.labels)
            accuracy, macro, weighted = plain.accuracy, plain.f1_macro, plain.f1_weighted
        else:
            tuned = multi_label_metrics(logits, targets, self.labels, self.thresholds).tuned
            assert tuned is not None
            accuracy, macro, weighted = tuned.accuracy, tuned.f1_macro, tuned.f1_weighted
        return Quality(
            accuracy=accuracy,
            f1_macro=macro,
            f1_weighted=weighted,
            calibration_error=calibration_error(logits, targets, self.task),
        )


def torch_logits(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, split: Split, max_length: int
) -> Logits:
    """Return the PyTorch model's logits for the texts of a split, shape (rows, labels)."""
    tokens = tokenize_texts(split.texts, tokenizer, max_length)
    assert isinstance(tokenizer.pad_token_id, int)
    return predict_logits(model, tokens, tokenizer.pad_token_id)


def compare_logits(ours: Logits, theirs: Logits) -> list[str]:
    """Return a problem if any logit differs by more than the tolerance."""
    gap = float(np.abs(ours - theirs).max())
    if gap <= LOGIT_TOLERANCE:
        return []
    return [
        f"a validation logit of the ONNX model differs from PyTorch's by {gap:.2g}, more than "
        f"{LOGIT_TOLERANCE:g}"
    ]


def compare_quality(name: str, exported: Quality, trained: Quality) -> list[str]:
    """Return a problem for each metric that loses more than the tolerance."""
    problems = []
    for metric, words in (("accuracy", "accuracy"), ("f1_macro", "macro F1")):
        before, now = getattr(trained, metric), getattr(exported, metric)
        if before - now > QUALITY_TOLERANCE:
            problems.append(
                f"the {name} model loses {before - now:.4f} of {words} on validation "
                f"({before:.4f} to {now:.4f}), more than {QUALITY_TOLERANCE:g}"
            )
    return problems
