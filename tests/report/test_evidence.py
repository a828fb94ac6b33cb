"""What the report says of intervals and pairs, against the evidence that it is made from."""

from __future__ import annotations

from itertools import combinations

import pytest

from distillora.evaluation.evidence import Difference
from distillora.report import write_report
from distillora.report.evidence import (
    beats_table,
    evidence_blocks,
    interval_figure,
    interval_table,
    pairs_table,
)


def explained(results) -> str:
    return evidence_blocks(results.evidence)[0].text


def test_the_matrix_marks_who_beats_whom_with_size_and_corrected_p(default_run):
    _, results = default_run
    evidence = results.evidence
    table = beats_table(evidence)
    names = [arm.name for arm in evidence.arms]
    assert table.header == ("", *names)
    for row, column in combinations(names, 2):
        found = evidence.difference(row, column)
        cell = table.rows[names.index(row)][1 + names.index(column)]
        turned = table.rows[names.index(column)][1 + names.index(row)]
        assert float(cell.text) == pytest.approx(100 * found.mean, abs=0.051)
        assert float(cell.text) == -float(turned.text)
        assert cell.best == (found.mean > 0 and found.p_holm < 0.05)
        assert not (cell.best and turned.best)
        shown = "p < 0.001" if found.p_holm < 0.001 else f"p = {found.p_holm:.3f}"
        assert cell.spread == turned.spread == shown
    assert all(table.rows[i][1 + i].text == "–" for i in range(len(names)))
    assert any(cell.best for row in table.rows for cell in row)


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
    assert "the test texts alone" in explained(results)
    assert "Satterthwaite" not in explained(results)


def test_arms_with_one_seed_among_others_are_told_of(make_run):
    _, results = make_run(arms=("odd", "even"), seeds=(0, 1))
    first, second = results.evidence.arms
    mixed = (first, second.model_copy(update={"seeds": (0,)}))
    evidence = results.evidence.model_copy(update={"arms": mixed})
    text = explained(results.model_copy(update={"evidence": evidence}))
    assert "the seeds of those arms that have several" in text


def test_all_pairs_stand_in_a_folded_table_with_every_metric_and_mcnemar(default_run):
    _, results = default_run
    table = pairs_table(results.evidence)
    assert table.folded
    assert [row[0].text for row in table.rows] == ["lora − odd", "lora − even", "odd − even"]
    for row, pair in zip(table.rows, results.evidence.pairs, strict=True):
        for cell, found in zip(row[1:5], pair.differences.values(), strict=True):
            assert float(cell.text) == pytest.approx(100 * found.mean, abs=0.051)
            assert cell.best == (found.p_holm < 0.05)
        assert row[5].best == (pair.mcnemar_holm < 0.05)


def test_one_arm_has_intervals_but_no_pairs(make_run):
    _, results = make_run(arms=("odd",))
    kinds = [block.kind for block in evidence_blocks(results.evidence)]
    assert kinds == ["text", "figure", "table"]
    assert "p-values" not in explained(results)


def test_without_evidence_nothing_is_said():
    assert evidence_blocks(None) == []


def test_the_chart_of_intervals_tells_them_in_words_too(default_run):
    _, results = default_run
    figure = interval_figure(results.evidence)
    for arm in results.evidence.arms:
        found = arm.metrics["f1_weighted"]
        assert f"{arm.name} {found.mean:.4f} ({found.low:.4f} to {found.high:.4f})" in figure.alt


def test_multi_label_goes_by_macro_f1(make_run):
    _, results = make_run(arms=("odd", "even"), task="multi_label")
    assert beats_table(results.evidence).caption == "Which arm beats which in macro F1"
    assert "Macro F1 on test" in interval_figure(results.evidence).title


def test_no_field_is_marked_where_no_difference_is_shown(default_run):
    _, results = default_run
    nothing = Difference(mean=0.02, low=-0.01, high=0.05, p=0.04, p_holm=0.12)
    pairs = tuple(
        pair.model_copy(update={"differences": dict.fromkeys(pair.differences, nothing)})
        for pair in results.evidence.pairs
    )
    table = beats_table(results.evidence.model_copy(update={"pairs": pairs}))
    assert not any(cell.best for row in table.rows for cell in row)
    assert "no difference is shown" in table.note


def test_details_of_two_lines_stay_in_one_row_of_the_markdown(default_run):
    run_dir, _ = default_run
    markdown = write_report(run_dir).with_suffix(".md").read_text()
    lines = markdown.split("All pairs, all metrics")[1].split("</details>")[0].splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 5  # a header, a rule, three pairs
    assert all(row.count("|") == 7 for row in rows)
