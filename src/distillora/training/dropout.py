"""Dropout whose mask costs less to draw on a CPU.

torch draws one random number for every element. Here one 64-bit draw decides eight, a byte each.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ByteDropout(nn.Dropout):
    """Dropout with the rate rounded to a multiple of 1/256, so that a byte decides an element.

    What is kept is scaled by the rounded rate, so the expected value is exact. On other devices it
    is plain dropout.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` with elements set to 0 at random while training; same shape."""
        threshold = round(self.p * 256)
        in_a_byte = 0 < threshold < 256
        if not self.training or not in_a_byte or input.device.type != "cpu":
            return super().forward(input)
        n = input.numel()
        words = torch.empty((n + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
        keep = words.view(torch.uint8)[:n].view(input.shape) >= threshold
        return input * keep.to(input.dtype).mul_(256 / (256 - threshold))


def use_byte_dropout(model: nn.Module) -> None:
    """Replace every dropout module of a model; its weights and their names stay as they are."""
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Dropout:
                faster = ByteDropout(child.p)
                faster.train(child.training)
                setattr(parent, name, faster)
