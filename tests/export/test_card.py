"""What a card says of a model without looking at the data: its base, an example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from distillora.exporting.card import base_model, example_text
from distillora.recipe import Recipe, parse_recipe


def recipe(init: dict[str, Any]) -> Recipe:
    student = {"init": {"arm": "teacher", "layers": "odd"}, "objective": {"distillation": 1.0}}
    return parse_recipe({"name": "cards", "arms": {"teacher": {"init": init}, "student": student}})


@pytest.mark.parametrize(
    ("init", "expected"),
    [
        ({"backbone": "bundled"}, "sentence-transformers/all-MiniLM-L6-v2"),
        ({"backbone": "google-bert/bert-base-uncased"}, "google-bert/bert-base-uncased"),
        ({"classifier": "owner/ready-made"}, "owner/ready-made"),
        ({"backbone": "/models/own-encoder"}, None),
    ],
)
def test_the_base_of_a_student_is_what_its_teacher_started_from(
    init: dict[str, Any], expected: str | None
) -> None:
    assert base_model(recipe(init), "teacher") == expected
    assert base_model(recipe(init), "student") == expected


def test_random_weights_and_a_folder_that_looks_like_an_id_have_no_base_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert base_model(recipe({"backbone": "bundled", "weights": "random"}), "teacher") is None
    (tmp_path / "models" / "own").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert base_model(recipe({"backbone": "models/own"}), "teacher") is None


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("joy", "anger", "neutral"), "thanks a lot!"),
        (("billing_problem", "login"), "This is about: billing problem"),
        (("0", "1", "Störung"), "This is about: Störung"),
        (("0", "1"), "The text to classify"),
        (('say "hi"\\', "other"), "This is about: say hi"),
    ],
)
def test_the_example_is_made_of_a_label(labels: tuple[str, ...], expected: str) -> None:
    assert example_text(labels) == expected
