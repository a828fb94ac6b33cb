"""Each term of the loss against its formula in NumPy and SciPy."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax, softmax
from scipy.stats import entropy

from distillora.training.objectives import (
    TrainingLoss,
    hidden_cosine,
    label_bias,
    label_loss,
    logits_mse,
    sigmoid_kl,
    softened_kl,
)

Divergence = Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]

ROWS, LABELS, WIDTH = 6, 5, 8


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def student() -> torch.Tensor:
    return normal(ROWS, LABELS, seed=0).requires_grad_()


@pytest.fixture
def teacher() -> torch.Tensor:
    return 2 * normal(ROWS, LABELS, seed=1)


CLASSES = torch.tensor([0, 4, 2, 2, 1, 3])
MULTI_HOT = torch.tensor([[1, 0, 0, 1, 0]] * 3 + [[0, 0, 1, 0, 0]] * 3, dtype=torch.float64)


def test_class_numbers_give_the_mean_cross_entropy(student: torch.Tensor) -> None:
    logs = log_softmax(student.detach().numpy(), axis=1)
    expected = -logs[np.arange(ROWS), CLASSES.numpy()].mean()
    assert label_loss(student, CLASSES).item() == pytest.approx(expected)


def test_multi_hot_rows_give_the_mean_binary_cross_entropy(student: torch.Tensor) -> None:
    p, y = expit(student.detach().numpy()), MULTI_HOT.numpy()
    expected = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
    assert label_loss(student, MULTI_HOT).item() == pytest.approx(expected)


def test_logits_of_zero_cost_the_logarithm_of_the_number_of_labels() -> None:
    zeros = torch.zeros(ROWS, 28)
    assert label_loss(zeros, CLASSES).item() == pytest.approx(math.log(28))
    assert label_loss(zeros, torch.zeros(ROWS, 28)).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 8.0])
def test_softened_kl_is_t_squared_times_scipys_kl_from_the_teacher(
    student: torch.Tensor, teacher: torch.Tensor, temperature: float
) -> None:
    p = softmax(teacher.numpy() / temperature, axis=1)
    q = softmax(student.detach().numpy() / temperature, axis=1)
    expected = temperature**2 * entropy(p, q, axis=1).mean()
    assert softened_kl(student, teacher, temperature).item() == pytest.approx(expected)


def test_the_gradient_of_softened_kl_is_hintons(
    student: torch.Tensor, teacher: torch.Tensor
) -> None:
    temperature = 3.0
    softened_kl(student, teacher, temperature).backward()
    # Hinton et al. 2015, eq. 2, times T^2, over the batch: T (q - p) / rows
    q = softmax(student.detach().numpy() / temperature, axis=1)
    p = softmax(teacher.numpy() / temperature, axis=1)
    np.testing.assert_allclose(student.grad.numpy(), temperature * (q - p) / ROWS, atol=1e-12)


@pytest.mark.parametrize("divergence", [softened_kl, sigmoid_kl])
def test_the_gradient_keeps_its_size_when_the_temperature_changes(
    divergence: Divergence, student: torch.Tensor, teacher: torch.Tensor
) -> None:
    sizes = {}
    for temperature in (5.0, 10.0, 100.0):
        (gradient,) = torch.autograd.grad(divergence(student, teacher, temperature), student)
        sizes[temperature] = gradient.norm().item()
    assert sizes[10.0] == pytest.approx(sizes[5.0], rel=0.2)
    assert sizes[100.0] == pytest.approx(sizes[10.0], rel=0.2)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_sigmoid_kl_is_t_squared_times_the_mean_kl_of_each_label(
    student: torch.Tensor, teacher: torch.Tensor, temperature: float
) -> None:
    p = expit(teacher.numpy() / temperature)
    q = expit(student.detach().numpy() / temperature)
    of_each = entropy(np.stack([p, 1 - p]), np.stack([q, 1 - q]), axis=0)
    expected = temperature**2 * of_each.mean()
    assert sigmoid_kl(student, teacher, temperature).item() == pytest.approx(expected)


@pytest.mark.parametrize("divergence", [softened_kl, sigmoid_kl])
def test_a_divergence_is_zero_from_itself_and_positive_from_others(
    divergence: Divergence, student: torch.Tensor, teacher: torch.Tensor
) -> None:
    same = divergence(student, student.detach(), 2.0)
    same.backward()
    assert same.item() == pytest.approx(0, abs=1e-12)
    assert student.grad.abs().max() < 1e-12
    assert divergence(student, teacher, 2.0).item() > 0


@pytest.mark.parametrize("divergence", [softened_kl, sigmoid_kl])
def test_logits_of_a_thousand_stay_finite(divergence: Divergence) -> None:
    student = torch.tensor([[1000.0, -1000.0]], requires_grad=True)
    loss = divergence(student, torch.tensor([[-1000.0, 1000.0]]), 1.0)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(student.grad).all()


def test_softened_kl_ignores_what_all_logits_share(
    student: torch.Tensor, teacher: torch.Tensor
) -> None:
    shifted = softened_kl(student + 7, teacher - 3, 2.0)
    assert shifted.item() == pytest.approx(softened_kl(student, teacher, 2.0).item())


def test_logits_mse_is_the_mean_of_squares(student: torch.Tensor, teacher: torch.Tensor) -> None:
    expected = ((student.detach().numpy() - teacher.numpy()) ** 2).mean()
    assert logits_mse(student, teacher).item() == pytest.approx(expected)


def hidden_pair() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    return normal(2, 4, WIDTH, seed=2), normal(2, 4, WIDTH, seed=3), mask


def test_hidden_cosine_averages_over_the_tokens_that_are_not_padding() -> None:
    a, b, mask = hidden_pair()
    distances = [
        1 - (x @ y) / (np.linalg.norm(x) * np.linalg.norm(y))
        for x, y in zip(a[mask == 1].numpy(), b[mask == 1].numpy(), strict=True)
    ]
    assert len(distances) == 6
    assert hidden_cosine(a, b, mask).item() == pytest.approx(np.mean(distances))


def test_padding_and_length_of_vectors_do_not_count_in_hidden_cosine() -> None:
    a, b, mask = hidden_pair()
    expected = hidden_cosine(a, b, mask)
    changed = a.clone()
    changed[1, 2:] = 99.0
    assert torch.equal(hidden_cosine(changed, b, mask), expected)
    assert hidden_cosine(5 * a, b, mask).item() == pytest.approx(expected.item())
    assert hidden_cosine(a, a, mask).item() == pytest.approx(0, abs=1e-12)
    assert hidden_cosine(a, -a, mask).item() == pytest.approx(2)


@pytest.mark.parametrize("targets", [CLASSES, MULTI_HOT], ids=["classes", "multi-hot"])
def test_an_objective_is_the_weighted_sum_of_its_terms(
    targets: torch.Tensor, student: torch.Tensor, teacher: torch.Tensor
) -> None:
    ours, theirs = normal(ROWS, 4, WIDTH, seed=4), normal(ROWS, 4, WIDTH, seed=5)
    mask = torch.ones(ROWS, 4)
    objective = TrainingLoss(
        labels=0.5, distillation=2.0, logits_mse=0.1, hidden_cosine=3.0, temperature=4.0
    )
    divergence = softened_kl if targets.dim() == 1 else sigmoid_kl
    expected = (
        0.5 * label_loss(student.float(), targets)
        + 2.0 * divergence(student.float(), teacher, 4.0)
        + 0.1 * logits_mse(student.float(), teacher)
        + 3.0 * hidden_cosine(ours, theirs, mask)
    )
    total = objective(student, targets, teacher, ours, theirs, mask)
    assert total.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("term", ["labels", "distillation", "logits_mse"])
def test_a_term_alone_is_its_weight_times_the_term(
    term: str, student: torch.Tensor, teacher: torch.Tensor
) -> None:
    expected = {
        "labels": label_loss(student, CLASSES),
        "distillation": softened_kl(student, teacher, 2.0),
        "logits_mse": logits_mse(student, teacher),
    }[term]
    objective = TrainingLoss(**{"labels": 0.0, term: 0.3})
    assert objective(student, CLASSES, teacher).item() == pytest.approx(0.3 * expected.item())


def test_a_term_of_weight_zero_is_not_computed(student: torch.Tensor) -> None:
    broken = torch.full_like(student, torch.nan)
    assert torch.isfinite(TrainingLoss()(student, CLASSES, broken, broken, broken, broken))


def test_without_distillation_no_teacher_is_needed(student: torch.Tensor) -> None:
    objective = TrainingLoss()
    assert not objective.uses_teacher
    assert objective(student, CLASSES).item() == pytest.approx(
        label_loss(student, CLASSES).item(), rel=1e-6
    )


def test_bfloat16_logits_give_a_loss_in_float32(teacher: torch.Tensor) -> None:
    loss = TrainingLoss(distillation=1.0)(teacher.bfloat16(), CLASSES, teacher.float())
    assert loss.dtype == torch.float32


def test_gradients_are_those_of_finite_differences(teacher: torch.Tensor) -> None:
    logits = normal(ROWS, LABELS, seed=6).requires_grad_()

    def total(s: torch.Tensor) -> torch.Tensor:
        return (
            label_loss(s, CLASSES)
            + softened_kl(s, teacher, 3.0)
            + sigmoid_kl(s, teacher, 3.0)
            + logits_mse(s, teacher)
        )

    assert torch.autograd.gradcheck(total, (logits,))


def test_the_bias_alone_predicts_how_often_each_label_occurs() -> None:
    random = np.random.default_rng(0)
    multi_hot = (random.random((4000, 3)) < [0.5, 0.1, 0.01]).astype(np.float32)
    np.testing.assert_allclose(expit(label_bias(multi_hot, 3)), multi_hot.mean(0), atol=2e-4)
    classes = random.choice(4, p=[0.6, 0.3, 0.1, 0.0], size=4000)
    shares = np.bincount(classes, minlength=4) / 4000
    np.testing.assert_allclose(softmax(label_bias(classes, 4)), shares, atol=3e-4)


def test_a_label_that_no_row_or_every_row_has_keeps_a_finite_bias() -> None:
    bias = label_bias(np.array([[0, 1], [0, 1]], dtype=np.float32), 2)
    assert bias == pytest.approx([math.log(0.5 / 2.5), math.log(2.5 / 0.5)])
