"""The verdict: who wins, by what right, and what is not shown."""

from __future__ import annotations

from distillora.evaluation.evidence import Difference
from distillora.evaluation.results import ArmResult, Cost, Results
from distillora.report.page import compose
from distillora.report.verdict import judge


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
    assert "a weighted F1 on test that is 8.0 points lower" in verdict.text
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


def test_what_the_contrasts_of_the_best_arm_show_is_told(make_run):
    asked = [("even", "lora"), ("odd", "even"), ("odd", "lora")]
    _, results = make_run(seeds=(0, 1, 2), contrasts=asked)
    verdict = judge(answer(results, (0.06, True), (-0.004, False), (0.056, True)))
    assert (
        "Shown: ‘even’ has a higher weighted F1 than ‘lora’ (+6.0 points, 95% interval +5.0 to "
        "+7.0). No difference is shown between ‘odd’ and ‘even’ in weighted F1 (-0.4 points, 95% "
        "interval -1.4 to +0.6)."
    ) in verdict.text
    assert "than ‘odd’" not in verdict.text  # not about an arm to choose
    assert verdict.cards[-1].label == "Differences shown"
    assert verdict.cards[-1].value == "2 of 3 contrasts"


def answer(results: Results, *answers: tuple[float, bool]) -> Results:
    """Set what the contrasts of a run show: the mean difference, and whether it is shown."""
    contrasts = tuple(
        found.model_copy(
            update={
                "difference": Difference(mean=mean, low=mean - 0.01, high=mean + 0.01, p=0.01),
                "shown": shown,
            }
        )
        for found, (mean, shown) in zip(results.evidence.contrasts, answers, strict=True)
    )
    evidence = results.evidence.model_copy(update={"contrasts": contrasts})
    return results.model_copy(update={"evidence": evidence})


def test_a_difference_is_told_from_the_side_of_the_better_arm(make_run):
    _, results = make_run(seeds=(0, 1, 2), contrasts=[("lora", "even")])
    text = judge(answer(results, (-0.06, True))).text
    assert "‘even’ has a higher weighted F1 than ‘lora’ (+6.0 points, 95% interval +5.0" in text


def test_many_contrasts_without_a_difference_are_told_without_their_intervals(make_run):
    asked = [("even", name) for name in ("lora", "odd", "arm1", "arm2")]
    arms = ("even", "lora", "odd", "arm1", "arm2")
    _, results = make_run(arms=arms, seeds=(0, 1, 2), contrasts=asked, rows=100)
    text = judge(answer(results, *[(0.01, False)] * 4)).text
    assert "and between ‘even’ and ‘arm2’ in weighted F1." in text


def test_pairs_that_no_contrast_names_are_not_called_different(default_run):
    _, results = default_run
    assert results.evidence.difference("even", "lora").p < 0.001
    verdict = judge(results)
    assert "The recipe names no contrasts, so no difference is tested." in verdict.text
    assert "Differences shown" not in [card.label for card in verdict.cards]


def test_with_one_seed_no_difference_is_called_shown(make_run):
    _, results = make_run(contrasts=[("even", "lora")], rows=3000)
    assert results.evidence.contrasts[0].difference.p < 1e-6
    verdict = judge(results)
    assert "cover only the test texts, so no difference is called shown" in verdict.text
    assert verdict.cards[-1].value == "0 of 1 contrast"


def test_contrasts_about_other_arms_are_left_to_the_table(make_run):
    _, results = make_run(seeds=(0, 1, 2), contrasts=[("odd", "lora")], rows=200)
    assert "None of the recipe’s contrasts involves ‘even’." in judge(results).text


def test_a_student_alone_beside_its_teacher_is_told_what_its_contrast_shows(make_run):
    _, results = make_run(
        arms=("teacher", "odd"), seeds=(0, 1, 2), teacher="teacher", contrasts=[("odd", "teacher")]
    )
    assert "between ‘odd’ and ‘teacher’" in judge(answer(results, (-0.01, False))).text


def test_a_run_without_evidence_says_that_chance_was_not_weighed(default_run):
    _, results = default_run
    verdict = judge(results.model_copy(update={"evidence": None}))
    assert "These results have no intervals or tests yet" in verdict.text
    assert "Differences shown" not in [card.label for card in verdict.cards]


def test_a_teacher_does_not_compete_with_its_students(make_run):
    _, results = make_run(arms=("teacher", "odd", "even"), teacher="teacher")
    verdict = judge(results)
    assert verdict.best.name == "even"
    assert "Its teacher, ‘teacher’, has" in verdict.text
    assert "438 MB" in verdict.text


def test_a_teacher_that_is_no_larger_than_another_arm_competes_with_it(make_run):
    _, results = make_run(arms=("teacher", "odd", "even", "other"), teacher="teacher")
    largest = max(arm.cost.model_bytes for arm in results.arms)
    arms = tuple(
        arm.model_copy(update={"cost": arm.cost.model_copy(update={"model_bytes": largest})})
        if arm.name == "other"
        else arm
        for arm in results.arms
    )
    assert judge(results.model_copy(update={"arms": arms})).best.name == "teacher"


def test_a_baseline_is_the_floor_and_neither_best_nor_cheapest(make_run):
    _, results = make_run(arms=("odd", "even", "floor"))
    arms = tuple(
        arm.model_copy(
            update={
                "layers": (),
                "cost": arm.cost.model_copy(update={"latency_ms": 0.1, "model_bytes": 10}),
            }
        )
        if arm.name == "floor"
        else arm
        for arm in results.arms
    )
    verdict = judge(results.model_copy(update={"arms": arms}))
    assert "floor" not in (verdict.best.name, verdict.cheapest.name)
    assert "The baseline ‘floor’" in verdict.text


def test_an_arm_alone_is_not_praised(make_run):
    _, results = make_run(arms=("odd",))
    verdict = judge(results)
    assert "nothing to compare it with" in verdict.text
    assert "Best quality" not in verdict.text
    assert [card.label for card in verdict.cards] == ["The only arm"]


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


def only_seed_0(results: Results, *names: str) -> Results:
    """Leave one seed of some arms."""
    arms = tuple(arm for arm in results.arms if arm.name not in names or arm.seed == 0)
    return results.model_copy(update={"arms": arms})


def test_arms_with_fewer_seeds_than_others_are_named_with_their_number(make_run):
    _, results = make_run(
        arms=("odd", "teacher", "floor", "both"), seeds=(0, 1, 2), teacher="teacher", rows=300
    )
    results = only_seed_0(results, "teacher", "floor", "both")
    arms = tuple(
        as_ensemble(arm)
        if arm.name == "both"
        else arm.model_copy(update={"layers": ()})
        if arm.name == "floor"
        else arm
        for arm in results.arms
    )
    text = judge(results.model_copy(update={"arms": arms})).text
    assert text.endswith(
        "All figures are means over 3 seeds, except those of ‘teacher’ (one seed), ‘floor’ (fitted "
        "once) and ‘both’ (scored once)."
    )


def test_the_best_arm_may_have_fewer_seeds_than_others(make_run):
    _, results = make_run(arms=("odd", "even"), seeds=(0, 1, 2), rows=300)
    verdict = judge(only_seed_0(results, "even"))
    assert verdict.best.name == "even"
    assert "means over 3 seeds, except those of ‘even’ (one seed)." in verdict.text


def test_where_nothing_differs_the_verdict_says_so(make_run):
    _, results = make_run(seeds=(0, 1, 2), contrasts=[("odd", "even"), ("even", "lora")], rows=200)
    nothing = Difference(mean=0.0, low=0.0, high=0.0, p=1.0)
    first, second = results.evidence.contrasts
    contrasts = (
        first.model_copy(update={"difference": nothing, "shown": False}),
        second.model_copy(update={"shown": False}),
    )
    evidence = results.evidence.model_copy(update={"contrasts": contrasts})
    text = judge(results.model_copy(update={"evidence": evidence})).text
    assert "Nothing differs between ‘odd’ and ‘even’ in weighted F1." in text
    assert "No difference is shown between ‘even’ and ‘lora’" in text


def as_ensemble(arm: ArmResult) -> ArmResult:
    """Return an arm as if it were the mean of two others."""
    return arm.model_copy(
        update={
            "init": "mean of the logits of odd and even, all seeds",
            "members": ("odd, seed 0", "even, seed 0"),
            "layers": (),
            "history": (),
            "cost": Cost(model_bytes=10, training_seconds=0.0, teacher_seconds=60.0),
        }
    )


def test_an_ensemble_does_not_compete_and_is_no_floor(make_run):
    _, results = make_run(arms=("odd", "even", "both"))
    results = change(results, both={"validation": 0.99, "test": 0.98})
    arms = tuple(as_ensemble(arm) if arm.name == "both" else arm for arm in results.arms)
    results = results.model_copy(update={"arms": arms})
    verdict = judge(results)
    assert "both" not in (verdict.best.name, verdict.cheapest.name)
    assert (
        "The ensemble ‘both’ (mean of the logits of odd and even, all seeds), which cannot be "
        "exported, has a weighted F1 of 0.9800."
    ) in verdict.text
    page = compose(results)
    assert "baseline" not in verdict.text and "floor" not in str(page.sections)
    (figure,) = (
        b for s in page.sections for b in s.blocks if b.kind == "figure" and "cost" in b.name
    )
    assert "even:" in figure.alt and "both:" not in figure.alt


def test_an_ensemble_beside_baselines_alone_does_not_win(make_run):
    _, results = make_run(arms=("both", "floor"), rows=300)
    results = change(results, both={"validation": 0.99, "test": 0.98})
    both, floor = results.arms
    arms = (as_ensemble(both), floor.model_copy(update={"layers": ()}))
    verdict = judge(results.model_copy(update={"arms": arms}))
    assert (verdict.best.name, verdict.cheapest.name) == ("floor", "floor")
