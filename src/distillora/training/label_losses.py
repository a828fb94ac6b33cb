"""Losses on labels: for labels of unequal frequency, and with rows that have none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

UNLABELLED = -100
"""The target of a row without a label, the class that PyTorch's cross-entropy leaves out."""

POS_WEIGHT_LIMIT = 10.0

# bases of powers stay above 0, where the slope of x^gamma is infinite for gamma < 1
_SMALLEST = 1e-7

Kind = Literal["plain", "weighted", "focal"]


def unlabelled_targets(rows: int, like: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return targets of so many rows without a label, of the width and type of ``like``."""
    return np.full((rows, *like.shape[1:]), UNLABELLED, like.dtype)


def has_label(targets: Tensor) -> Tensor:
    """Return which rows have a label: bool, shape (batch,).

    Args:
        targets: class numbers (batch,) or multi-hot rows (batch, labels), as of the label loss.
    """
    return (targets if targets.dim() == 1 else targets[:, 0]) != UNLABELLED


def label_weights(targets: npt.NDArray[Any], labels: int) -> npt.NDArray[np.float32]:
    r"""Return the weight of each label in the weighted loss: the rarer, the larger.

    Weights are tempered by a square root, as Mahajan et al. 2018 (arXiv 1805.00932) sampled
    hashtags; Cui et al. 2019 (arXiv 1901.05555) call these smoothed weights. With the inverse
    frequencies themselves, the few rows of the rarest label would weigh as much as all those of the
    most common one.

    - Classes: :math:`w_c \propto 1 / \sqrt{n_c}` for :math:`n_c` rows of class c, scaled so that
      the mean weight of the training rows is 1 and the learning rate keeps its meaning. A class
      without a row counts as if it had one.
    - Multi-hot: :math:`w_l = \min(10, \sqrt{(N - n_l + ½) / (n_l + ½)})`, which multiplies the loss
      where the label is given (``pos_weight`` of PyTorch's ``BCEWithLogitsLoss``, whose manual
      suggests the ratio itself).

    Args:
        targets: class numbers of shape (rows,), or 0 and 1 of shape (rows, labels).
        labels: how many labels there are.

    Returns:
        Shape (labels,).
    """
    if targets.ndim == 1:
        weights = 1 / np.sqrt(np.bincount(targets, minlength=labels).clip(min=1))
        return np.asarray(weights / weights[targets].mean(), np.float32)
    given = targets.sum(axis=0) + 0.5
    odds = (len(targets) + 1 - given) / given
    return np.asarray(np.minimum(np.sqrt(odds), POS_WEIGHT_LIMIT), np.float32)


def focal_loss(logits: Tensor, classes: Tensor, gamma: float) -> Tensor:
    r"""Focal loss of each row of single-label data.

    .. math:: -(1 - p)^\gamma \log p

    with p the softmax at the row's class. Source: Lin et al. 2017 (arXiv 1708.02002), eq. 4, over
    classes; with gamma 0 it is cross-entropy.

    Args:
        logits: shape (batch, labels).
        classes: class numbers of shape (batch,); a row of class ``UNLABELLED`` costs 0.

    Returns:
        Shape (batch,), in nats.
    """
    logs = F.log_softmax(logits, dim=-1)
    terms = (-torch.expm1(logs)).clamp(min=_SMALLEST) ** gamma * logs
    return F.nll_loss(terms, classes, reduction="none", ignore_index=UNLABELLED)


def binary_focal_loss(logits: Tensor, targets: Tensor, gamma: float) -> Tensor:
    r"""Focal loss of each row of multi-label data, the mean over its labels.

    .. math:: -y (1 - p)^\gamma \log p - (1 - y) p^\gamma \log(1 - p)

    with p the sigmoid. Source: Lin et al. 2017 (arXiv 1708.02002), eq. 4; with gamma 0 it is
    binary cross-entropy.

    Args:
        logits: shape (batch, labels).
        targets: 0 and 1, shape (batch, labels).

    Returns:
        Shape (batch,), in nats.
    """
    p = logits.sigmoid()
    present = (1 - p).clamp(min=_SMALLEST) ** gamma * F.logsigmoid(logits)
    absent = p.clamp(min=_SMALLEST) ** gamma * F.logsigmoid(-logits)
    return -(targets * present + (1 - targets) * absent).mean(dim=-1)


@dataclass(frozen=True)
class LabelTerm:
    """The label loss that an arm trains with; rows without a label do not count in it.

    Attributes:
        kind: ``plain`` (binary) cross-entropy, ``weighted`` or ``focal``.
        focal_gamma: of ``focal``.
        weights: of ``weighted``, one a label: see :func:`label_weights`.
    """

    kind: Kind = "plain"
    focal_gamma: float = 2.0
    weights: tuple[float, ...] | None = None

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean over the rows that have a label, 0 if none has; shapes as in the losses.

        ``weighted`` divides by the number of these rows. Divided by the sum of their weights, a
        rare class alone in its batch would count no more than any other.
        """
        labelled = has_label(targets)
        rows = self._classes if targets.dim() == 1 else self._multi_hot
        return (rows(logits, targets) * labelled).sum() / labelled.sum().clamp(min=1)

    def _classes(self, logits: Tensor, classes: Tensor) -> Tensor:
        if self.kind == "focal":
            return focal_loss(logits, classes, self.focal_gamma)
        weights = self._weights(logits)
        return F.cross_entropy(
            logits, classes, weight=weights, reduction="none", ignore_index=UNLABELLED
        )

    def _multi_hot(self, logits: Tensor, targets: Tensor) -> Tensor:
        # rows without a label are left out later; until then their loss must be finite
        targets = targets.clamp(min=0)
        if self.kind == "focal":
            return binary_focal_loss(logits, targets, self.focal_gamma)
        losses = F.binary_cross_entropy_with_logits(
            logits, targets, pos_weight=self._weights(logits), reduction="none"
        )
        return losses.mean(dim=-1)

    def _weights(self, logits: Tensor) -> Tensor | None:
        if self.kind != "weighted":
            return None
        assert self.weights is not None
        return torch.tensor(self.weights, dtype=logits.dtype, device=logits.device)
