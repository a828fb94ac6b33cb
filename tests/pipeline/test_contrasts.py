"""The recipe's questions on their way through the main job."""

from __future__ import annotations

from pathlib import Path

import pytest

from distillora.pipeline import compare
from distillora.progress import Reporter
from distillora.recipe import parse_recipe
from tiny import tiny_recipe_values

pytestmark = pytest.mark.slow

QUIET = Reporter(quiet=True)
ASKED = {"question": "Does the student reach its teacher?", "first": "odd", "second": "teacher"}


def test_questions_may_be_asked_of_a_finished_run_without_training_anything_again(
    tmp_path: Path, backbone: Path, data_folder: Path
) -> None:
    values = tiny_recipe_values(backbone, data_folder)
    values["arms"] = {name: values["arms"][name] for name in ("teacher", "odd")}
    before = compare(parse_recipe(values), tmp_path / "run", QUIET)
    assert before is not None and before.evidence is not None
    assert before.evidence.contrasts == ()
    asked = compare(parse_recipe(values | {"contrasts": [ASKED]}), tmp_path / "run", QUIET)
    assert asked is not None and asked.evidence is not None
    (found,) = asked.evidence.contrasts
    assert (found.question, found.metric) == (ASKED["question"], asked.evidence.headline)
    assert found.difference == asked.evidence.difference("odd", "teacher")
    assert [arm.weights_sha256 for arm in asked.arms] == [arm.weights_sha256 for arm in before.arms]
    assert "Does the student reach its teacher?" in (tmp_path / "run" / "report.md").read_text()
