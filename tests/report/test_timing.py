"""Times that do not compare are marked, and arms of one shape are equally fast."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import rich.console

from distillora.evaluation.results import (
    ArmEnvironment,
    ArmResult,
    LayerSearchRecord,
    Results,
    TriedLayers,
)
from distillora.report import build_report, summary_table
from distillora.report.formats import Table
from distillora.report.summary import summarise
from distillora.report.tables import cost_table, published_table, quality_tables, search_table
from distillora.report.timing import describe_measurement
from distillora.report.tradeoff import tradeoff_figure
from distillora.report.verdict import judge
from report.conftest import PUBLISHED

NOTE = "† not comparable: several jobs shared the machine"


def column(table: Table, heading: str) -> dict[str, tuple[str, bool]]:
    """Return each arm's text in a column, and whether it is marked as the best."""
    titles = [title.split("\N{NO-BREAK SPACE}")[0] for title in table.header]
    index = titles.index(heading)
    return {
        row[0].text: (row[index].text.replace("\N{NO-BREAK SPACE}", " "), row[index].best)
        for row in table.rows
    }


def trained(results: Results, **environments: dict[str, Any]) -> Results:
    """Give arms an environment of their own: that of the run, with these changes."""
    own = {**results.environment.model_dump(), "threads": 2, "ended": "2025-01-02T04:00:00Z"}
    return results.model_copy(
        update={
            "arms": tuple(
                arm.model_copy(
                    update={"environment": ArmEnvironment(**own | environments[arm.name])}
                )
                if arm.name in environments
                else arm
                for arm in results.arms
            )
        }
    )


def recost(arm: ArmResult, **costs: Any) -> ArmResult:
    return arm.model_copy(update={"cost": arm.cost.model_copy(update=costs)})


def timed_arm_by_arm(results: Results, **latencies: list[float]) -> Results:
    """Results from before there was one measurement: no shapes, each run timed on its own."""
    left = {name: iter(values) for name, values in latencies.items()}
    arms = tuple(
        recost(arm, shape=None, latency_ms=next(left[arm.name])) if arm.name in left else arm
        for arm in results.arms
    )
    return results.model_copy(update={"arms": arms, "measurement": None})


def printed(results: Results) -> str:
    stream = io.StringIO()
    rich.console.Console(file=stream, width=80).print(summary_table(results))
    return stream.getvalue()


@pytest.mark.parametrize("disturbance", [{"jobs": 2}, {"other_load": 0.9}, {"other_load": None}])
def test_a_time_taken_beside_other_work_is_marked_and_never_the_best(make_run, disturbance) -> None:
    _, results = make_run(arms=("lora", "odd", "tiny"))
    results = trained(results, tiny=disturbance)  # the fastest of all
    for table in (quality_tables(results)[0], cost_table(results)):
        assert column(table, "Training time") == {
            "lora": ("12:24", False),
            "odd": ("12:12", True),
            "tiny": ("3:00 †", False),
        }
        assert NOTE in table.note
    assert column(cost_table(results), "Trained texts/s")["tiny"] == ("120 †", False)
    assert column(cost_table(results), "One text (ms)")["tiny"] == ("3.00", True)


@pytest.mark.parametrize("calm", [{"other_load": 0.0}, {"other_load": 0.25}])
def test_a_time_taken_alone_bears_no_mark(make_run, calm) -> None:
    _, results = make_run(arms=("lora", "tiny"))
    table = cost_table(trained(results, lora=calm, tiny=calm))
    assert column(table, "Training time")["tiny"] == ("3:00", True)
    assert "†" not in table.note


def test_one_disturbed_seed_marks_the_arm(make_run) -> None:
    _, results = make_run(arms=("lora", "tiny"), seeds=(0, 1))
    disturbed = trained(results, tiny={"jobs": 2}).arms
    arms = tuple(new if new.seed else old for old, new in zip(results.arms, disturbed, strict=True))
    table = cost_table(results.model_copy(update={"arms": arms}))
    assert column(table, "Training time")["tiny"][0].endswith(" †")


def test_without_an_environment_of_their_own_the_jobs_of_the_run_mark_all_arms(make_run) -> None:
    _, results = make_run(arms=("lora", "tiny"))
    environment = results.environment.model_copy(update={"jobs": 2})
    results = results.model_copy(update={"environment": environment})
    assert column(cost_table(results), "Training time") == {
        "lora": ("12:24 †", False),
        "tiny": ("3:00 †", False),
    }
    calm = {"jobs": 1, "other_load": 0.0}
    alone = trained(results, lora=calm, tiny=calm)
    assert column(cost_table(alone), "Training time")["tiny"] == ("3:00", True)


def test_a_teachers_time_is_marked_where_any_arm_before_was_disturbed(make_run) -> None:
    _, results = make_run(arms=("teacher", "odd", "even"), teacher="teacher")
    arms = {**results.recipe["arms"], "even": {"init": {"arm": "odd"}}}
    results = results.model_copy(update={"recipe": {**results.recipe, "arms": arms}})
    by_teacher = column(cost_table(trained(results, teacher={"jobs": 2})), "Teacher’s time")
    assert by_teacher["odd"][0] == by_teacher["even"][0] == "33:20 †"
    by_odd = column(cost_table(trained(results, odd={"jobs": 2})), "Teacher’s time")
    assert (by_odd["odd"][0], by_odd["even"][0]) == ("33:20", "33:20 †")


def test_an_ensembles_time_is_marked_where_a_member_was_disturbed(make_run) -> None:
    _, results = make_run(arms=("teacher", "odd", "even"), teacher="teacher")
    arms = {**results.recipe["arms"], "even": {"init": {"ensemble": ["lora", "odd"]}}}
    results = results.model_copy(update={"recipe": {**results.recipe, "arms": arms}})
    by_member = column(cost_table(trained(results, odd={"jobs": 2})), "Teacher’s time")
    assert (by_member["odd"][0], by_member["even"][0]) == ("33:20", "33:20 †")


def test_the_mark_stands_beside_published_figures_searches_and_in_the_terminal(make_run) -> None:
    _, results = make_run(arms=("lora", "odd"))
    results = trained(results, odd={"jobs": 2})
    ours = [
        row[-1].text
        for row in published_table(results, PUBLISHED).rows
        if row[1].text == "this run"
    ]
    assert [text.endswith("†") for text in ours] == [False, True]
    assert NOTE in published_table(results, PUBLISHED).note
    search = LayerSearchRecord(tried=(TriedLayers(layers=(1, 3), loss=1.0),), seconds=75)
    arms = tuple(arm.model_copy(update={"search": search}) for arm in results.arms)
    table = search_table(results.model_copy(update={"arms": arms}))
    assert table is not None
    assert [row[-1].text.endswith("†") for row in table.rows] == [False, True]
    text = printed(results)
    assert "12:12 †" in text.replace("\N{NO-BREAK SPACE}", " ")
    assert "† not comparable" in text
    assert "…" not in text


def test_the_mark_stands_in_the_chart_and_its_words(make_run) -> None:
    _, results = make_run(arms=("lora", "odd"))
    calm, disturbed = tradeoff_figure(results), tradeoff_figure(trained(results, odd={"jobs": 2}))
    assert "†" not in calm.svg + calm.note
    assert calm.svg.count(">odd<") == 3
    assert disturbed.svg.count(">odd<") == 2  # in the panels of latency and size
    assert disturbed.svg.replace("\N{NO-BREAK SPACE}", " ").count(">odd †<") == 1
    assert "12:12 of training (not comparable)" in disturbed.alt
    assert "12:24 of training (not comparable)" not in disturbed.alt
    assert NOTE in disturbed.note


def test_an_arm_without_figures_has_dashes_and_is_left_out_of_its_panels(make_run) -> None:
    run_dir, results = make_run(arms=("lora", "odd", "tiny"))
    blank = {"latency_ms": None, "throughput": None, "device": None, "training_seconds": 0.0}
    results = results.model_copy(
        update={"arms": (recost(results.arms[0], **blank), *results.arms[1:])}
    )
    table = cost_table(results)
    for heading in ("One text (ms)", "Texts/s", "Training time"):
        assert column(table, heading)["lora"] == ("–", False)
        assert column(table, heading)["tiny"][1]
    figure = tradeoff_figure(results)
    assert [figure.svg.count(f">{name}<") for name in ("lora", "odd", "tiny")] == [1, 3, 3]
    assert "None" not in build_report(results, run_dir).read_text()
    assert "None" not in printed(results)


def test_a_run_without_any_speed_is_judged_by_size_alone(make_run) -> None:
    run_dir, results = make_run(arms=("odd", "tiny"))
    blank = {"latency_ms": None, "throughput": None, "device": None}
    arms = tuple(recost(arm, **blank) for arm in results.arms)
    results = results.model_copy(update={"arms": arms, "measurement": None})
    verdict = judge(results)
    assert verdict.cheapest.name == "tiny"
    assert "‘tiny’ (60.0 MB on disk), 4.5 times smaller than ‘odd’" in verdict.text
    assert "fast" not in verdict.text
    assert describe_measurement(results) == ""
    page = build_report(results, run_dir).read_text()
    assert "Latency of one text" not in page


def test_where_only_some_arms_were_timed_size_alone_decides_which_is_cheapest(make_run) -> None:
    _, results = make_run(arms=("odd", "tiny"))
    arms = (results.arms[0], recost(results.arms[1], latency_ms=None))
    assert judge(results.model_copy(update={"arms": arms})).cheapest.name == "tiny"


def test_equal_shapes_that_were_timed_one_by_one_are_never_said_to_differ_in_speed(
    make_run,
) -> None:
    _, results = make_run(arms=("odd", "even"))
    results = timed_arm_by_arm(results, odd=[4.19], even=[9.23])
    verdict = judge(results)
    assert verdict.best is verdict.cheapest
    assert verdict.best.name == "even"
    assert "times as fast" not in verdict.text
    assert column(cost_table(results), "One text (ms)") == {
        "odd": ("6.71", False),
        "even": ("6.71", False),
    }
    assert [arm.first.cost.latency_ms for arm in summarise(results)] == pytest.approx([6.71] * 2)


def test_a_shape_that_was_timed_many_times_gets_the_median(make_run) -> None:
    _, results = make_run(arms=("odd", "even", "tiny"), seeds=(0, 1))
    results = timed_arm_by_arm(results, odd=[8.0, 138.0], even=[9.0, 8.5], tiny=[3.0, 3.2])
    shown = column(cost_table(results), "One text (ms)")
    assert shown == {"odd": ("8.75", False), "even": ("8.75", False), "tiny": ("3.10", True)}


def test_results_timed_one_by_one_say_so_wherever_speed_is_shown(make_run) -> None:
    run_dir, results = make_run(arms=("odd", "tiny"))
    results = timed_arm_by_arm(results, odd=[9.0], tiny=[3.0])
    said = "Speed was timed arm by arm, not in one session."
    assert said in judge(results).text
    assert said in tradeoff_figure(results).note
    assert "the median of their figures" in describe_measurement(results)
    build_report(results, run_dir)
    assert describe_measurement(results)[:60] in (run_dir / "report.md").read_text()


def test_the_cost_section_says_when_how_and_on_what_speed_was_measured(make_run) -> None:
    run_dir, results = make_run(arms=("odd", "tiny"))
    build_report(results, run_dir)
    cost = (run_dir / "report.md").read_text().split("## Cost")[1].split("\n## ")[0]
    for part in (
        "measured at 2025-01-02T04:05:06+00:00",
        "commit 0123456789ab, on Example CPU, 2 threads",
        "in 5 interleaved rounds",
        "Other programs used 0.02 processor cores during the measurement",
    ):
        assert part in cost
    assert "not in one session" not in judge(results).text


def test_speed_measured_on_a_busy_machine_is_told_beside_the_figures(make_run) -> None:
    _, results = make_run(arms=("odd", "tiny"))
    busy = {"busy": True, "other_load": 1.3, "dirty": True}
    measurement = results.measurement.model_copy(update=busy)
    results = results.model_copy(update={"measurement": measurement})
    said = "Other programs used 1.30 processor cores while speed was measured"
    assert said in judge(results).text
    assert said in tradeoff_figure(results).note
    assert said in describe_measurement(results)
    assert "with uncommitted changes" in describe_measurement(results)
    assert "busy machine" in printed(results)


RECORDED = sorted(Path(__file__).parents[2].glob("results/*/results.json"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parent.name)
def test_a_recorded_run_gives_models_of_one_architecture_depth_and_size_one_speed(
    path: Path,
) -> None:
    speeds: dict[tuple[Any, ...], set[float | None]] = {}
    for arm in summarise(Results.load(path)):
        for run in arm.runs:
            shape = (run.architecture, len(run.layers), run.cost.model_bytes)
            speeds.setdefault(shape, set()).add(run.cost.latency_ms)
    assert all(len(own) == 1 for own in speeds.values())
    assert set.union(*speeds.values()) != {None}
