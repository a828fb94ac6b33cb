"""Groups of modules that get an adapter, on every architecture."""

from __future__ import annotations

import pytest
from torch import nn

from adapted import lora
from distillora.errors import ModelError
from distillora.models.adapters import add_adapter
from distillora.models.layers import find_layers
from distillora.models.targets import adapted_modules, resolve_targets
from tiny import ARCHITECTURES, tiny_model

# written down from the published architectures: linear modules of one layer
ATTENTION = {
    "bert": ["attention.output.dense", "self.key", "self.query", "self.value"],
    "distilbert": ["k_lin", "out_lin", "q_lin", "v_lin"],
    "mpnet": ["attn.k", "attn.o", "attn.q", "attn.v"],
    "modernbert": ["attn.Wo", "attn.Wqkv"],
}
ATTENTION |= {"roberta": ATTENTION["bert"], "electra": ATTENTION["bert"]}
# DeBERTa's positions have projections of their own
ATTENTION["deberta-v2"] = [
    "attention.output.dense",
    *(f"self.{name}_proj" for name in ("key", "pos_key", "pos_query", "query", "value")),
]
FEED_FORWARD = 2

each_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


@each_architecture
def test_attention_means_every_linear_module_of_the_attention(architecture: str) -> None:
    model = tiny_model(architecture)
    found = sorted(resolve_targets(model, lora(targets="attention")))
    assert len(found) == len(ATTENTION[architecture])
    assert all(a.endswith(b) for a, b in zip(found, ATTENTION[architecture], strict=True))
    assert len(adapted_modules(model, lora(targets="attention"))) == 6 * len(found)


@each_architecture
def test_all_means_every_linear_module_of_every_layer_and_nothing_outside(
    architecture: str,
) -> None:
    model = tiny_model(architecture)
    found = adapted_modules(model, lora(targets="all"))
    layers = model.get_submodule(find_layers(model))
    inside = [f"{find_layers(model)}.{n}" for n, m in layers.named_modules()
              if isinstance(m, nn.Linear)]  # fmt: skip
    assert sorted(found) == sorted(inside)
    assert len(found) == 6 * (len(ATTENTION[architecture]) + FEED_FORWARD)


@each_architecture
@pytest.mark.parametrize("group", ["auto", "attention", "all"])
def test_peft_adapts_just_the_modules_that_are_meant(architecture: str, group: str) -> None:
    tuning = lora(targets=group)
    expected = adapted_modules(tiny_model(architecture), tuning)
    model = add_adapter(tiny_model(architecture), tuning)
    found = {n.split(".lora_A")[0] for n, _ in model.named_parameters() if ".lora_A." in n}
    assert found == {f"base_model.model.{name}" for name in expected}


def test_a_name_that_the_head_has_too_is_adapted_in_the_encoder_alone() -> None:
    found = adapted_modules(tiny_model("electra"), lora(targets=["dense"]))
    assert len(found) == 18 and all(name.startswith("electra.encoder.layer.") for name in found)


def test_a_misspelt_target_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ModelError, match=r"tuning\.targets: 'qeury'.*Did you mean 'query'\?"):
        resolve_targets(tiny_model(), lora(targets=["qeury"]))
