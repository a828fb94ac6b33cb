"""LoRA+ (Hayou et al. 2024, arXiv 2402.12354): B learns faster than A."""

from __future__ import annotations

from torch import nn
from torch.optim import Optimizer


def raise_rate_of_b(optimizer: Optimizer, model: nn.Module, ratio: float) -> None:
    """Move every factor B into a group of its own, with ``ratio`` times the learning rate.

    To be called before a schedule is made for the optimizer. PEFT's own helper is not used: it
    raises the rate of every one-dimensional parameter too, and so of the head's biases.
    """
    factors = {id(w) for name, w in model.named_parameters() if ".lora_B." in name}
    for group in list(optimizer.param_groups):
        raised = [weight for weight in group["params"] if id(weight) in factors]
        if raised:
            group["params"] = [weight for weight in group["params"] if id(weight) not in factors]
            optimizer.add_param_group({**group, "params": raised, "lr": group["lr"] * ratio})
