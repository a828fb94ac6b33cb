"""What waits for what."""

from __future__ import annotations

from typing import Any

from distillora.pipeline.schedule import Task, plan_tasks
from distillora.recipe import parse_recipe


def tasks(objective: dict[str, Any]) -> dict[Task, frozenset[Task]]:
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
    assert planned[Task("teacher", 3)] == frozenset()
    assert planned[Task("student", 3)] == {Task("teacher", 3)}


def test_who_learns_from_a_teacher_at_all_seeds_waits_for_them_all() -> None:
    planned = tasks({"distillation": 1.0, "teacher_seeds": "all"})
    assert planned[Task("student", 3)] == {Task("teacher", 0), Task("teacher", 3)}


def test_a_baseline_is_made_once() -> None:
    arms = {"floor": {"init": {"baseline": "tfidf"}}, "teacher": {"init": {"backbone": "bundled"}}}
    planned = plan_tasks(parse_recipe({"name": "mine", "arms": arms, "seeds": [4, 1]}))
    assert list(planned) == [Task("floor", 4), Task("teacher", 4), Task("teacher", 1)]
