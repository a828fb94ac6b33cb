"""The choice between exact, smoothed and shrunk thresholds, on data whose best choice is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import f1_score

from distillora.evaluation.threshold_choice import (
    THRESHOLD_METHODS,
    choose_thresholds,
    score_methods,
)
from distillora.evaluation.thresholds import tune_thresholds


def shifted(
    seed: int, rows: int, share: float, shifts: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return probabilities whose best threshold in log-odds is off by a shift for each label."""
    random = np.random.default_rng(seed)
    truth = random.random((rows, len(shifts))) < share
    logits = random.normal(size=truth.shape) + 3 * truth - 3 + shifts
    return 1 / (1 + np.exp(-logits)), truth


ALIKE = np.zeros(10)
APART = np.linspace(-6, 6, 10)


@pytest.mark.parametrize("seed", range(5))
def test_labels_that_are_rare_and_alike_share_their_thresholds(seed: int) -> None:
    assert choose_thresholds(*shifted(seed, 400, 0.03, ALIKE)).method == "shrunk"


@pytest.mark.parametrize("seed", range(5))
def test_labels_that_need_thresholds_far_apart_keep_their_own(seed: int) -> None:
    assert choose_thresholds(*shifted(seed, 1500, 0.03, APART)).method != "shrunk"


def test_thresholds_are_those_of_the_chosen_method_on_all_rows() -> None:
    for shifts in (ALIKE, APART):
        scores, truth = shifted(0, 600, 0.05, shifts)
        chosen = choose_thresholds(scores, truth)
        expected = tune_thresholds(scores, truth, **THRESHOLD_METHODS[chosen.method])
        assert np.array_equal(chosen.thresholds, expected)


def test_the_choice_is_the_same_each_time_whatever_else_draws_numbers() -> None:
    scores, truth = shifted(3, 300, 0.05, ALIKE)
    first = choose_thresholds(scores, truth)
    np.random.default_rng().random(10)
    np.random.seed(1)
    again = choose_thresholds(scores, truth)
    assert first.method == again.method and np.array_equal(first.thresholds, again.thresholds)


@pytest.mark.parametrize(("share", "shifts"), [(0.03, ALIKE), (0.03, APART), (0.2, APART)])
def test_on_new_rows_the_choice_does_about_as_well_as_the_best_method(
    share: float, shifts: npt.NDArray[np.float64]
) -> None:
    scores, truth = shifted(100, 20_000, share, shifts)
    macro: dict[str, list[float]] = {name: [] for name in ("chosen", *THRESHOLD_METHODS)}
    for seed in range(4):
        seen = shifted(seed, 500, share, shifts)
        cuts = {
            name: tune_thresholds(*seen, **THRESHOLD_METHODS[name]) for name in THRESHOLD_METHODS
        }
        for name, own in {**cuts, "chosen": choose_thresholds(*seen).thresholds}.items():
            macro[name].append(f1_score(truth, scores >= own, average="macro"))
    means = {name: np.mean(values) for name, values in macro.items()}
    assert means["chosen"] > max(means[name] for name in THRESHOLD_METHODS) - 0.01


@pytest.mark.parametrize("rows", [1, 4])
def test_with_too_few_rows_to_cross_validate_thresholds_are_shrunk(rows: int) -> None:
    chosen = choose_thresholds(np.full((rows, 2), 0.4), np.eye(4, 2)[:rows])
    assert chosen.method == "shrunk" and chosen.thresholds.shape == (2,)


def test_rows_without_any_label_are_dealt_and_decided_on_like_others() -> None:
    scores, truth = shifted(0, 200, 0.03, ALIKE)
    assert not truth.any(axis=1).all()
    assert choose_thresholds(scores, truth).thresholds.shape == (10,)


def test_the_choice_refuses_what_tuning_refuses() -> None:
    with pytest.raises(ValueError, match="shape"):
        choose_thresholds(np.zeros((6, 3)), np.zeros((7, 3)))
    with pytest.raises(ValueError, match="at least one row"):
        choose_thresholds(np.zeros((0, 3)), np.zeros((0, 3)))
    with pytest.raises(ValueError, match="sigmoid"):
        choose_thresholds(np.full((6, 3), 1.5), np.zeros((6, 3)))


def test_scores_say_how_far_each_method_is_behind_the_best() -> None:
    scored = score_methods(*shifted(0, 600, 0.03, APART))
    best = max(own.macro_f1 for own in scored.values())
    assert list(scored) == list(THRESHOLD_METHODS)
    for own in scored.values():
        assert own.behind == pytest.approx(best - own.macro_f1)
        assert (own.error == 0) == (own.behind == 0)
    assert scored["shrunk"].behind > 10 * scored["shrunk"].error


def test_scores_are_those_that_new_rows_give_to_four_fifths_of_the_rows() -> None:
    new, new_truth = shifted(100, 20_000, 0.1, APART)
    held_out = [score_methods(*shifted(seed, 400, 0.1, APART)) for seed in range(8)]
    for name, settings in THRESHOLD_METHODS.items():
        fresh = []
        for seed in range(8):
            cuts = tune_thresholds(*shifted(seed, 320, 0.1, APART), **settings)
            fresh.append(f1_score(new_truth, new >= cuts, average="macro"))
        told = [scored[name].macro_f1 for scored in held_out]
        assert np.mean(told) == pytest.approx(np.mean(fresh), abs=0.015)


def test_too_few_rows_for_the_folds_are_refused() -> None:
    with pytest.raises(ValueError, match="too few for 5 folds"):
        score_methods(np.full((4, 2), 0.4), np.eye(4, 2))


def test_labels_that_no_row_has_play_no_part() -> None:
    scores, truth = shifted(0, 300, 0.05, ALIKE)
    more = np.hstack([scores, np.full((300, 4), 0.9)])
    scored = score_methods(more, np.hstack([truth, np.zeros((300, 4), np.bool_)]))
    for name, own in score_methods(scores, truth).items():
        # the common threshold alone can feel them
        if name != "shrunk":
            assert scored[name].macro_f1 == own.macro_f1
    assert choose_thresholds(scores, np.zeros_like(truth)).method == "shrunk"
