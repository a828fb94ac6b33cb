"""In which precision teachers speak, and which of them are said to have taught."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from distillora.evaluation.results import ArmResult
from distillora.pipeline import compare
from distillora.progress import Reporter
from distillora.recipe import parse_recipe
from distillora.runtime import resolve_precision

pytestmark = pytest.mark.slow


def run(values: dict[str, Any], out: Path, **objective: Any) -> dict[tuple[str, int], ArmResult]:
    """Make a teacher and a student that trains in fp32, with further keys of its objective."""
    odd = values["arms"]["odd"]
    odd["objective"] = {"labels": 0.5, "distillation": 0.5, **objective}
    arms = {"teacher": values["arms"]["teacher"], "odd": odd}
    training = values["training"] | {"epochs": 1, "precision": "fp32"}
    recipe = parse_recipe(values | {"arms": arms, "training": training})
    results = compare(recipe, out, Reporter(quiet=True))
    assert results is not None
    return {(arm.name, arm.seed): arm for arm in results.arms}


def outputs(out: Path) -> tuple[dict[str, Any], np.ndarray[Any, Any]]:
    (about,) = out.glob("cache/teacher-outputs/*/about.json")
    return json.loads(about.read_text())["key"], np.load(about.parent / "logits.npy")


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_the_teacher_speaks_in_the_precision_that_the_recipe_names(
    precision: str, tiny_recipe: dict[str, Any], tmp_path: Path
) -> None:
    arms = run(tiny_recipe, tmp_path / "run", teacher_precision=precision)
    assert arms["odd", 0].teacher_precision == precision
    assert (arms["odd", 0].teachers, arms["odd", 0].teacher_seeds) == (("teacher",), (0,))
    key, logits = outputs(tmp_path / "run")
    assert key["precision"] == precision
    folder = tmp_path / "run/arms/teacher/seed-0/model"
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    lines = (Path(tiny_recipe["data"]["path"]) / "train.tsv").read_text().splitlines()
    for row in range(0, len(lines), 7):
        batch = tokenizer(lines[row].split("\t")[0], return_tensors="pt")
        with torch.inference_mode():
            exact = model(batch["input_ids"]).logits[0].numpy()
        gap = np.abs(logits[row] - exact).max()
        # bf16 keeps 8 bits of the significand
        assert gap < (1e-5 if precision == "fp32" else 0.05)
    rounded = torch.from_numpy(logits).bfloat16().float().numpy()
    assert np.array_equal(rounded, logits) == (precision == "bf16")


def test_without_a_word_it_speaks_as_the_hardware_computes_and_not_as_the_student_trains(
    tiny_recipe: dict[str, Any], tmp_path: Path
) -> None:
    arms = run(tiny_recipe, tmp_path / "run")
    assert arms["odd", 0].teacher_precision == resolve_precision("auto")
    assert outputs(tmp_path / "run")[0]["precision"] == resolve_precision("auto")
    assert (arms["teacher", 0].teacher_precision, arms["teacher", 0].teacher_seeds) == (None, ())


def test_teachers_of_all_seeds_are_named_at_every_seed(
    tiny_recipe: dict[str, Any], tmp_path: Path
) -> None:
    values = tiny_recipe | {"seeds": [3, 1]}
    arms = run(values, tmp_path / "run", teacher_seeds="all")
    assert [arms["odd", seed].teacher_seeds for seed in (3, 1)] == [(1, 3), (1, 3)]
    assert "teacher’s outputs in" in (tmp_path / "run/report.md").read_text()
