"""What a fingerprint tells apart although everything else in it is equal."""

from __future__ import annotations

from pathlib import Path

from distillora.artifacts import RunLayout
from distillora.evaluation.results import Fingerprint
from distillora.pipeline.context import Task, prepare_context
from distillora.pipeline.fingerprint import take_fingerprint
from distillora.pipeline.plan import plan_run
from distillora.pipeline.run_data import read_data
from distillora.progress import Reporter
from distillora.recipe import parse_recipe


def fingerprint(task: str, folder: Path) -> Fingerprint:
    floor = {"init": {"baseline": "tfidf"}, "training": {"best_metric": "f1_macro"}}
    data = {"source": "sample", "limit": 140}
    recipe = parse_recipe({"name": "mine", "task": task, "data": data, "arms": {"floor": floor}})
    dataset = read_data(recipe)[1]
    plan, layout = plan_run(recipe, dataset), RunLayout(folder)
    context = prepare_context(plan, layout, dataset, {}, Reporter(quiet=True), 1)
    return take_fingerprint(context, Task("floor", 0), {})


def test_the_task_counts_where_the_metric_does_not_tell_it(tmp_path: Path) -> None:
    single, several = (fingerprint(task, tmp_path) for task in ("single_label", "multi_label"))
    assert single.settings == several.settings and single.data == several.data
    assert single.labels != several.labels
