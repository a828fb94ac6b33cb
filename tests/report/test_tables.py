"""Tables of arms, in the report and in the terminal, and the arithmetic of charts."""

from __future__ import annotations

import io

import numpy as np
import pytest
import rich.console

from distillora.report import summary_table
from distillora.report.charts import confusion_figure, loss_figure
from distillora.report.formats import clock, layer_list, name_list, size
from distillora.report.summary import ArmSummary, summarise
from distillora.report.tables import cost_table, label_note, label_table, quality_tables
from distillora.report.tradeoff import spread_apart


def best_of(table, heading):
    """Names of the arms that are marked in the column with this heading."""
    column = [title.split("\N{NO-BREAK SPACE}")[0] for title in table.header].index(heading)
    return [row[0].text for row in table.rows if row[column].best]


def printed(table):
    stream = io.StringIO()
    rich.console.Console(file=stream, width=80).print(table)
    return stream.getvalue()


def test_arms_stand_in_the_recipes_order(make_run):
    _, results = make_run(arms=("tiny", "even", "lora"))
    shuffled = results.model_copy(update={"arms": results.arms[::-1]})
    assert [arm.name for arm in summarise(shuffled)] == ["tiny", "even", "lora"]


def test_the_best_value_of_a_column_is_marked(make_run):
    _, results = make_run(arms=("lora", "odd", "even", "tiny"))
    quality, cost = quality_tables(results)[0], cost_table(results)
    assert best_of(quality, "Accuracy") == ["even"]
    assert best_of(quality, "Test loss") == ["even"]
    assert best_of(cost, "Model on disk") == ["tiny"]
    assert best_of(cost, "Texts/s") == ["tiny"]
    assert best_of(cost, "Adapter on disk") == []


def test_equal_values_share_the_mark_unless_all_are_equal(default_run):
    _, results = default_run
    cost = cost_table(results)
    assert best_of(cost, "Model on disk") == ["odd", "even"]
    assert best_of(cost, "Peak memory") == []


def test_one_arm_alone_wins_nothing(make_run):
    _, results = make_run(arms=("odd",))
    assert not any(cell.best for row in quality_tables(results)[0].rows for cell in row)


def test_an_arm_that_was_not_trained_has_no_training_time(make_run):
    _, results = make_run(arms=("odd", "even"))
    cost = results.arms[0].cost.model_copy(update={"training_seconds": 0.0})
    arms = (results.arms[0].model_copy(update={"cost": cost}), results.arms[1])
    table = quality_tables(results.model_copy(update={"arms": arms}))[0]
    assert [row[-1].text for row in table.rows] == ["–", "12:12"]
    assert best_of(table, "Training time") == []


def make_ensemble(results, name):
    """Return the results with one arm as the mean of others, scored once."""
    arms = (
        arm.model_copy(update={"members": ("odd, seed 0", "even, seed 0"), "layers": ()})
        if arm.name == name
        else arm
        for arm in results.arms
    )
    once = tuple(arm for arm in arms if arm.name != name or arm.seed == 0)
    return results.model_copy(update={"arms": once})


def test_an_ensemble_is_the_best_of_no_column_for_it_cannot_ship(make_run):
    _, results = make_run(arms=("odd", "teacher", "tiny"))
    averaged = make_ensemble(results, "teacher")
    for make in (lambda found: quality_tables(found)[0], label_table):
        assert "teacher" in marked(make(results))
        assert "odd" in marked(make(averaged))
        assert "teacher" not in marked(make(averaged))
    assert best_of(quality_tables(averaged)[0], "Accuracy") == ["odd"]


def marked(table):
    """Return the arms that are marked anywhere, which are the columns of the table of labels."""
    by_row = table.header[0] == "Arm"
    return {
        row[0].text if by_row else table.header[column]
        for row in table.rows
        for column, cell in enumerate(row)
        if cell.best
    }


def test_captions_name_the_arms_with_fewer_seeds(make_run):
    _, results = make_run(arms=("odd", "even", "both"), seeds=(0, 1, 2), rows=300)
    over = "mean ± standard deviation over 3 seeds"
    assert quality_tables(results)[0].caption.endswith(over)
    mixed = make_ensemble(results, "both")
    for table in (*quality_tables(mixed), cost_table(mixed), label_table(mixed)):
        assert table.caption.endswith(f"{over}; fewer: ‘both’ (scored once)")
    assert "means over up to 3 seeds" in printed(summary_table(mixed))


def test_labels_are_sorted_by_their_test_rows(make_run):
    _, results = make_run(arms=("odd",))
    support = [int(row[1].text.replace(",", "")) for row in label_table(results).rows]
    assert support == sorted(support, reverse=True)
    assert len(support) == 28


def test_the_terminal_shows_the_main_figures_in_80_columns(make_run):
    _, results = make_run(arms=("lora", "[red]odd"), seeds=(0, 1))
    text = printed(summary_table(results))
    assert "[red]odd" in text
    assert "means over 2 seeds" in text
    mean = sum(arm.metrics.test.accuracy for arm in results.arms[:2]) / 2
    assert f"{mean:.4f}" in text
    assert "★" in text
    assert "…" not in text


def test_the_terminal_shows_several_labels_at_tuned_thresholds_whatever_the_names(make_run):
    name = "loss-asymmetric-0.0002"
    _, results = make_run(arms=(name,), task="multi_label")
    text = printed(summary_table(results))
    tuned = results.arms[0].metrics.test.tuned
    assert tuned is not None and f"{tuned.f1_macro:.4f}" in text
    assert "at tuned thresholds" in text
    assert name in text


def test_there_is_no_loss_chart_without_training(make_run):
    _, results = make_run(arms=("odd",))
    arm = results.arms[0].model_copy(update={"history": ()})
    assert loss_figure(summarise(results.model_copy(update={"arms": (arm,)}))) is None


def test_the_confusion_chart_tells_its_worst_confusions_in_words(make_run):
    _, results = make_run(arms=("odd",))
    arm = results.arms[0].model_copy(update={"confusions": ((6, 4, 0), (0, 5, 0), (1, 0, 9))})
    names = ["joy", "anger", "fear"]
    figure = confusion_figure(ArmSummary("odd", (arm,)), names, "single_label")
    assert "joy as anger (40%) and fear as joy (10%)" in figure.alt


def test_the_confusions_of_several_seeds_are_added_up(make_run):
    _, results = make_run(arms=("odd",))
    runs = tuple(
        results.arms[0].model_copy(update={"confusions": counts})
        for counts in (((8, 2), (0, 5)), ((6, 4), (0, 5)))
    )
    figure = confusion_figure(ArmSummary("odd", runs), ["joy", "anger"], "single_label")
    assert "joy as anger (30%)." in figure.alt


def test_there_is_no_confusion_chart_of_runs_that_were_not_counted(make_run):
    _, results = make_run(arms=("odd",))
    older = results.arms[0].model_copy(update={"confusions": None})
    runs = (results.arms[0], older)
    assert confusion_figure(ArmSummary("odd", runs), results.data.labels, "single_label") is None


def test_rare_labels_are_marked(make_run):
    _, results = make_run(arms=("odd",))
    table = label_table(results)
    for name, support, *_ in (tuple(cell.text for cell in row) for row in table.rows):
        assert name.endswith(" (rare)") == (int(support) < 30)
    assert {"(rare)" in row[0].text for row in table.rows} == {True, False}
    assert "fewer than 30 test rows" in table.note


def test_labels_that_are_not_rare_need_no_note(make_run):
    _, results = make_run(arms=("odd",), labels=("joy", "anger", "neutral"))
    table = label_table(results)
    assert not any("(rare)" in row[0].text for row in table.rows)
    assert "rare" not in table.note


def test_the_ladder_of_thresholds_has_a_column_each_and_marks_no_oracle(make_run):
    _, results = make_run(arms=("odd", "even"), task="multi_label")
    table = quality_tables(results)[-1]
    titles = [title.split("\N{NO-BREAK SPACE}")[0] for title in table.header[1:]]
    assert titles == [
        "Fixed at 0.5",
        "One, tuned",
        "Per label, tuned",
        "As shipped",
        "Method",
        "Oracle, not a result",
    ]
    ladder = results.arms[0].ladder
    rungs = (ladder.fixed, ladder.one, ladder.exact, ladder.tuned, ladder.oracle)
    expected = [f"{rung.f1_macro:.4f}" for rung in rungs]
    assert [cell.text for cell in table.rows[0][1:]] == [*expected[:4], "shrunk", expected[4]]
    assert best_of(table, "Oracle, not a result") == []


def test_the_ladder_says_how_thresholds_were_set_at_each_seed(make_run):
    _, results = make_run(arms=("odd", "even"), seeds=(0, 1, 2), task="multi_label")
    methods = dict(zip((0, 1, 2), ("exact", "smoothed", "exact"), strict=True))
    arms = tuple(
        arm.model_copy(update={"threshold_method": methods[arm.seed]}) for arm in results.arms
    )
    table = quality_tables(results.model_copy(update={"arms": arms}))[-1]
    column = table.header.index("Method")
    assert [row[column].text for row in table.rows] == ["exact, smoothed"] * 2


def with_any_label(results, value):
    """Set the accuracy against any of a row's labels."""
    arms = []
    for arm in results.arms:
        test = arm.metrics.test.model_copy(update={"accuracy_any_label": value})
        metrics = arm.metrics.model_copy(update={"test": test})
        arms.append(arm.model_copy(update={"metrics": metrics}))
    return results.model_copy(update={"arms": tuple(arms)})


def test_accuracy_against_any_label_stands_beside_accuracy_where_it_was_measured(make_run):
    _, results = make_run(arms=("odd", "even"))
    (older,) = quality_tables(results)
    assert not any("any label" in title for title in older.header)
    (table,) = quality_tables(with_any_label(results, 0.875))
    titles = [title.split("\N{NO-BREAK SPACE}")[0] for title in table.header]
    assert titles[titles.index("Accuracy") + 1] == "Accuracy, any label"
    assert table.rows[0][titles.index("Accuracy, any label")].text == "0.8750"


def test_the_report_says_which_of_several_labels_counts_and_how_many_texts_have_several(make_run):
    _, results = make_run(arms=("odd",))
    note = label_note(with_any_label(results, 0.875))
    assert note.text == (
        "Of the 1,200 test texts, 150 (12.5%) have several labels. In training and on test, only "
        "the first one listed counts (in GoEmotions, the one with the lowest number). ‘Accuracy, "
        "any label’ accepts any label of the text."
    )
    assert "Accuracy, any label" not in label_note(results).text
    own = results.model_copy(update={"recipe": results.recipe | {"data": {"source": "table"}}})
    assert "GoEmotions" not in label_note(own).text


def test_nothing_is_said_of_several_labels_where_they_all_count_or_there_are_none(make_run):
    _, multi = make_run(arms=("odd",), task="multi_label")
    assert label_note(multi) is None
    _, single = make_run(arms=("odd",))
    audit = single.data.audit
    test = audit.splits["test"].model_copy(update={"labels_per_row": {1: 1200}})
    audit = audit.model_copy(update={"splits": audit.splits | {"test": test}})
    data = single.data.model_copy(update={"audit": audit})
    assert label_note(single.model_copy(update={"data": data})) is None


def test_many_labels_are_cut_to_those_that_can_be_read(make_run):
    _, results = make_run(arms=("odd",))
    names = [f"topic {i}" for i in range(60)]
    diagonal = tuple(map(tuple, np.eye(60, dtype=int).tolist()))
    arm = results.arms[0].model_copy(update={"confusions": diagonal})
    figure = confusion_figure(ArmSummary("odd", (arm,)), names, "single_label")
    assert "Only the 40 most frequent of 60 labels are shown." in figure.note


def test_chart_labels_are_moved_apart():
    moved = spread_apart([0.5, 0.1, 0.12, 0.11], gap=0.05)
    assert moved == pytest.approx([0.5, 0.1, 0.2, 0.15])


def test_numbers_are_written_for_people():
    assert clock(59.6) == "1:00"
    assert clock(16 * 60 + 2) == "16:02"
    assert size(999) == "999 B"
    assert size(1.5e9) == "1.50 GB"
    assert layer_list(()) == ""
    assert layer_list((0, 1)) == "0, 1"
    assert name_list(["odd"]) == "odd"
    assert name_list([]) == ""


def test_a_single_epoch_can_be_drawn(make_run):
    _, results = make_run(arms=("odd",))
    epoch = (
        results.arms[0].history[0].model_copy(update={"train_loss": 1.5, "validation_loss": 1.5})
    )
    arm = results.arms[0].model_copy(update={"history": (epoch,)})
    figure = loss_figure(summarise(results.model_copy(update={"arms": (arm,)})))
    assert "odd ends at 1.500 in training and 1.500 on validation" in figure.alt
    assert "NaN" not in figure.svg
