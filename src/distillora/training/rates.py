"""Learning rates of their own for some of the weights.

The factors B of LoRA+ (Hayou et al. 2024, arXiv 2402.12354) learn faster than A, and a new, random
head may learn faster than the pretrained encoder below it.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.optim import Optimizer


def set_rate(optimizer: Optimizer, weights: Iterable[nn.Parameter], rate: float) -> None:
    """Move weights of an optimizer into groups of their own, with the learning rate ``rate``.

    To be called before a schedule is made for the optimizer.
    """
    wanted = {id(weight) for weight in weights}
    for group in list(optimizer.param_groups):
        moved = [weight for weight in group["params"] if id(weight) in wanted]
        if moved:
            group["params"] = [weight for weight in group["params"] if id(weight) not in wanted]
            optimizer.add_param_group({**group, "params": moved, "lr": rate})


def factors_b(model: nn.Module) -> list[nn.Parameter]:
    """Return the factors B of every adapter.

    PEFT's own helper is not used: it raises the rate of every one-dimensional parameter too, and
    so of the head's biases.
    """
    return [weight for name, weight in model.named_parameters() if ".lora_B." in name]
