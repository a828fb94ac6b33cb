"""A student's share of its teachers' score, against scikit-learn and a plain bootstrap."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from sklearn.metrics import f1_score

from distillora.evaluation.bootstrap import METRICS
from distillora.evaluation.calibration import fit_temperature
from distillora.evaluation.comparison import compare_decisions, compare_runs
from distillora.evaluation.evidence import ShareEvidence
from distillora.evaluation.predictions import read_predictions
from distillora.evaluation.resampled import resample_arms
from distillora.evaluation.shares import Taught, measure_shares
from distillora.evaluation.thresholds import tune_thresholds
from distillora.probabilities import sigmoid
from evaluation.test_comparison import answer, truth_of
from report.conftest import build_run

WEIGHTED = METRICS.index("f1_weighted")


def build(
    tmp_path, task="single_label", seeds=(0, 1, 2), teacher_seeds=None, teachers=("teacher",)
):
    """A run of two teachers and two students, who learnt from the seeds that are given."""
    arms = ("teacher", "lora", "odd", "even")
    run_dir, results = build_run(
        tmp_path, arms=arms, seeds=seeds, task=task, rows=400, teacher="teacher"
    )
    runs = []
    for run in results.arms:
        taught = run.name in ("odd", "even")
        seeds_of = () if teacher_seeds is None else teacher_seeds
        runs.append(
            run.model_copy(
                update={
                    "teachers": teachers if taught else (),
                    "teacher_seeds": seeds_of if taught else (),
                }
            )
        )
    return run_dir, runs


def mean_logits(run_dir, runs, models, split="test"):
    made = {(run.name, run.seed): run for run in runs}
    found = [read_predictions(run_dir, made[model], split) for model in models]
    return np.mean([one.logits for one in found], axis=0), found[0]


def share_of(run_dir, runs, student, task="single_label") -> ShareEvidence:
    evidence = compare_runs(runs, run_dir, task, resamples=100)
    (found,) = [share for share in evidence.shares if share.student == student]
    own = evidence.arm(student).metrics[evidence.headline].mean
    assert found.share.mean == pytest.approx(own / found.teacher_score, rel=0.01)
    return found


@pytest.mark.parametrize("teachers", [("teacher",), ("teacher", "lora")])
def test_what_taught_a_student_is_the_mean_of_the_logits_of_all_its_teachers(tmp_path, teachers):
    run_dir, runs = build(tmp_path, teacher_seeds=(0, 1, 2), teachers=teachers)
    found = share_of(run_dir, runs, "odd")
    models = list(product(teachers, (0, 1, 2)))
    logits, truth = mean_logits(run_dir, runs, models)
    score = f1_score(truth.classes, logits.argmax(axis=1), average="weighted")
    assert found.teacher_score == pytest.approx(score)
    assert found.teachers == tuple(f"{arm}, seed {seed}" for arm, seed in models)
    students = [run.metrics.test.f1_weighted for run in runs if run.name == "odd"]
    assert found.share.mean == pytest.approx(np.mean(students) / score)
    assert found.share.deviation == pytest.approx(np.std(students, ddof=1) / score)
    assert found.share.low < found.share.mean < found.share.high


@pytest.mark.parametrize("recorded", [True, False])
def test_a_student_of_its_own_seeds_teacher_is_compared_with_that_one(tmp_path, recorded):
    run_dir, runs = build(tmp_path, seeds=(0, 1))
    if recorded:
        runs = [
            run.model_copy(update={"teacher_seeds": (run.seed,) if run.teachers else ()})
            for run in runs
        ]
    found = share_of(run_dir, runs, "even")
    figures = {(run.name, run.seed): run.metrics.test.f1_weighted for run in runs}
    ratios = [figures["even", seed] / figures["teacher", seed] for seed in (0, 1)]
    assert found.share.mean == pytest.approx(np.mean(ratios))
    assert found.teacher_score == pytest.approx(
        np.mean([figures["teacher", seed] for seed in (0, 1)])
    )
    assert found.teachers == ("teacher, seed 0", "teacher, seed 1")


def test_the_mean_of_several_teachers_gets_thresholds_of_its_own_from_validation(tmp_path):
    run_dir, runs = build(tmp_path, task="multi_label", teacher_seeds=(0, 1, 2))
    found = share_of(run_dir, runs, "odd", "multi_label")
    models = [("teacher", seed) for seed in (0, 1, 2)]
    validation, tuned_on = mean_logits(run_dir, runs, models, "validation")
    test, truth = mean_logits(run_dir, runs, models)
    temperature = fit_temperature(validation, tuned_on.truth, "multi_label")
    cuts = tune_thresholds(
        sigmoid(validation / temperature), tuned_on.truth, smoothing=0.4, shrinkage=30
    )
    decided = sigmoid(test / temperature) >= cuts
    score = f1_score(truth.truth, decided, average="macro", zero_division=0)
    assert found.metric == "f1_macro"
    assert found.teacher_score == pytest.approx(score)


def test_the_interval_of_one_seed_is_that_of_bootstrapped_ratios():
    truth = truth_of(800)
    student, teacher = answer(truth, 0.6, 1), answer(truth, 0.7, 2)
    arms = resample_arms(truth, {"student": {0: student}}, 2000)
    taught = {"student": Taught((("teacher", 0),), {0: teacher})}
    (found,) = measure_shares(truth, arms, taught, "f1_weighted", 2000)
    random = np.random.default_rng(5)
    labels = [own.argmax(axis=1) for own in (truth, student, teacher)]
    ratios = []
    for _ in range(400):
        drawn = random.integers(0, 800, 800)
        true, first, second = (own[drawn] for own in labels)
        ratios.append(
            f1_score(true, first, average="weighted") / f1_score(true, second, average="weighted")
        )
    low, high = np.quantile(ratios, [0.025, 0.975])
    assert found.share.low == pytest.approx(low, abs=0.008)
    assert found.share.high == pytest.approx(high, abs=0.008)
    assert found.share.deviation is None


def test_who_answers_as_the_teacher_does_keeps_all_of_its_score():
    truth = truth_of(200)
    same = {seed: answer(truth, 0.6, seed) for seed in range(3)}
    taught = {"student": Taught((("teacher", 0),), same)}
    evidence = compare_decisions(truth, {"student": same}, "f1_macro", 50, taught=taught)
    (found,) = evidence.shares
    assert (found.share.mean, found.share.low, found.share.high) == (1, 1, 1)


def test_no_share_is_given_of_a_score_of_0():
    truth = truth_of(20)
    wrong = np.roll(truth, 1, axis=1)
    for student, teacher in ((wrong, truth), (truth, wrong)):
        taught = {"student": Taught((("teacher", 0),), {0: teacher})}
        evidence = compare_decisions(
            truth, {"student": {0: student}}, "f1_macro", 50, taught=taught
        )
        assert evidence.shares == ()


def test_arms_that_nobody_taught_have_no_share(tmp_path):
    run_dir, runs = build(tmp_path, seeds=(0,))
    evidence = compare_runs(runs, run_dir, "single_label", resamples=20)
    assert [share.student for share in evidence.shares] == ["odd", "even"]
