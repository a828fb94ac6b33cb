"""A ready model that teaches without being trained is known by its configuration, too."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from distillora.errors import RunFolderError
from distillora.evaluation.results import ArmResult, Results
from distillora.models.backbones import load_config
from distillora.models.hashes import config_sha256
from distillora.pipeline import compare
from distillora.progress import Reporter
from distillora.recipe import parse_recipe

Values = dict[str, Any]


def run(values: Values, out: Path, *, retrain: bool = False) -> Results:
    results = compare(parse_recipe(values), out, Reporter(quiet=True), retrain_changed=retrain)
    assert results is not None
    return results


def arm(results: Results, name: str) -> ArmResult:
    return next(found for found in results.arms if found.name == name)


def set_epsilon(ready: Path, epsilon: float) -> None:
    path = ready / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"layer_norm_eps": epsilon}))


@pytest.fixture
def ready(tiny_recipe: Values, tmp_path: Path) -> tuple[Values, Path]:
    """A recipe whose student has a backbone of its own and learns from a ready classifier."""
    start = {"init": tiny_recipe["arms"]["teacher"]["init"]}
    tiny_recipe["arms"] = {"teacher": start}
    run(tiny_recipe, tmp_path / "first")
    folder = tmp_path / "ready"
    shutil.copytree(tmp_path / "first" / "arms" / "teacher" / "seed-0" / "model", folder)
    tiny_recipe["arms"] = {
        "teacher": {"init": {"classifier": str(folder)}, "tuning": {"method": "none"}},
        "student": {**start, "objective": {"distillation": 1.0, "teacher": "teacher"}},
    }
    return tiny_recipe, folder


@pytest.mark.slow
def test_another_configuration_of_equal_weights_is_another_teacher(
    ready: tuple[Values, Path], tmp_path: Path
) -> None:
    values, folder = ready
    before = run(values, tmp_path / "run")
    set_epsilon(folder, 1.0)
    with pytest.raises(RunFolderError, match="student"):
        run(values, tmp_path / "run")
    after = run(values, tmp_path / "run", retrain=True)
    fresh = run(values, tmp_path / "fresh")
    assert arm(after, "teacher").weights_sha256 == arm(before, "teacher").weights_sha256
    assert arm(after, "student").weights_sha256 != arm(before, "student").weights_sha256
    assert arm(after, "student").weights_sha256 == arm(fresh, "student").weights_sha256


@pytest.mark.slow
def test_a_student_that_was_left_out_meanwhile_is_not_reused_with_another_teacher(
    ready: tuple[Values, Path], tmp_path: Path
) -> None:
    values, folder = ready
    run(values, tmp_path / "run")
    set_epsilon(folder, 1.0)
    run(values | {"arms": {"teacher": values["arms"]["teacher"]}}, tmp_path / "run", retrain=True)
    with pytest.raises(RunFolderError, match=r"the weights of 'teacher, seed 0' changed"):
        run(values, tmp_path / "run")


def test_the_hash_of_a_configuration_leaves_out_who_wrote_it(backbone: Path) -> None:
    config = load_config(str(backbone), None, ("a", "b"), multi_label=False)
    before = config_sha256(config)
    config.name_or_path, config.transformers_version = "elsewhere", "0"
    assert config_sha256(config) == before
    config.layer_norm_eps = 1e-3
    assert config_sha256(config) != before
