"""Arms and all pairs of them: what is recorded, and what few rows cannot show."""

from itertools import combinations

import numpy as np
import pytest

from distillora.errors import IntegrityError
from distillora.evaluation.bootstrap import METRICS, bootstrap_metrics, measure_decisions
from distillora.evaluation.comparison import compare_decisions, compare_runs
from distillora.evaluation.significance import mcnemar
from report.conftest import build_run

LABELS = 4


def truth_of(rows):
    return np.eye(LABELS, dtype=bool)[np.random.default_rng(0).integers(0, LABELS, rows)]


def answer(truth, skill, seed):
    """One class a row, right with this probability."""
    random = np.random.default_rng([1, seed])
    guesses = np.eye(LABELS, dtype=bool)[random.integers(0, LABELS, len(truth))]
    return np.where(random.random((len(truth), 1)) < skill, truth, guesses)


def arms_of(truth, seeds=(0, 1, 2), **skills):
    return {
        name: {seed: answer(truth, skill, 10 * number + seed) for seed in seeds}
        for number, (name, skill) in enumerate(skills.items())
    }


def compared(rows=600, resamples=300, seeds=(0, 1, 2), **skills):
    truth = truth_of(rows)
    return compare_decisions(truth, arms_of(truth, seeds, **skills), "f1_macro", resamples)


def test_every_pair_stands_once_in_the_order_of_the_arms():
    evidence = compared(a=0.5, b=0.6, c=0.6, d=0.7)
    assert [(p.first, p.second) for p in evidence.pairs] == list(combinations("abcd", 2))
    assert all(set(pair.differences) == set(METRICS) for pair in evidence.pairs)
    assert (evidence.headline, evidence.level, evidence.resamples) == ("f1_macro", 0.95, 300)


def test_an_estimate_is_mean_and_deviation_over_the_seeds_within_its_interval():
    truth = truth_of(300)
    arms = arms_of(truth, a=0.6)
    evidence = compare_decisions(truth, arms, "accuracy", 200)
    by_seed = measure_decisions(truth, [*arms["a"].values()])
    for i, metric in enumerate(METRICS):
        found = evidence.arm("a").metrics[metric]
        assert found.mean == pytest.approx(by_seed[:, i].mean())
        assert found.deviation == pytest.approx(by_seed[:, i].std(ddof=1))
        assert found.low < found.mean < found.high
    assert evidence.pairs == ()


def test_one_seed_has_no_deviation_and_the_intervals_of_the_rows_alone():
    truth = truth_of(300)
    arms = arms_of(truth, seeds=(0,), a=0.6, b=0.5)
    evidence = compare_decisions(truth, arms, "accuracy", 200)
    assert evidence.arm("a").metrics["accuracy"].deviation is None
    draws = bootstrap_metrics(truth, [arms["a"][0], arms["b"][0]], 200)[:, :, 0]
    own = evidence.arm("a").metrics["accuracy"]
    assert own.high - own.low == pytest.approx(2 * 1.959964 * draws[0].std(ddof=1))
    pair = evidence.difference("a", "b", "accuracy")
    assert pair.high - pair.low == pytest.approx(2 * 1.959964 * (draws[0] - draws[1]).std(ddof=1))


def test_paired_rows_show_more_than_the_two_intervals_do():
    truth = truth_of(500)
    weak = answer(truth, 0.6, 1)
    better = weak.copy()
    better[:25] = truth[:25]  # the same answers but for a few rows
    evidence = compare_decisions(truth, {"weak": {0: weak}, "better": {0: better}}, "accuracy", 500)
    assert evidence.difference("better", "weak", "accuracy").low > 0
    weak_arm, better_arm = (evidence.arm(n).metrics["accuracy"] for n in ("weak", "better"))
    assert better_arm.low < weak_arm.high


def test_mcnemar_is_that_of_the_rows_that_are_right():
    truth = truth_of(200)
    arms = arms_of(truth, seeds=(0,), a=0.5, b=0.7)
    (pair,) = compare_decisions(truth, arms, "accuracy", 50).pairs
    right = [(truth == arms[name][0]).all(axis=1)[None] for name in "ab"]
    assert pair.mcnemar == mcnemar(*right)


def test_a_clear_difference_is_told_from_none():
    evidence = compared(a=0.6, b=0.6, c=0.9)
    assert evidence.difference("c", "a").p < 0.01
    assert evidence.difference("c", "a").low > 0
    equal = evidence.difference("a", "b")
    assert equal.p > 0.05
    assert equal.low < 0 < equal.high


def test_a_difference_is_turned_with_its_arms():
    evidence = compared(a=0.5, b=0.6)
    there, back = evidence.difference("a", "b"), evidence.difference("b", "a")
    assert (back.mean, back.low, back.high) == (-there.mean, -there.high, -there.low)
    assert back.p == there.p
    with pytest.raises(KeyError):
        evidence.difference("a", "other")


def test_the_same_answers_are_no_difference():
    truth = truth_of(100)
    arms = arms_of(truth, a=0.6)
    evidence = compare_decisions(truth, {"a": arms["a"], "copy": arms["a"]}, "accuracy", 50)
    (pair,) = evidence.pairs
    assert all(found.mean == 0 and found.p == 1 for found in pair.differences.values())
    assert pair.mcnemar == 1


def test_it_does_not_matter_which_seed_was_made_first():
    truth = truth_of(200)
    arms = arms_of(truth, a=0.5, b=0.6)
    turned = {"a": arms["a"], "b": dict(reversed(arms["b"].items()))}
    assert compare_decisions(truth, arms, "accuracy", 100) == compare_decisions(
        truth, turned, "accuracy", 100
    )


def test_three_rows_show_nothing_however_different_the_answers():
    truth = truth_of(3)
    wrong = np.roll(truth, 1, axis=1)
    arms = {"right": {0: truth}, "wrong": {0: wrong}}
    (pair,) = compare_decisions(truth, arms, "accuracy", 200).pairs
    assert all(found.mean == 1 and found.p == 0.25 for found in pair.differences.values())
    assert pair.mcnemar == 0.25


def test_intervals_stay_where_figures_can_be():
    truth = truth_of(40)
    arms = {"good": {0: answer(truth, 0.99, 1), 1: answer(truth, 0.7, 2)}, "perfect": {0: truth}}
    evidence = compare_decisions(truth, arms, "accuracy", 100)
    for arm in evidence.arms:
        for found in arm.metrics.values():
            assert 0 <= found.low <= found.mean <= found.high <= 1
    for found in evidence.pairs[0].differences.values():
        assert -1 <= found.low <= found.mean <= found.high <= 1


@pytest.mark.parametrize("task", ["single_label", "multi_label"])
def test_the_figures_of_a_run_are_those_that_its_results_report(task, tmp_path):
    run_dir, results = build_run(tmp_path, arms=("odd", "even"), seeds=(0, 1), task=task, rows=300)
    evidence = compare_runs(results.arms, run_dir, task, resamples=50)
    for name in ("odd", "even"):
        tests = [run.metrics.test for run in results.arms if run.name == name]
        points = [test.tuned or test for test in tests]
        for metric in ("accuracy", "f1_weighted", "f1_macro"):
            mean = np.mean([getattr(point, metric) for point in points])
            assert evidence.arm(name).metrics[metric].mean == pytest.approx(mean)


def test_a_missing_predictions_file_is_named(tmp_path):
    run_dir, results = build_run(tmp_path, arms=("odd",), rows=100)
    (run_dir / results.arms[0].predictions).unlink()
    with pytest.raises(IntegrityError, match=r"arms/odd/seed-0/predictions\.parquet"):
        compare_runs(results.arms, run_dir, "single_label", resamples=10)


def test_torn_predictions_and_those_of_other_rows_are_refused(tmp_path):
    run_dir, results = build_run(tmp_path, arms=("odd", "even"), rows=100)
    odd = run_dir / results.arms[0].predictions
    whole = odd.read_bytes()
    odd.write_bytes(whole[:200])
    with pytest.raises(IntegrityError, match="does not hold an arm's predictions"):
        compare_runs(results.arms, run_dir, "single_label", resamples=10)
    other, _ = build_run(tmp_path / "other", arms=("odd",), rows=99)
    odd.write_bytes((other / results.arms[0].predictions).read_bytes())
    with pytest.raises(IntegrityError, match="99 test rows instead of 100"):
        compare_runs(results.arms, run_dir, "single_label", resamples=10)
    fewer, changed = build_run(
        tmp_path / "labels", arms=("odd",), rows=100, labels=("joy", "anger", "fear", "neutral")
    )
    odd.write_bytes((fewer / changed.arms[0].predictions).read_bytes())
    with pytest.raises(IntegrityError, match="was scored on other test rows"):
        compare_runs(results.arms, run_dir, "single_label", resamples=10)
