"""The greedy search for layers, against a search of every choice where the two must agree."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from distillora.models.layer_search import search_layers


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_where_each_layer_has_a_worth_of_its_own_the_best_choice_is_found(count: int) -> None:
    worth = np.random.default_rng(count).random(6)

    def loss_of(layers: tuple[int, ...]) -> float:
        return float(-worth[list(layers)].sum())

    found = search_layers(6, count, loss_of)
    assert found.layers == min(combinations(range(6), count), key=loss_of)


def test_every_choice_is_measured_once_and_told() -> None:
    measured: list[tuple[int, ...]] = []

    def loss_of(layers: tuple[int, ...]) -> float:
        measured.append(layers)
        return float(sum(layers))

    found = search_layers(4, 2, loss_of)
    assert found.layers == (0, 1)
    assert [layers for layers, _ in found.tried] == measured
    assert len(measured) == len(set(measured)) == 4 + 3
    assert dict(found.tried)[0, 1, 2] == 3.0


def test_keeping_all_needs_no_search() -> None:
    assert search_layers(3, 3, lambda layers: 0.0).layers == (0, 1, 2)
