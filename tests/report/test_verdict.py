"""The verdict: who wins, by what right, and what the test texts cannot show."""

from __future__ import annotations

import math

import pytest

from distillora.evaluation.results import ArmResult, Results
from distillora.report.verdict import judge, noise_half_width


def change(results: Results, **arms: dict[str, float]) -> Results:
    """Set figures of single arms: validation, test (weighted F1), latency_ms, model_bytes."""
    changed = [changed_arm(arm, arms.get(arm.name, {})) for arm in results.arms]
    return results.model_copy(update={"arms": tuple(changed)})


def changed_arm(arm: ArmResult, figures: dict[str, float]) -> ArmResult:
    splits = {
        split: getattr(arm.metrics, split).model_copy(update={"f1_weighted": figures[split]})
        for split in ("validation", "test")
        if split in figures
    }
    costs = {key: figures[key] for key in ("latency_ms", "model_bytes") if key in figures}
    return arm.model_copy(
        update={
            "metrics": arm.metrics.model_copy(update=splits),
            "cost": arm.cost.model_copy(update=costs),
        }
    )


def test_the_best_arm_is_chosen_on_validation_and_described_by_test(make_run):
    _, results = make_run(arms=("odd", "even"))
    results = change(
        results,
        odd={"validation": 0.60, "test": 0.51},
        even={"validation": 0.59, "test": 0.58},
    )
    verdict = judge(results)
    assert verdict.best.name == "odd"
    assert "‘odd’, chosen by its weighted F1 on validation (0.6000)" in verdict.text
    assert "weighted F1 of 0.5100" in verdict.text


def test_the_cheapest_arm_is_the_fastest_and_the_price_is_stated(make_run):
    _, results = make_run(arms=("odd", "tiny"))
    results = change(
        results,
        odd={"test": 0.58, "latency_ms": 12.0, "model_bytes": 240e6},
        tiny={"test": 0.50, "latency_ms": 3.0, "model_bytes": 60e6},
    )
    verdict = judge(results)
    assert (verdict.best.name, verdict.cheapest.name) == ("odd", "tiny")
    assert "4.0 times as fast and 4.0 times smaller than ‘odd’" in verdict.text
    assert "8.0 points less weighted F1" in verdict.text
    assert [card.value for card in verdict.cards[:2]] == ["odd", "tiny"]


def test_of_equally_fast_arms_the_smaller_one_is_the_cheapest(make_run):
    _, results = make_run(arms=("odd", "even"))
    results = change(
        results,
        odd={"latency_ms": 10.0, "model_bytes": 200e6},
        even={"latency_ms": 10.3, "model_bytes": 100e6, "validation": 0.1},
    )
    assert judge(results).cheapest.name == "even"
    assert "about as fast and 2.0 times smaller" in judge(results).text


def test_of_equally_costly_arms_the_better_one_is_both(default_run):
    _, results = default_run
    verdict = judge(results)
    assert verdict.best is verdict.cheapest
    assert verdict.best.name == "even"
    assert "No arm is clearly cheaper" in verdict.text


def test_a_difference_that_the_test_texts_cannot_show_is_called_so(default_run):
    _, results = default_run
    results = change(
        results,
        lora={"validation": 0.40, "test": 0.40},
        odd={"validation": 0.56, "test": 0.56},
        even={"validation": 0.57, "test": 0.57},
    )
    text = judge(results).text
    assert "‘odd’ is that near to ‘even’: this run does not show which is better" in text
    assert "‘lora’ is that near" not in text
    clear = change(results, odd={"validation": 0.45, "test": 0.45})
    assert "every other arm is farther from ‘even’ than that" in judge(clear).text


def test_a_teacher_does_not_compete_with_its_students(make_run):
    _, results = make_run(arms=("teacher", "odd", "even"), teacher="teacher")
    verdict = judge(results)
    assert verdict.best.name == "even"
    assert "Its teacher, ‘teacher’, reaches" in verdict.text
    assert "438 MB" in verdict.text


def test_an_arm_alone_is_not_praised(make_run):
    _, results = make_run(arms=("odd",))
    verdict = judge(results)
    assert "nothing to compare it with" in verdict.text
    assert "Best quality" not in verdict.text
    assert verdict.cards[0].label == "The only arm"


def test_multi_label_arms_are_chosen_by_average_precision(make_run):
    _, results = make_run(arms=("odd", "even"), task="multi_label")
    verdict = judge(results)
    test = verdict.best.first.metrics.test
    assert verdict.best.name == "even"
    assert "chosen by its average precision on validation" in verdict.text
    assert f"average precision of {test.average_precision:.4f}" in verdict.text
    assert f"macro F1 of {test.tuned.f1_macro:.4f} at tuned thresholds" in verdict.text


def test_several_seeds_are_judged_by_their_mean(make_run):
    _, results = make_run(arms=("odd", "even"), seeds=(0, 1, 2))
    verdict = judge(results)
    assert len(verdict.best.runs) == 3
    assert "means over 3 seeds" in verdict.text
    mean = sum(run.metrics.test.f1_weighted for run in verdict.best.runs) / 3
    assert f"weighted F1 of {mean:.4f}" in verdict.text


def test_the_noise_is_the_half_width_of_a_difference_of_two_shares():
    assert noise_half_width(0.5, 5427) == pytest.approx(1.96 * math.sqrt(0.5 / 5427))
    assert noise_half_width(0.57, 5427) == pytest.approx(0.0186, abs=1e-4)
