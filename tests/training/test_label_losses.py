"""The label losses against PyTorch's own, closed forms and small examples worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import expit, softmax
from torch import Tensor

from distillora.training.label_losses import (
    UNLABELLED,
    LabelTerm,
    binary_focal_loss,
    focal_loss,
    has_label,
    label_weights,
    unlabelled_targets,
)
from distillora.training.objectives import TrainingLoss, label_loss, softened_kl

ROWS, LABELS = 6, 5
CLASSES = torch.tensor([0, 4, 2, 2, 1, 3])
MULTI_HOT = torch.tensor([[1, 0, 0, 1, 0]] * 3 + [[0, 0, 1, 0, 0]] * 3, dtype=torch.float64)
WEIGHTS = (0.5, 1.0, 2.0, 0.25, 3.0)

BOTH = pytest.mark.parametrize("targets", [CLASSES, MULTI_HOT], ids=["classes", "multi-hot"])
TERMS = [
    pytest.param(CLASSES, {}, id="plain-classes"),
    pytest.param(CLASSES, {"kind": "weighted", "weights": WEIGHTS}, id="weighted-classes"),
    pytest.param(CLASSES, {"kind": "focal"}, id="focal-classes"),
    pytest.param(CLASSES, {"kind": "focal", "focal_gamma": 0.5}, id="small-gamma-classes"),
    pytest.param(MULTI_HOT, {}, id="plain"),
    pytest.param(MULTI_HOT, {"kind": "weighted", "weights": WEIGHTS}, id="weighted"),
    pytest.param(MULTI_HOT, {"kind": "focal"}, id="focal"),
    pytest.param(MULTI_HOT, {"kind": "focal", "focal_gamma": 0.5}, id="small-gamma"),
]


@pytest.fixture
def logits() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    rows = 2 * torch.randn(ROWS, LABELS, generator=generator, dtype=torch.float64)
    return rows.requires_grad_()


@BOTH
def test_a_plain_term_is_the_label_loss_to_the_last_digits(targets: Tensor, logits: Tensor) -> None:
    assert LabelTerm()(logits, targets).item() == pytest.approx(label_loss(logits, targets).item())


def test_focal_loss_without_gamma_is_cross_entropy(logits: Tensor) -> None:
    expected = F.cross_entropy(logits, CLASSES, reduction="none")
    assert torch.allclose(focal_loss(logits, CLASSES, 0.0), expected)


def test_focal_loss_scales_each_row_by_how_wrong_it_is(logits: Tensor) -> None:
    p = softmax(logits.detach().numpy(), axis=1)[np.arange(ROWS), CLASSES.numpy()]
    expected = -((1 - p) ** 2.0) * np.log(p)
    np.testing.assert_allclose(focal_loss(logits, CLASSES, 2.0).detach(), expected)


def test_focal_loss_of_two_equal_logits_by_hand() -> None:
    # p = 1/2: (1 - 1/2)^3 x log 2
    loss = focal_loss(torch.zeros(1, 2), torch.tensor([1]), 3.0)
    assert loss.item() == pytest.approx(math.log(2) / 8)


def test_the_binary_focal_loss_without_gamma_is_binary_cross_entropy(logits: Tensor) -> None:
    expected = F.binary_cross_entropy_with_logits(logits, MULTI_HOT, reduction="none").mean(1)
    assert torch.allclose(binary_focal_loss(logits, MULTI_HOT, 0.0), expected)


def test_the_binary_focal_loss_of_an_even_chance_by_hand() -> None:
    # p = 1/2, whether the label is there or not: (1/2)^3 x log 2
    for target in (0.0, 1.0):
        loss = binary_focal_loss(torch.zeros(1, 1), torch.full((1, 1), target), 3.0)
        assert loss.item() == pytest.approx(math.log(2) / 8)


def test_the_focal_loss_of_multi_label_data_is_lins_binary_form(logits: Tensor) -> None:
    p, y = expit(logits.detach().numpy()), MULTI_HOT.numpy()
    p_t = np.where(y == 1, p, 1 - p)
    expected = (-((1 - p_t) ** 2) * np.log(p_t)).mean()
    assert LabelTerm("focal")(logits, MULTI_HOT).item() == pytest.approx(expected)


@BOTH
def test_weights_of_one_and_a_gamma_of_zero_are_the_plain_loss(
    targets: Tensor, logits: Tensor
) -> None:
    plain = label_loss(logits, targets).item()
    ones = LabelTerm("weighted", weights=(1.0,) * LABELS)
    assert ones(logits, targets).item() == pytest.approx(plain)
    assert LabelTerm("focal", focal_gamma=0.0)(logits, targets).item() == pytest.approx(plain)


def test_weighted_rows_count_by_the_weight_of_their_class(logits: Tensor) -> None:
    by_row = F.cross_entropy(logits, CLASSES, reduction="none")
    expected = (torch.tensor(WEIGHTS)[CLASSES] * by_row).mean()
    assert LabelTerm("weighted", weights=WEIGHTS)(logits, CLASSES).item() == pytest.approx(
        expected.item()
    )


def test_weighted_labels_count_more_where_they_are_given(logits: Tensor) -> None:
    expected = F.binary_cross_entropy_with_logits(
        logits, MULTI_HOT, pos_weight=torch.tensor(WEIGHTS, dtype=torch.float64)
    )
    term = LabelTerm("weighted", weights=WEIGHTS)
    assert term(logits, MULTI_HOT).item() == pytest.approx(expected.item())


def test_a_rare_class_alone_in_its_batch_still_counts_more() -> None:
    logits, classes = torch.zeros(1, 2), torch.tensor([1])
    term = LabelTerm("weighted", weights=(0.5, 3.0))
    assert term(logits, classes).item() == pytest.approx(3 * math.log(2))


def test_class_weights_are_inverse_square_roots_whose_mean_over_the_rows_is_one() -> None:
    targets = np.repeat([0, 1, 2], [100, 25, 4])
    weights = label_weights(targets, 3)
    # 1/10 : 1/5 : 1/2, and 100/10 + 25/5 + 4/2 = 17 over 129 rows
    np.testing.assert_allclose(weights, np.array([0.1, 0.2, 0.5]) * 129 / 17, rtol=1e-6)
    assert weights[targets].mean() == pytest.approx(1)


def test_equally_frequent_classes_weigh_one() -> None:
    assert label_weights(np.arange(12) % 4, 4).tolist() == pytest.approx([1.0] * 4)


def test_a_class_without_a_row_has_a_finite_weight() -> None:
    weights = label_weights(np.array([0, 0, 0, 0]), 2)
    assert weights.tolist() == pytest.approx([1.0, 2.0])


def test_positive_weights_are_square_roots_of_the_odds_and_capped() -> None:
    targets = np.zeros((1000, 4), np.float32)
    targets[:500, 0] = targets[:100, 1] = targets[:1, 2] = 1
    expected = [1.0, math.sqrt(900.5 / 100.5), 10.0, 10.0]
    assert label_weights(targets, 4).tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("targets", "settings"), TERMS)
def test_rows_without_a_label_neither_cost_nor_pull(
    targets: Tensor, settings: dict[str, Any], logits: Tensor
) -> None:
    term = LabelTerm(**settings)
    masked = targets.clone()
    masked[[1, 4]] = UNLABELLED
    labelled = [0, 2, 3, 5]
    loss = term(logits, masked)
    assert loss.item() == pytest.approx(term(logits[labelled], targets[labelled]).item())
    (gradient,) = torch.autograd.grad(loss, logits)
    assert not gradient[[1, 4]].any() and gradient[labelled].any(dim=1).all()


@pytest.mark.parametrize(("targets", "settings"), TERMS)
def test_a_batch_without_any_label_costs_zero_and_has_a_gradient_of_zero(
    targets: Tensor, settings: dict[str, Any], logits: Tensor
) -> None:
    loss = LabelTerm(**settings)(logits, torch.full_like(targets, UNLABELLED))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == 0 and not gradient.any()


@pytest.mark.parametrize(("targets", "settings"), TERMS)
@pytest.mark.parametrize("size", [0.0, 20.0, 1000.0])
def test_extreme_logits_have_finite_losses_and_gradients(
    targets: Tensor, settings: dict[str, Any], size: float
) -> None:
    for sign in (1, -1):
        logits = sign * size * (2 * torch.eye(ROWS, LABELS) - 1)
        logits.requires_grad_()
        kind = targets if targets.dim() == 1 else targets.float()
        loss = LabelTerm(**settings)(logits, kind)
        loss.backward()
        assert torch.isfinite(loss) and loss >= 0
        assert logits.grad is not None and torch.isfinite(logits.grad).all()


@pytest.mark.parametrize(("targets", "settings"), TERMS)
def test_gradients_are_those_of_finite_differences(
    targets: Tensor, settings: dict[str, Any], logits: Tensor
) -> None:
    term = LabelTerm(**settings)
    assert torch.autograd.gradcheck(lambda rows: term(rows, targets), (logits,))


@BOTH
def test_targets_without_a_label_are_told_from_labels(targets: Tensor) -> None:
    labelled = targets.numpy()
    none = unlabelled_targets(3, like=labelled)
    assert none.dtype == labelled.dtype and none.shape == (3, *labelled.shape[1:])
    both = torch.from_numpy(np.concatenate([labelled, none]))
    assert has_label(both).tolist() == [True] * ROWS + [False] * 3


def test_in_an_objective_the_teacher_teaches_every_row_and_labels_only_their_own(
    logits: Tensor,
) -> None:
    teacher = logits.detach().roll(1, dims=0)
    masked = CLASSES.clone()
    masked[3:] = UNLABELLED
    loss = TrainingLoss(labels=0.5, distillation=2.0)(logits.float(), masked, teacher.float())
    expected = 0.5 * label_loss(logits[:3], CLASSES[:3]) + 2.0 * softened_kl(logits, teacher, 2.0)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
