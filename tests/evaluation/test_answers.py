"""Contrasts: how they are corrected, what is called shown, and what could have been."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from distillora.evaluation.comparison import compare_decisions, compare_runs
from distillora.evaluation.evidence import ContrastEvidence, Evidence
from distillora.recipe import Contrast
from evaluation.test_comparison import answer, arms_of, truth_of
from report.conftest import build_run


def ask(first: str, second: str, metric: str = "auto") -> Contrast:
    return Contrast(question="Is it better?", first=first, second=second, metric=metric)


def answered(
    *contrasts: Contrast, rows: int = 600, seeds=(0, 1, 2), settled=(), **skills: float
) -> tuple[ContrastEvidence, ...]:
    return evidence_of(*contrasts, rows=rows, seeds=seeds, settled=settled, **skills).contrasts


def evidence_of(*contrasts, rows=600, seeds=(0, 1, 2), settled=(), **skills) -> Evidence:
    truth = truth_of(rows)
    return compare_decisions(
        truth,
        arms_of(truth, seeds, **skills),
        "f1_macro",
        300,
        contrasts=contrasts,
        settled=settled,
    )


def test_a_contrast_is_the_difference_of_its_pair_in_its_metric():
    contrasts = (ask("b", "a"), ask("a", "c", "accuracy"))
    evidence = evidence_of(*contrasts, a=0.5, b=0.6, c=0.6)
    first, second = evidence.contrasts
    assert (first.question, first.metric, second.metric) == (
        "Is it better?",
        "f1_macro",
        "accuracy",
    )
    assert first.difference.mean == pytest.approx(evidence.difference("b", "a").mean)
    assert first.difference.p == pytest.approx(evidence.difference("b", "a").p)
    assert second.difference == evidence.difference("a", "c", "accuracy")
    assert first.seeds == (3, 3)


def test_the_correction_is_that_of_statsmodels_over_all_contrasts_and_nothing_else():
    contrasts = (ask("a", "b"), ask("a", "c", "accuracy"), ask("c", "d"), ask("b", "d", "f1_micro"))
    found = answered(*contrasts, a=0.5, b=0.55, c=0.56, d=0.65, e=0.9)
    raw = [one.difference.p for one in found]
    corrected = multipletests(raw, method="holm")[1]
    assert [one.p_holm for one in found] == pytest.approx(corrected)
    assert [one.shown for one in found] == [p < 0.05 for p in corrected]


def test_a_clear_difference_is_shown_and_none_between_equals():
    clear, none = answered(ask("c", "a"), ask("a", "b"), a=0.6, b=0.6, c=0.95)
    assert clear.shown and clear.p_holm < 0.05
    assert not none.shown and none.p_holm > 0.05


def test_the_same_difference_is_not_shown_among_enough_other_questions():
    lone = answered(ask("b", "a"), a=0.6, b=0.68)[0]
    others = [ask("c", "d", metric) for metric in ("auto", "accuracy", "f1_micro", "f1_weighted")]
    among = answered(ask("b", "a"), *others, a=0.6, b=0.68, c=0.6, d=0.6)[0]
    assert lone.shown and not among.shown
    assert lone.detectable < among.detectable


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_with_fewer_than_three_seeds_nothing_is_shown_or_detectable(seeds):
    (found,) = answered(ask("b", "a"), seeds=seeds, rows=4000, a=0.2, b=0.9)
    assert found.seeds == (len(seeds), len(seeds))
    assert (found.detectable, found.p_holm) == (None, None)
    assert not found.shown
    if seeds == (0,):
        assert found.difference.p < 1e-6  # the texts alone would show it


def single_seeded(truth, **skills):
    """Answer as arms of three seeds, the last of which is made once."""
    arms = arms_of(truth, **skills)
    last = list(arms)[-1]
    return arms | {last: {0: arms[last][0]}}


def test_a_contrast_that_can_never_be_shown_makes_no_other_one_harder_to_show():
    truth = truth_of(600)
    arms = single_seeded(truth, a=0.5, b=0.55, c=0.56, once=0.9)
    asked = [ask("a", "b"), ask("a", "c"), ask("b", "once")]
    found = compare_decisions(truth, arms, "f1_macro", 300, contrasts=asked).contrasts
    alone = compare_decisions(truth, arms, "f1_macro", 300, contrasts=asked[:2]).contrasts
    assert found[:2] == alone
    raw = [one.difference.p for one in alone]
    assert [one.p_holm for one in found[:2]] == pytest.approx(multipletests(raw, method="holm")[1])
    last = found[2]
    assert last.seeds == (3, 1)
    assert last.difference.p < 0.001 and last.difference.high < 0
    assert (last.p_holm, last.detectable, last.shown) == (None, None, False)


def test_two_arms_that_decide_the_same_are_the_same():
    truth = truth_of(600)
    arms = arms_of(truth, a=0.5, b=0.7)
    arms["copy"] = arms["a"]
    asked = [ask("copy", "a"), ask("a", "b")]
    same, other = compare_decisions(truth, arms, "f1_macro", 300, contrasts=asked).contrasts
    assert same.same and same.detectable == 0 and not same.shown
    assert not other.same


def test_one_run_is_enough_of_an_arm_that_draws_no_random_numbers():
    truth = truth_of(600)
    arms = arms_of(truth, a=0.9)
    arms["floor"] = {0: answer(truth, 0.5, 99)}
    settled = compare_decisions(
        truth, arms, "accuracy", 300, contrasts=[ask("a", "floor")], settled={"floor"}
    )
    single = compare_decisions(truth, arms, "accuracy", 300, contrasts=[ask("a", "floor")])
    assert settled.contrasts[0].seeds == (3, 1)
    assert settled.contrasts[0].shown
    assert settled.contrasts[0].detectable is not None
    assert not single.contrasts[0].shown
    assert single.contrasts[0].detectable is None


def test_the_detectable_difference_without_random_numbers_is_that_of_the_rows():
    truth = truth_of(2000)
    arms = {"a": {0: answer(truth, 0.6, 1)}, "b": {0: answer(truth, 0.6, 2)}}
    evidence = compare_decisions(
        truth, arms, "accuracy", 2000, contrasts=[ask("a", "b")], settled={"a", "b"}
    )
    (found,) = evidence.contrasts
    right = [(truth == arms[name][0]).all(axis=1).astype(float) for name in "ab"]
    error = (right[0] - right[1]).std() / np.sqrt(2000)
    assert found.detectable == pytest.approx((1.959964 + 0.841621) * error, rel=0.05)


def test_a_baseline_of_a_run_has_enough_seeds_and_an_ensemble_has_not(tmp_path):
    run_dir, results = build_run(tmp_path, arms=("odd", "floor", "both"), seeds=(0, 1, 2), rows=300)
    runs = [run for run in results.arms if run.name == "odd" or run.seed == 0]
    runs = [run if run.name == "odd" else run.model_copy(update={"layers": ()}) for run in runs]
    members = {"members": ("odd, seed 0", "odd, seed 1")}
    runs = [run.model_copy(update=members) if run.name == "both" else run for run in runs]
    asked = [ask("odd", "floor"), ask("odd", "both")]
    floor, both = compare_runs(runs, run_dir, "single_label", asked, resamples=50).contrasts
    assert floor.seeds == both.seeds == (3, 1)
    assert floor.detectable is not None
    assert (both.detectable, both.shown) == (None, False)
