"""Searching the layers that an arm keeps, by its loss on validation."""

from __future__ import annotations

import time

import torch

from distillora.data.tokens import TokenizedSplit
from distillora.evaluation.results import LayerSearchRecord, TriedLayers
from distillora.models.forward import predict_logits
from distillora.models.layer_search import search_layers
from distillora.models.layers import keep_layers
from distillora.pipeline.plan import ArmPlan
from distillora.runtime import device
from distillora.training.objectives import label_loss


def find_best_layers(
    plan: ArmPlan,
    model: torch.nn.Module,
    validation: TokenizedSplit,
    targets: torch.Tensor,
    pad_token_id: int,
) -> tuple[tuple[int, ...], LayerSearchRecord]:
    """Search the layers of a tuned model by its loss on validation, and return them with the cost.

    Args:
        targets: class numbers (rows,), or 0 and 1 of shape (rows, labels).
    """

    def loss_of(layers: tuple[int, ...]) -> float:
        student = keep_layers(model, layers).to(device())
        logits = torch.from_numpy(predict_logits(student, validation, pad_token_id))
        return float(label_loss(logits, targets))

    start = time.perf_counter()
    found = search_layers(plan.available, plan.depth, loss_of)
    record = LayerSearchRecord(
        tried=tuple(TriedLayers(layers=layers, loss=loss) for layers, loss in found.tried),
        seconds=time.perf_counter() - start,
    )
    return found.layers, record
