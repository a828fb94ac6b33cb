"""A learning rate of its own for some of the weights, such as a new, random head."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.optim import Optimizer


def set_rate(optimizer: Optimizer, weights: Iterable[nn.Parameter], rate: float) -> None:
    """Move weights of an optimizer into groups of their own, with the learning rate ``rate``.

    Call it before a schedule is made for the optimizer.
    """
    wanted = {id(weight) for weight in weights}
    for group in list(optimizer.param_groups):
        moved = [weight for weight in group["params"] if id(weight) in wanted]
        if moved:
            group["params"] = [weight for weight in group["params"] if id(weight) not in wanted]
            optimizer.add_param_group({**group, "params": moved, "lr": rate})
