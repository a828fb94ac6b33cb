"""The terms of the training loss, each a pure function of tensors, and their weighted sum."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F
from torch import Tensor

from distillora.training.label_losses import LabelTerm


def label_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy, or binary cross-entropy if the targets are multi-hot.

    Args:
        logits: shape (batch, labels).
        targets: class numbers of shape (batch,), or 0 and 1 of shape (batch, labels).

    Returns:
        A scalar, the mean over the batch (and over the labels, if multi-hot), in nats.
    """
    if targets.dim() == 1:
        return F.cross_entropy(logits, targets)
    return F.binary_cross_entropy_with_logits(logits, targets)


def label_bias(targets: npt.NDArray[Any], labels: int) -> npt.NDArray[np.float32]:
    """Return the output bias that predicts, without any input, how often each label occurs.

    Log-odds for multi-hot targets (the prior of Lin et al. 2017, arXiv 1708.02002, section 4.1),
    logarithms for classes. Half a row is added to each side, so that a label that no row or every
    row has stays finite.

    Args:
        targets: class numbers of shape (rows,), or 0 and 1 of shape (rows, labels).
        labels: how many labels there are.

    Returns:
        Shape (labels,).
    """
    rows = len(targets)
    if targets.ndim == 1:
        counts = np.bincount(targets, minlength=labels) + 0.5
        return np.asarray(np.log(counts / counts.sum()), np.float32)
    counts = targets.sum(axis=0) + 0.5
    return np.asarray(np.log(counts / (rows + 1 - counts)), np.float32)


def softened_kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    r"""KL divergence of softened class distributions, for single-label data.

    .. math:: T^2 \, \mathrm{KL}(\mathrm{softmax}(t / T) \,\|\, \mathrm{softmax}(s / T))

    Source: Hinton et al. 2015 (arXiv 1503.02531), section 2; the factor T^2 keeps the size of the
    gradient when T changes. Logits have shape (batch, labels); the result is the batch mean.
    """
    return temperature**2 * F.kl_div(
        F.log_softmax(student / temperature, dim=-1),
        F.log_softmax(teacher / temperature, dim=-1),
        reduction="batchmean",
        log_target=True,
    )


def sigmoid_kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    r"""KL divergence of each label's softened Bernoulli distribution, for multi-label data.

    .. math:: T^2 \, [p \log(p / q) + (1 - p) \log((1 - p) / (1 - q))],
              \quad p = \sigma(t / T), \; q = \sigma(s / T)

    Source: the binary form of Hinton et al. 2015; see Yang et al. 2023 (arXiv 2308.06453), eq. 4.
    Logits have shape (batch, labels); the result is the mean over both.
    """
    t, s = teacher / temperature, student / temperature
    p = t.sigmoid()
    divergence = p * (F.logsigmoid(t) - F.logsigmoid(s))
    divergence = divergence + (1 - p) * (F.logsigmoid(-t) - F.logsigmoid(-s))
    return temperature**2 * divergence.mean()


def logits_mse(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared error between logits of shape (batch, labels).

    Source: Ba and Caruana 2014 (arXiv 1312.6184), eq. 1.
    """
    return F.mse_loss(student, teacher)


def hidden_cosine(student: Tensor, teacher: Tensor, attention_mask: Tensor) -> Tensor:
    """One minus the cosine between hidden states, averaged over the tokens that are not padding.

    Source: DistilBERT's cosine embedding loss (Sanh et al. 2019, arXiv 1910.01108, section 3).
    Hidden states have shape (batch, length, width), the mask (batch, length).
    """
    mask = attention_mask.to(student.dtype)
    distance = 1 - F.cosine_similarity(student, teacher, dim=-1)
    return (distance * mask).sum() / mask.sum()


@dataclass(frozen=True)
class TrainingLoss:
    """The weighted sum of the terms; a weight of 0 leaves the term out.

    ``labels`` is the weight of ``label_term``, which leaves out rows without a label; the other
    terms use all rows.
    """

    labels: float = 1.0
    distillation: float = 0.0
    logits_mse: float = 0.0
    hidden_cosine: float = 0.0
    temperature: float = 2.0
    label_term: LabelTerm = field(default_factory=LabelTerm)

    @property
    def uses_teacher(self) -> bool:
        """Whether the teacher's logits are needed."""
        return bool(self.distillation or self.logits_mse)

    def __call__(
        self,
        logits: Tensor,
        targets: Tensor,
        teacher_logits: Tensor | None = None,
        hidden: Tensor | None = None,
        teacher_hidden: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of a batch as a scalar; shapes as in the terms."""
        logits = logits.float()
        total = logits.new_zeros(())
        if self.labels:
            total = total + self.labels * self.label_term(logits, targets)
        if self.uses_teacher:
            assert teacher_logits is not None
            if self.distillation:
                divergence = softened_kl if targets.dim() == 1 else sigmoid_kl
                total = total + self.distillation * divergence(
                    logits, teacher_logits, self.temperature
                )
            if self.logits_mse:
                total = total + self.logits_mse * logits_mse(logits, teacher_logits)
        if self.hidden_cosine:
            assert hidden is not None and teacher_hidden is not None and attention_mask is not None
            total = total + self.hidden_cosine * hidden_cosine(
                hidden.float(), teacher_hidden.float(), attention_mask
            )
        return total
