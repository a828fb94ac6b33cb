"""Variants of LoRA: what they compute, what they train, what they leave on disk."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification

from adapted import VARIANTS, logits, lora, take_steps
from distillora.models.adapters import add_adapter, load_adapter, merge_adapter, save_adapter
from distillora.models.backbones import build_on_meta, count_parameters
from tiny import ARCHITECTURES, LABELS, tiny_config, tiny_model

each_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)
each_variant = pytest.mark.parametrize("variant", VARIANTS)

WIDTH, INNER, RANK, LAYERS = 16, 32, 4, 6


def tiny_adapted(variant: str, architecture: str = "bert") -> Any:
    return add_adapter(tiny_model(architecture), lora(**VARIANTS[variant]))


@each_architecture
@each_variant
def test_a_new_adapter_leaves_the_outputs_as_they_were(variant: str, architecture: str) -> None:
    before = logits(tiny_model(architecture))
    torch.testing.assert_close(logits(tiny_adapted(variant, architecture)), before)


@each_architecture
@each_variant
def test_merged_and_reloaded_models_say_what_the_trained_one_says(
    variant: str, architecture: str, tmp_path: Path
) -> None:
    model = take_steps(tiny_adapted(variant, architecture))
    expected = logits(model)
    assert (expected - logits(tiny_model(architecture))).abs().max() > 0.01
    save_adapter(model, tmp_path / "adapter")
    for load in (load_adapter, PeftModel.from_pretrained):
        loaded = load(tiny_model(architecture), tmp_path / "adapter")
        torch.testing.assert_close(logits(loaded), expected, atol=2e-5, rtol=1e-4)
    merge_adapter(copy.deepcopy(model)).save_pretrained(tmp_path / "model")
    merged, info = AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "model", output_loading_info=True
    )
    assert not info["missing_keys"] and not info["unexpected_keys"]
    torch.testing.assert_close(logits(merged), expected, atol=2e-5, rtol=1e-4)


@each_variant
def test_a_step_changes_all_that_is_trainable_and_nothing_else(variant: str) -> None:
    model = tiny_adapted(variant)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    take_steps(model)
    changed = {name for name, w in model.named_parameters() if not torch.equal(before[name], w)}
    assert changed == {name for name, w in model.named_parameters() if w.requires_grad}
    assert any(".lora_A." in name for name in changed)
    assert any(".lora_B." in name for name in changed)
    assert any("classifier" in name for name in changed)


def test_rank_stabilised_updates_are_scaled_by_alpha_over_the_root_of_the_rank() -> None:
    base = tiny_model()
    weight = base.bert.encoder.layer[2].attention.self.query.weight.detach().clone()
    model = take_steps(add_adapter(base, lora(rslora=True, rank=4, alpha=6)))
    query = model.get_base_model().bert.encoder.layer[2].attention.self.query
    update = query.lora_B.default.weight @ query.lora_A.default.weight
    merged = merge_adapter(model).bert.encoder.layer[2].attention.self.query.weight
    torch.testing.assert_close(merged, weight + 6 / math.sqrt(4) * update)


def test_dora_scales_each_row_to_its_learnt_magnitude() -> None:
    base = tiny_model()
    weight = base.bert.encoder.layer[2].attention.self.value.weight.detach().clone()
    model = take_steps(add_adapter(base, lora(dora=True)))
    value = model.get_base_model().bert.encoder.layer[2].attention.self.value
    moved = weight + 2 * value.lora_B.default.weight @ value.lora_A.default.weight
    magnitude = value.lora_magnitude_vector.default.weight.detach()
    expected = magnitude[:, None] * moved / moved.norm(dim=1, keepdim=True)
    merged = merge_adapter(model).bert.encoder.layer[2].attention.self.value.weight
    assert not torch.allclose(magnitude, weight.norm(dim=1), atol=1e-4)
    torch.testing.assert_close(merged, expected)


def head() -> int:
    return (WIDTH * WIDTH + WIDTH) + (WIDTH * len(LABELS) + len(LABELS))


SQUARE, OBLONG = RANK * (WIDTH + WIDTH), RANK * (WIDTH + INNER)
COUNTS = {
    "plain": LAYERS * 2 * SQUARE,
    "rslora": LAYERS * 2 * SQUARE,
    "dora": LAYERS * 2 * (SQUARE + WIDTH),
    "attention": LAYERS * 4 * SQUARE,
    "all": LAYERS * (4 * SQUARE + 2 * OBLONG),
    "everything": LAYERS * (4 * SQUARE + 2 * OBLONG + 4 * WIDTH + INNER + WIDTH),
}


@each_variant
def test_as_many_weights_are_trained_as_the_formula_says(variant: str) -> None:
    whole = count_parameters(tiny_model())[1]
    learnt = COUNTS[variant] + head()
    real = tiny_adapted(variant)
    planned = add_adapter(build_on_meta(tiny_config()), lora(**VARIANTS[variant]))
    # PEFT counts the frozen copy of the head, so that it is in the total twice
    assert count_parameters(real) == count_parameters(planned) == (learnt, whole + learnt)
    assert real.get_nb_trainable_parameters() == (learnt, whole + learnt)
