"""LoRA adapters on every architecture, against PEFT's own loading and the paper's formula."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification

from distillora.errors import ModelError
from distillora.models.adapters import (
    add_adapter,
    is_adapted,
    load_adapter,
    load_weights,
    merge_adapter,
    save_adapter,
)
from distillora.models.layers import keep_layers
from distillora.models.targets import resolve_targets
from distillora.recipe import LoraTuning
from tiny import ARCHITECTURES, tiny_batch, tiny_model

each_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)
TUNING = LoraTuning(method="lora", rank=4, alpha=8, dropout=0.0, targets="auto")


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        return model.eval()(**tiny_batch()).logits


def take_steps(model: Any, steps: int = 3) -> Any:
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        model(**tiny_batch(), labels=torch.tensor([0, 1, 2])).loss.backward()
        optimizer.step()
    return model.eval()


def snapshot(model: Any) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


@each_architecture
def test_a_new_adapter_changes_nothing(architecture: str) -> None:
    base = tiny_model(architecture)
    before = logits(base)
    assert torch.equal(logits(add_adapter(base, TUNING)), before)


@each_architecture
def test_adapters_and_head_learn_and_the_encoder_does_not(architecture: str) -> None:
    model = add_adapter(tiny_model(architecture), TUNING)
    assert is_adapted(model)
    before = snapshot(model)
    take_steps(model)
    changed = {name for name, w in model.named_parameters() if not torch.equal(before[name], w)}
    trainable = {name for name, w in model.named_parameters() if w.requires_grad}
    assert changed == trainable
    assert all("lora_" in name or "modules_to_save" in name for name in changed)
    assert any("lora_A" in name for name in changed) and any("lora_B" in name for name in changed)
    assert any("classifier" in name for name in changed)


@each_architecture
def test_every_layer_gets_an_adapter_by_default(architecture: str) -> None:
    model = add_adapter(tiny_model(architecture), TUNING)
    factors = [name for name, _ in model.named_parameters() if "lora_A" in name]
    assert len(factors) == 6 * len(resolve_targets(tiny_model(architecture), TUNING))


@each_architecture
def test_a_saved_adapter_on_a_fresh_base_gives_the_same_logits(
    architecture: str, tmp_path: Path
) -> None:
    model = take_steps(add_adapter(tiny_model(architecture), TUNING))
    save_adapter(model, tmp_path)
    assert (tmp_path / "adapter_model.safetensors").is_file()
    assert not list(tmp_path.glob("*.bin"))
    ours = load_adapter(tiny_model(architecture), tmp_path)
    pefts = PeftModel.from_pretrained(tiny_model(architecture), tmp_path)
    assert torch.equal(logits(ours), logits(model))
    assert torch.equal(logits(pefts), logits(model))


@each_architecture
def test_merged_weights_give_the_same_logits_and_load_again_without_peft(
    architecture: str, tmp_path: Path
) -> None:
    model = take_steps(add_adapter(tiny_model(architecture), TUNING))
    expected = logits(model)
    merged = merge_adapter(copy.deepcopy(model))
    assert not is_adapted(merged)
    torch.testing.assert_close(logits(merged), expected, atol=1e-5, rtol=1e-5)
    merged.save_pretrained(tmp_path)
    loaded, info = AutoModelForSequenceClassification.from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert torch.equal(logits(loaded), logits(merged))


@each_architecture
def test_merging_adds_alpha_over_rank_times_b_times_a(architecture: str) -> None:
    base = tiny_model(architecture)
    before = {name: weight.clone() for name, weight in base.state_dict().items()}
    model = take_steps(add_adapter(base, TUNING))
    factors = {n: w.detach().clone() for n, w in model.named_parameters() if "lora_" in n}
    merged = merge_adapter(model).state_dict()
    for name, a in factors.items():
        if "lora_A" not in name:
            continue
        b = factors[name.replace("lora_A", "lora_B")]
        place = name.removeprefix("base_model.model.").replace("lora_A.default.", "")
        torch.testing.assert_close(merged[place], before[place] + (8 / 4) * b @ a)


@each_architecture
def test_lora_on_a_student_of_odd_layers_learns(architecture: str) -> None:
    model = add_adapter(keep_layers(tiny_model(architecture), (1, 3, 5)), TUNING)
    start = logits(model)
    take_steps(model)
    assert not torch.allclose(logits(model), start)


@pytest.mark.parametrize("adapted", [True, False], ids=["lora", "full"])
def test_weights_of_a_checkpoint_go_back_into_a_model_of_the_same_make(
    adapted: bool, tmp_path: Path
) -> None:
    def make() -> Any:
        return add_adapter(tiny_model(), TUNING) if adapted else tiny_model()

    trained = take_steps(make())
    trained.save_pretrained(tmp_path)
    fresh = make()
    assert not torch.allclose(logits(fresh), logits(trained))
    load_weights(fresh, tmp_path)
    assert torch.equal(logits(fresh), logits(trained))


def test_targets_may_be_named_by_the_end_of_their_path() -> None:
    tuning = LoraTuning(method="lora", targets=("attention.output.dense", "key"))
    model = add_adapter(tiny_model(), tuning)
    adapted = {n.split(".lora_A")[0] for n, _ in model.named_parameters() if "lora_A" in n}
    assert len(adapted) == 12
    assert all(name.endswith(("attention.output.dense", "self.key")) for name in adapted)


def test_a_target_that_is_not_there_is_refused_with_those_that_are() -> None:
    tuning = LoraTuning(method="lora", targets=("q_lin",))
    with pytest.raises(ModelError, match=r"'q_lin' matches no linear module.*dense, key, query"):
        add_adapter(tiny_model(), tuning)


def test_an_architecture_without_default_targets_is_refused_with_its_modules() -> None:
    from transformers import RoFormerConfig

    config = RoFormerConfig(
        vocab_size=20,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
    )
    model = AutoModelForSequenceClassification.from_config(config)
    with pytest.raises(ModelError, match=r"no default targets for roformer.*query"):
        add_adapter(model, TUNING)
