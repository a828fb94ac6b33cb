"""The table of a recipe's questions, and its answers in words."""

from __future__ import annotations

from typing import Any

import pytest

from distillora.evaluation.evidence import ContrastEvidence, Difference
from distillora.report.contrasts import answer, contrast_table


def found(**changes: Any) -> ContrastEvidence:
    return ContrastEvidence(
        **{
            "question": "Does odd beat even?",
            "first": "odd",
            "second": "even",
            "metric": "f1_weighted",
            "difference": Difference(mean=0.012, low=-0.004, high=0.028, p=0.0213),
            "p_holm": 0.0639,
            "detectable": 0.0134,
            "seeds": (3, 3),
            "shown": False,
        }
        | changes
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shown": True}, "Shown: ‘odd’ scores higher than ‘even’."),
        (
            {"shown": True, "difference": Difference(mean=-0.03, low=-0.05, high=-0.01, p=0.001)},
            "Shown: ‘even’ scores higher than ‘odd’.",
        ),
        (
            {},
            "Not shown: a difference of 1.3 points or more would have been shown in 80% of such "
            "runs.",
        ),
        (
            {"detectable": 0.041},
            "This run could not tell: only differences above 4.1 points would have been shown in "
            "80% of such runs.",
        ),
        (
            {"detectable": None, "seeds": (1, 1)},
            "One seed: the interval covers only the test texts.",
        ),
        (
            {"detectable": None, "seeds": (3, 1)},
            "Too few seeds: 1 of ‘even’; 3 are needed. The interval does not cover other seeds of "
            "‘even’.",
        ),
        (
            {"detectable": None, "seeds": (2, 1)},
            "Too few seeds: 2 of ‘odd’ and 1 of ‘even’; 3 are needed.",
        ),
        (
            {"difference": Difference(mean=0, low=0, high=0, p=1), "detectable": 0.0},
            "Nothing differs: both score the same on every draw of the test texts.",
        ),
        (
            {"difference": Difference(mean=0, low=-0.0002, high=0.0002, p=1), "detectable": 0.0003},
            "Not shown: a difference of 0.1 points or more would have been shown in 80% of such "
            "runs.",
        ),
        (
            {"detectable": None, "seeds": (2, 2)},
            "Too few seeds: 2 of ‘odd’ and 2 of ‘even’; 3 are needed.",
        ),
    ],
)
def test_the_answer_says_what_is_shown_or_could_have_been(changes, words) -> None:
    assert answer(found(**changes)) == words


def test_a_row_has_difference_both_p_values_and_what_was_detectable(make_run) -> None:
    _, results = make_run(arms=("odd", "even"), rows=100)
    contrasts = (found(shown=True), found(metric="accuracy"))
    table = contrast_table(results.evidence.model_copy(update={"contrasts": contrasts}))
    first, second = table.rows
    assert [cell.text for cell in first[:6]] == [
        "odd − even", "Does odd beat even?", "+1.2", "0.021", "0.064", "1.3",
    ]  # fmt: skip
    assert (first[2].spread, first[2].best, first[0].spread) == ("-0.4 to +2.8", True, "")
    assert (second[0].spread, second[2].best) == ("accuracy", False)
    assert "corrected by Holm’s method over these 2 contrasts." in table.note


def test_a_contrast_with_too_few_seeds_has_no_corrected_p_and_is_not_counted(make_run) -> None:
    _, results = make_run(arms=("odd", "even"), rows=100)
    single = found(p_holm=None, detectable=None, seeds=(3, 1))
    table = contrast_table(
        results.evidence.model_copy(update={"contrasts": (found(), found(), single)})
    )
    assert [cell.text for cell in table.rows[2][2:6]] == ["+1.2", "0.021", "–", "–"]
    assert "corrected by Holm’s method over the 2 contrasts that have enough seeds." in table.note
    assert "do not affect the correction" in table.note
    alone = contrast_table(results.evidence.model_copy(update={"contrasts": (single,)}))
    assert "not corrected: with so few seeds, no contrast is tested." in alone.note


def test_nothing_is_detectable_where_nothing_differs(make_run) -> None:
    _, results = make_run(arms=("odd", "even"), rows=100)
    same = found(difference=Difference(mean=0, low=0, high=0, p=1), detectable=0.0)
    (row,) = contrast_table(results.evidence.model_copy(update={"contrasts": (same,)})).rows
    assert (row[2].text, row[5].text) == ("0.0", "–")
