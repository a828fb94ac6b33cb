"""LoRA arms through the main job: variants, the preflight's warning, planted traps."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from distillora.data.sources import load_dataset
from distillora.errors import AdapterError, IntegrityError
from distillora.evaluation.results import ArmResult
from distillora.models.adapters import load_adapter
from distillora.models.backbones import load_classifier
from distillora.models.hashes import weights_sha256
from distillora.pipeline import compare
from distillora.pipeline.methods import encoder
from distillora.pipeline.plan import plan_run
from distillora.progress import Reporter
from distillora.recipe import parse_recipe

QUIET = Reporter(quiet=True)
EVERYTHING = {"method": "lora", "rank": 4, "targets": "all", "rslora": True, "dora": True}


def only(values: dict[str, Any], *names: str, **tuning: Any) -> dict[str, Any]:
    """Keep these arms, and change the tuning of the last."""
    values["arms"] = {name: values["arms"][name] for name in names}
    values["arms"][names[-1]]["tuning"] = {
        **{"method": "lora", "rank": 4, "targets": "auto"},
        **tuning,
    }
    return values


def arm(results: Any, name: str) -> ArmResult:
    return next(a for a in results.arms if a.name == name)


@pytest.mark.parametrize(
    ("tuning", "line"),
    [
        ({}, "LoRA rank 4, alpha 16, dropout 0.1 on query, value"),
        ({"targets": "attention"}, "on the 4 linear modules of every attention"),
        ({"targets": ["key"]}, "on key"),
        (
            EVERYTHING,
            "DoRA rank 4, alpha 16 (rank-stabilised, scale 8), dropout 0.1 on all 6 linear modules "
            "of every layer",
        ),
    ],
)
def test_the_plan_says_on_one_line_what_adapters_do(
    tiny_recipe: dict[str, Any], tuning: dict[str, Any], line: str
) -> None:
    recipe = parse_recipe(only(tiny_recipe, "lora", **tuning))
    plan = plan_run(recipe, load_dataset(recipe.data)).arms["lora"]
    assert plan.describe_tuning().endswith(line)
    assert "\n" not in plan.describe_tuning()


@pytest.mark.slow
def test_a_student_with_every_variant_is_planned_trained_and_merged_right(
    tiny_recipe: dict[str, Any], tmp_path: Path
) -> None:
    values = only(tiny_recipe, "teacher", "hybrid", **EVERYTHING)
    results = compare(parse_recipe(values), tmp_path, QUIET)
    assert results is not None
    hybrid, folder = arm(results, "hybrid"), tmp_path / "arms/hybrid/seed-0"
    assert (hybrid.layers, "DoRA" in hybrid.tuning) == ((1, 3, 5), True)
    labels = results.data.labels
    merged = load_classifier(str(folder / "model"), None, labels, multi_label=False)
    assert weights_sha256(merged) == hybrid.weights_sha256
    teacher = load_classifier(
        str(tmp_path / "arms/teacher/seed-0/model"), None, labels, multi_label=False
    )
    for new, old in enumerate((1, 3, 5)):
        trained, before = merged.bert.encoder.layer[new], teacher.bert.encoder.layer[old]
        for module in ("attention.self.query", "output.dense"):
            weights = [layer.get_submodule(module).weight for layer in (trained, before)]
            assert not torch.equal(*weights)
        norms = [layer.output.LayerNorm.weight for layer in (trained, before)]
        assert torch.equal(*norms)


@pytest.mark.slow
def test_a_learning_rate_that_is_too_low_for_lora_is_warned_of_and_used(
    tiny_recipe: dict[str, Any], tmp_path: Path
) -> None:
    values = only(tiny_recipe, "lora")
    values["training"] |= {"learning_rate": 2e-5, "epochs": 1}
    said = io.StringIO()
    assert (
        compare(parse_recipe(values), tmp_path, Reporter(Console(file=said, width=300))) is not None
    )
    assert "warning: training.learning_rate 2e-05 is low for LoRA" in said.getvalue()


@pytest.mark.slow
def test_adapters_that_cannot_move_end_the_run_before_anything_is_judged(
    tiny_recipe: dict[str, Any], tmp_path: Path
) -> None:
    values = only(tiny_recipe, "lora")
    # a single step, and the warm-up begins at a learning rate of zero
    values["training"] |= {"epochs": 1, "batch_size": 60}
    with pytest.raises(AdapterError, match="did not move at all"):
        compare(parse_recipe(values), tmp_path, QUIET)
    assert not (tmp_path / "arms/lora/seed-0/model").exists()
    assert not (tmp_path / "arms/lora/seed-0/training.json").exists()


@pytest.mark.slow
def test_a_base_that_changes_while_its_adapter_is_trained_is_noticed(
    tiny_recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = encoder.build_base
    calls: list[str] = []

    def changing(context: Any, plan: Any, layers: Any) -> Any:
        model = build(context, plan, layers)
        model.bert.encoder.layer[0].output.dense.weight.data[0, 0] += 0.1
        calls.append(plan.name)
        return model

    # what the adapter is put on after training; the base that it was trained on is built elsewhere
    monkeypatch.setattr(encoder, "build_base", changing)
    with pytest.raises(IntegrityError, match=r"was trained on .* not on"):
        compare(parse_recipe(only(tiny_recipe, "lora")), tmp_path, QUIET)
    assert calls == ["lora"]
    assert not (tmp_path / "arms/lora/seed-0/training.json").exists()


@pytest.mark.slow
def test_the_adapter_of_a_run_goes_onto_its_teacher_and_onto_nothing_else(
    tiny_recipe: dict[str, Any], tmp_path: Path
) -> None:
    values = only(tiny_recipe, "teacher", "lora")
    values["arms"]["lora"]["init"] = {"arm": "teacher"}
    results = compare(parse_recipe({**values, "seeds": [0, 1]}), tmp_path, QUIET)
    assert results is not None
    adapter = tmp_path / "arms/lora/seed-0/adapter"
    assert set(json.loads((adapter / "base.json").read_text())) == {"name", "weights_sha256"}
    teachers = [
        load_classifier(
            str(tmp_path / f"arms/teacher/seed-{seed}/model"),
            None,
            results.data.labels,
            multi_label=False,
        )
        for seed in (0, 1)
    ]
    load_adapter(teachers[0], adapter)
    with pytest.raises(IntegrityError, match=r"teacher/seed-0.*teacher/seed-1"):
        load_adapter(teachers[1], adapter)
