"""What the main job refuses, before it trains or writes anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from distillora.artifacts import lock_folder
from distillora.errors import ModelError, RunFolderError
from distillora.pipeline import compare
from distillora.progress import Reporter
from distillora.recipe import parse_recipe
from tiny import LABELS, tiny_model


def run(values: dict[str, Any], out: Path) -> None:
    compare(parse_recipe(values), out, Reporter(quiet=True))


def test_a_folder_in_use_by_another_run_is_refused(
    tiny_recipe: dict[str, Any], tmp_path: Path
) -> None:
    with lock_folder(tmp_path / "run"), pytest.raises(RunFolderError, match="in use"):
        run(tiny_recipe, tmp_path / "run")


def test_a_folder_that_holds_other_things_is_left_alone(
    tiny_recipe: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(RunFolderError, match="holds other files"):
        run(tiny_recipe, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("arm_name", "key", "value", "message"),
    [
        ("odd", "init", {"arm": "teacher", "layers": [0, 9]}, "arms.odd: Layer index 9 is out"),
        (
            "odd",
            "init",
            {"arm": "teacher", "layers": "last", "count": 7},
            "arms.odd: The rule .last. cannot choose 7",
        ),
        ("odd", "init", {"arm": "teacher", "layers": [0, 1, 2, 3, 4, 5, 6]}, "7 layers are listed"),
        ("lora", "tuning", {"method": "lora", "targets": ["q_lin"]}, "'q_lin' matches no"),
        ("lora", "init", {"backbone": "./nowhere"}, "arms.lora: The model folder"),
    ],
)
def test_an_arm_that_cannot_be_made_is_refused_before_any_training(
    tiny_recipe: dict[str, Any],
    tmp_path: Path,
    arm_name: str,
    key: str,
    value: Any,
    message: str,
) -> None:
    tiny_recipe["arms"][arm_name][key] = value
    with pytest.raises(ModelError, match=message):
        run(tiny_recipe, tmp_path / "run")
    assert not (tmp_path / "run" / "arms").exists()


def test_a_teacher_with_other_labels_is_refused(
    tiny_recipe: dict[str, Any], tmp_path: Path
) -> None:
    theirs = dict(enumerate([*LABELS[:2], "boredom", LABELS[3]]))
    tiny_model(id2label=theirs, label2id={v: k for k, v in theirs.items()}).save_pretrained(
        tmp_path / "classifier"
    )
    tiny_recipe["arms"] = {
        "teacher": {
            "init": {"classifier": str(tmp_path / "classifier")},
            "tuning": {"method": "none"},
        }
    }
    with pytest.raises(ModelError, match="'boredom' as label 2"):
        run(tiny_recipe, tmp_path / "run")
