"""What the report says of intervals, shares and pairs, against the evidence it is made from."""

from __future__ import annotations

from itertools import combinations

import pytest

from distillora.report import write_report
from distillora.report.contrasts import share_table, shared_teachers
from distillora.report.evidence import (
    difference_matrix,
    evidence_blocks,
    interval_figure,
    interval_table,
    pairs_table,
)


def explained(results) -> str:
    return evidence_blocks(results)[0].text


def raw(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def test_the_matrix_has_size_and_raw_p_and_marks_nothing(default_run):
    _, results = default_run
    evidence = results.evidence
    table = difference_matrix(evidence)
    names = [arm.name for arm in evidence.arms]
    assert table.header == ("", *names)
    for row, column in combinations(names, 2):
        found = evidence.difference(row, column)
        cell = table.rows[names.index(row)][1 + names.index(column)]
        turned = table.rows[names.index(column)][1 + names.index(row)]
        assert float(cell.text) == pytest.approx(100 * found.mean, abs=0.051)
        assert float(cell.text) == -float(turned.text)
        assert cell.spread == turned.spread == raw(found.p)
    assert all(table.rows[i][1 + i].text == "–" for i in range(len(names)))
    assert min(found.differences["f1_weighted"].p for found in evidence.pairs) < 0.001
    assert not any(cell.best for row in table.rows for cell in row)


def test_all_pairs_are_folded_and_called_exploratory(default_run):
    _, results = default_run
    for table in (difference_matrix(results.evidence), pairs_table(results.evidence)):
        assert table.folded
        assert table.caption.startswith("Exploratory")
        assert "without a correction for multiple testing" in table.note
        assert not any(cell.best for row in table.rows for cell in row)


def test_the_table_of_intervals_has_mean_deviation_and_ends(make_run):
    _, results = make_run(arms=("odd", "even"), seeds=(0, 1, 2))
    table = interval_table(results.evidence)
    found = results.evidence.arm("odd").metrics["accuracy"]
    cell = table.rows[0][2]
    assert table.rows[0][1].text == "3"
    assert cell.text == f"{found.mean:.4f}"
    assert cell.spread == f"± {found.deviation:.4f},\n{found.low:.4f}–{found.high:.4f}"
    assert "both the test texts and the seeds" in explained(results)


def test_the_table_of_one_seed_claims_no_deviation(default_run):
    _, results = default_run
    assert not any(
        "±" in cell.spread for row in interval_table(results.evidence).rows for cell in row
    )
    assert "±" not in interval_table(results.evidence).note
    assert "the test texts only" in explained(results)
    assert "Satterthwaite" not in explained(results)


def test_arms_with_one_seed_among_others_are_told_of(make_run):
    _, results = make_run(arms=("odd", "even"), seeds=(0, 1))
    first, second = results.evidence.arms
    mixed = (first, second.model_copy(update={"seeds": (0,)}))
    evidence = results.evidence.model_copy(update={"arms": mixed})
    text = explained(results.model_copy(update={"evidence": evidence}))
    assert "the seeds of arms with several" in text


def test_the_seeds_that_a_baseline_lacks_are_not_missed(make_run):
    _, results = make_run(arms=("odd", "floor"), seeds=(0, 1), rows=200)
    evidence = results.evidence
    one = evidence.arm("floor").model_copy(update={"seeds": (0,)})
    evidence = evidence.model_copy(update={"arms": (evidence.arm("odd"), one)})
    arms = tuple(
        run.model_copy(update={"layers": ()}) if run.name == "floor" else run
        for run in results.arms
    )
    changed = results.model_copy(update={"evidence": evidence, "arms": arms})
    assert "both the test texts and the seeds" in explained(changed)


def test_all_pairs_stand_in_a_table_with_every_metric_and_mcnemar(default_run):
    _, results = default_run
    table = pairs_table(results.evidence)
    assert [row[0].text for row in table.rows] == ["lora − odd", "lora − even", "odd − even"]
    for row, pair in zip(table.rows, results.evidence.pairs, strict=True):
        for cell, found in zip(row[1:5], pair.differences.values(), strict=True):
            assert float(cell.text) == pytest.approx(100 * found.mean, abs=0.051)
            assert cell.spread.endswith(raw(found.p))
        assert row[5].text == raw(pair.mcnemar)


def test_one_arm_has_intervals_but_no_pairs(make_run):
    _, results = make_run(arms=("odd",))
    kinds = [block.kind for block in evidence_blocks(results)]
    assert kinds == ["text", "text", "figure", "table"]


def test_without_evidence_nothing_is_said(default_run):
    _, results = default_run
    assert evidence_blocks(results.model_copy(update={"evidence": None})) == []


def test_the_chart_of_intervals_tells_them_in_words_too(default_run):
    _, results = default_run
    figure = interval_figure(results.evidence)
    for arm in results.evidence.arms:
        found = arm.metrics["f1_weighted"]
        assert f"{arm.name} {found.mean:.4f} ({found.low:.4f} to {found.high:.4f})" in figure.alt


def test_multi_label_goes_by_macro_f1(make_run):
    _, results = make_run(arms=("odd", "even"), task="multi_label")
    assert difference_matrix(results.evidence).caption == "Exploratory: differences in macro F1"
    assert "Macro F1 on test" in interval_figure(results.evidence).title


def taught(results, **seeds):
    """Set which seeds of its teacher each student's seeds learned from."""
    arms = tuple(
        run.model_copy(update={"teacher_seeds": seeds[run.name](run.seed)})
        if run.name in seeds
        else run
        for run in results.arms
    )
    return results.model_copy(update={"arms": arms})


def test_shares_stand_in_a_table_with_their_interval(make_run):
    _, results = make_run(arms=("teacher", "odd"), seeds=(0, 1), teacher="teacher")
    (row,) = share_table(results.evidence).rows
    (share,) = results.evidence.shares
    assert [cell.text for cell in row[:2]] == ["odd", "teacher, seed 0; teacher, seed 1"]
    assert row[2].text == f"{share.teacher_score:.4f}"
    assert row[3].text == f"{results.evidence.arm('odd').metrics['f1_weighted'].mean:.4f}"
    assert row[4].text == f"{100 * share.share.mean:.1f}%"
    assert row[4].spread == f"{100 * share.share.low:.1f}% to {100 * share.share.high:.1f}%"


def test_without_students_there_is_no_table_of_shares(default_run):
    _, results = default_run
    assert share_table(results.evidence) is None
    assert shared_teachers(results) is None


def test_students_that_share_a_teacher_are_named_as_not_independent(make_run):
    _, results = make_run(
        arms=("teacher", "odd", "even", "tiny"), seeds=(0, 1), teacher="teacher", rows=200
    )
    changed = taught(
        results, odd=lambda seed: (0, 1), even=lambda seed: (seed,), tiny=lambda seed: (0,)
    )
    text = shared_teachers(changed).text
    assert "The seeds of ‘odd’ and ‘tiny’ learned from the same models of ‘teacher’" in text
    assert "not independent" in text
    assert shared_teachers(taught(results, odd=lambda seed: (seed,))) is None
    assert shared_teachers(results) is None


def test_details_of_two_lines_stay_in_one_row_of_the_markdown(default_run):
    run_dir, _ = default_run
    markdown = write_report(run_dir).with_suffix(".md").read_text()
    lines = (
        markdown.split("Exploratory: all pairs, all metrics")[1].split("</details>")[0].splitlines()
    )
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 5  # a header, a rule, three pairs
    assert all(row.count("|") == 7 for row in rows)
