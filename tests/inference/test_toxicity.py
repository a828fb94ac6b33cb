"""Toxicity as probability mass, against the rules of probability."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from distillora.errors import InputError
from distillora.probabilities import softmax
from distillora.signals.toxicity import HOSTILE_EMOTIONS, ToxicityRule, measure_toxicity


def test_single_label_mass_is_the_sum() -> None:
    rows = softmax(np.random.default_rng(0).normal(size=(20, 6)))
    found = measure_toxicity(rows, [1, 4], "single_label")
    np.testing.assert_allclose(found, rows[:, 1] + rows[:, 4])
    assert measure_toxicity(rows, range(6), "single_label") == pytest.approx(np.ones(20))


def test_multi_label_mass_is_the_chance_of_at_least_one() -> None:
    p = np.array([0.2, 0.5, 0.7])
    # every combination of the three labels, each with its probability
    total = 0.0
    for present in itertools.product([0, 1], repeat=3):
        if any(present):
            total += np.prod([q if here else 1 - q for q, here in zip(p, present, strict=True)])
    assert measure_toxicity(p[None], [0, 1, 2], "multi_label")[0] == pytest.approx(total)


def test_sadness_is_left_out_unless_asked_for() -> None:
    assert "sadness" not in HOSTILE_EMOTIONS
    assert ToxicityRule().emotions == HOSTILE_EMOTIONS


def test_a_label_named_twice_counts_once() -> None:
    rule = ToxicityRule(emotions=("anger", "anger"))
    assert rule.columns(("joy", "anger")) == [1]


def test_no_emotions_are_refused() -> None:
    with pytest.raises(InputError, match="at least one emotion"):
        ToxicityRule(emotions=()).columns(("joy",))
