"""Searching which layers of a tuned model to keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class LayerSearch:
    """What a search found.

    Attributes:
        layers: the indices that are left.
        tried: every choice that was measured, with its loss, in order.
    """

    layers: tuple[int, ...]
    tried: tuple[tuple[tuple[int, ...], float], ...]


def search_layers(
    n_layers: int, count: int, loss_of: Callable[[tuple[int, ...]], float]
) -> LayerSearch:
    """Drop one layer after the other, each time the one without which the loss is least.

    Greedy layer pruning (Peer et al. 2022, arXiv 2105.14839), with the validation loss of the
    model as it stands in the place of that of a model tuned anew: nothing is trained, and
    ``n_layers + (n_layers - 1) + ... + (count + 1)`` choices are measured. Of equally good ones
    the lowest layer is dropped.

    Args:
        n_layers: how many layers there are.
        count: how many to keep, at least 1.
        loss_of: layer indices -> the loss of a model of these layers.
    """
    kept = tuple(range(n_layers))
    tried: list[tuple[tuple[int, ...], float]] = []
    while len(kept) > count:
        choices = [tuple(layer for layer in kept if layer != dropped) for dropped in kept]
        losses = [loss_of(choice) for choice in choices]
        tried += zip(choices, losses, strict=True)
        kept = choices[losses.index(min(losses))]
    return LayerSearch(kept, tuple(tried))
