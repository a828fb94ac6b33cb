"""Tiny models with adapters, trained for a few steps by plain PyTorch."""

from __future__ import annotations

from typing import Any

import torch

from distillora.recipe import LoraTuning
from tiny import tiny_batch

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "rslora": {"rslora": True},
    "dora": {"dora": True},
    "attention": {"targets": "attention"},
    "all": {"targets": "all"},
    "everything": {"rslora": True, "dora": True, "targets": "all"},
}


def lora(**settings: Any) -> LoraTuning:
    """Return LoRA of rank 4 and alpha 8, without dropout, changed as told."""
    values = {"method": "lora", "rank": 4, "alpha": 8, "dropout": 0.0, "targets": "auto"}
    return LoraTuning.model_validate({**values, **settings})


def logits(model: Any) -> torch.Tensor:
    """Return what a model says to a few texts."""
    with torch.inference_mode():
        return model.eval()(**tiny_batch()).logits


def take_steps(model: Any, steps: int = 3, rate: float = 0.02) -> Any:
    """Train what is trainable."""
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        model(**tiny_batch(), labels=torch.tensor([0, 1, 2])).loss.backward()
        optimizer.step()
    return model.eval()
