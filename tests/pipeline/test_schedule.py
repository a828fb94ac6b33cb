"""What waits for what."""

from __future__ import annotations

from typing import Any

from distillora.pipeline.context import Needs, Task
from distillora.pipeline.plan import plan_run, plan_tasks
from distillora.pipeline.run_data import read_data
from distillora.recipe import parse_recipe


def tasks(objective: dict[str, Any]) -> dict[Task, Needs]:
    arms = {
        "student": {"init": {"arm": "teacher", "layers": "odd"}, "objective": objective},
        "teacher": {"init": {"backbone": "bundled"}},
    }
    return plan_tasks(parse_recipe({"name": "mine", "arms": arms, "seeds": [0, 3]}))


def test_an_arm_comes_at_all_seeds_after_what_it_needs_at_its_own() -> None:
    planned = tasks({"distillation": 1.0})
    assert list(planned) == [
        Task("teacher", 0),
        Task("teacher", 3),
        Task("student", 0),
        Task("student", 3),
    ]
    assert planned[Task("teacher", 3)] == Needs(None, ())
    assert planned[Task("student", 3)].parents == (Task("teacher", 3),)


def test_who_learns_from_a_teacher_at_all_seeds_waits_for_them_all() -> None:
    planned = tasks({"distillation": 1.0, "teacher_seeds": "all"})
    needs = planned[Task("student", 3)]
    assert needs.origin == Task("teacher", 3)
    assert set(needs.parents) == {Task("teacher", 0), Task("teacher", 3)}


def test_a_baseline_is_made_once() -> None:
    arms = {"floor": {"init": {"baseline": "tfidf"}}, "teacher": {"init": {"backbone": "bundled"}}}
    planned = plan_tasks(parse_recipe({"name": "mine", "arms": arms, "seeds": [4, 1]}))
    assert list(planned) == [Task("floor", 4), Task("teacher", 4), Task("teacher", 1)]


ARMS: dict[str, Any] = {
    "both": {"init": {"ensemble": ["odd", "teacher"]}},
    "pair": {"init": {"ensemble": ["odd", "teacher"], "ensemble_seeds": "own"}},
    "odd": {"init": {"arm": "teacher", "layers": "odd"}},
    "teacher": {"init": {"backbone": "bundled"}},
}


def test_ensembles_come_last_once_over_all_seeds_or_at_each_of_their_own() -> None:
    planned = plan_tasks(parse_recipe({"name": "mine", "arms": ARMS, "seeds": [4, 1]}))
    members = {task: needs.members for task, needs in planned.items()}
    assert list(members.items())[4:] == [
        (Task("both", 4), (Task("odd", 4), Task("odd", 1), Task("teacher", 4), Task("teacher", 1))),
        (Task("pair", 4), (Task("odd", 4), Task("teacher", 4))),
        (Task("pair", 1), (Task("odd", 1), Task("teacher", 1))),
    ]
    assert not any(list(members.values())[:4])


def test_ensembles_are_never_trained() -> None:
    recipe = parse_recipe(
        {"name": "mine", "arms": ARMS, "seeds": [4, 1], "data": {"source": "sample", "limit": 140}}
    )
    plan = plan_run(recipe, read_data(recipe)[1])
    assert {task.arm for task in plan.to_train} == {"odd", "teacher"}
    assert plan.arms["both"].total == 2 * (plan.arms["odd"].total + plan.arms["teacher"].total)
