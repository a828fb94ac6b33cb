"""A student from scratch: the shape of a pretrained encoder, and none of its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from distillora.artifacts import RunLayout
from distillora.pipeline import show_plan
from distillora.pipeline.context import prepare_context
from distillora.pipeline.methods.build import build_model, pick_layers
from distillora.pipeline.methods.encoder_plan import encoder_plan
from distillora.pipeline.plan import plan_run
from distillora.pipeline.run_data import read_data
from distillora.progress import Reporter
from distillora.recipe import parse_recipe
from distillora.runtime import set_seed


def sample(arms: dict[str, Any]) -> dict[str, Any]:
    return {"name": "scratch", "data": {"source": "sample", "limit": 140}, "arms": arms}


def build(values: dict[str, Any], name: str, seed: int, tmp_path: Path) -> Any:
    recipe = parse_recipe(values)
    _, dataset = read_data(recipe)
    plan, layout = plan_run(recipe, dataset), RunLayout(tmp_path)
    context = prepare_context(plan, layout, dataset, {}, Reporter(quiet=True), 1).at(seed)
    set_seed(seed)
    own = encoder_plan(context.plans, name)
    layers = pick_layers(context, own)
    return build_model(context, own, layers)


def scratch_of(backbone: Path, **init: Any) -> dict[str, Any]:
    return {"init": {"backbone": str(backbone), "weights": "random", **init}}


def equal(one: Any, two: Any) -> list[str]:
    """Name the matrices (not the biases of 0, not the norms of 1) that are alike."""
    theirs = two.state_dict()
    return [
        name
        for name, tensor in one.state_dict().items()
        if tensor.ndim > 1 and torch.equal(tensor, theirs[name])
    ]


def test_random_weights_are_those_of_the_seed_and_of_nothing_pretrained(
    backbone: Path, tmp_path: Path
) -> None:
    values = sample({"scratch": scratch_of(backbone)})
    # the tiny "pretrained" encoder was itself drawn with seed 0
    model = build(values, "scratch", 1, tmp_path)
    matrices = [name for name, tensor in model.state_dict().items() if tensor.ndim > 1]
    assert equal(model, build(values, "scratch", 1, tmp_path)) == matrices
    assert equal(model, build(values, "scratch", 2, tmp_path)) == []
    pretrained = load_file(backbone / "model.safetensors")
    for name, tensor in pretrained.items():
        if tensor.ndim > 1:
            assert not torch.equal(model.base_model.state_dict()[name], tensor)
    words = model.base_model.embeddings.word_embeddings.weight
    assert words[1:].std().item() == pytest.approx(model.config.initializer_range, rel=0.1)


@pytest.mark.parametrize("architecture", ["same", "distilbert"])
def test_a_random_student_has_the_shape_of_the_pretrained_one(
    backbone: Path, tmp_path: Path, architecture: str
) -> None:
    shape = {"layers": "even", "architecture": architecture, "output_bias": "frequencies"}
    scratch = scratch_of(backbone, **shape)
    cut = {"init": {"backbone": str(backbone), **shape}}
    values = sample({"scratch": scratch, "cut": cut})
    one, two = (build(values, name, 1, tmp_path) for name in ("scratch", "cut"))
    assert type(one) is type(two)
    shapes = [{name: t.shape for name, t in m.state_dict().items()} for m in (one, two)]
    assert shapes[0] == shapes[1]
    assert one.config.num_hidden_layers == 3
    assert torch.equal(one.classifier.bias, two.classifier.bias)
    assert equal(one, two) == []


def test_the_plan_says_that_weights_are_random_and_counts_the_floor(
    backbone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = sample(
        {"floor": {"init": {"baseline": "tfidf"}}, "scratch": scratch_of(backbone, layers=[0, 2])}
    )
    recipe = parse_recipe(values)
    plans = plan_run(recipe, read_data(recipe)[1]).arms
    assert plans["floor"].total % 28 == 0 and plans["floor"].total > 28
    assert plans["scratch"].describe_init() == (
        f"random weights in the shape of {backbone}, layers 0, 2 of 6"
    )
    Console(width=200).print(show_plan(recipe, Path("nowhere")))
    assert "TF-IDF of words" in capsys.readouterr().out
