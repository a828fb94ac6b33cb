"""Which modules of an encoder get an adapter."""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel

from distillora.errors import ModelError, did_you_mean
from distillora.models.heads import head_modules
from distillora.models.layers import find_layers
from distillora.recipe import LoraTuning

# query and value, as in the LoRA paper (section 7.1), by the names of each architecture;
# ModernBERT has one projection for query, key and value
_QUERY_AND_VALUE = {
    "bert": ("query", "value"),
    "roberta": ("query", "value"),
    "electra": ("query", "value"),
    "distilbert": ("q_lin", "v_lin"),
    "mpnet": ("attn.q", "attn.v"),
    "deberta-v2": ("query_proj", "value_proj"),
    "modernbert": ("Wqkv",),
}


def resolve_targets(model: PreTrainedModel, tuning: LoraTuning) -> list[str]:
    """Return the endings of the names of the modules that get an adapter.

    Raises:
        ModelError: a name matches no linear module, or the architecture has no default.
    """
    linear = _linear_modules(model)
    known = sorted({name.rsplit(".", 1)[-1] for name in linear})
    for target in (targets := _named_targets(model, tuning, known)):
        if not any(_ends_with(name, target) for name in linear):
            raise ModelError(
                f"tuning.targets: '{target}' matches no linear module of "
                f"{type(model).__name__}.{did_you_mean(target, known)}"
            )
    return targets


def adapted_modules(model: PreTrainedModel, tuning: LoraTuning) -> list[str]:
    """Return the full names of the modules that get an adapter.

    Raises:
        ModelError: as ``resolve_targets``.
    """
    targets = resolve_targets(model, tuning)
    return [name for name in _linear_modules(model) if any(_ends_with(name, t) for t in targets)]


def _named_targets(model: PreTrainedModel, tuning: LoraTuning, known: list[str]) -> list[str]:
    """Return the names that the recipe gives, or those of the group that it names."""
    if tuning.targets == "auto":
        targets = _QUERY_AND_VALUE.get(model.config.model_type)
        if targets is None:
            raise ModelError(
                f"tuning.targets: LoRA has no default targets for {model.config.model_type}: "
                f"name them, or set `attention` or `all`. Its linear modules: {', '.join(known)}."
            )
        return list(targets)
    if tuning.targets in ("attention", "all"):
        return _inside_a_layer(model, attention_only=tuning.targets == "attention")
    return list(tuning.targets)


def _inside_a_layer(model: PreTrainedModel, *, attention_only: bool) -> list[str]:
    """Return the names, inside a layer, of its linear modules."""
    # ModernBERT's layers differ in a norm only, so the last one has the names of all
    layer = model.get_submodule(find_layers(model))[-1]
    names = [name for name, module in layer.named_modules() if isinstance(module, nn.Linear)]
    # `attention` in the BERT family, `attn` in ModernBERT
    return [
        name for name in names if not attention_only or name.startswith(("attention.", "attn."))
    ]


def _linear_modules(model: PreTrainedModel) -> list[str]:
    """Return the full names of the linear modules of the encoder, which may get an adapter."""
    head = tuple(f"{name}." for name in head_modules(model))
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and name.startswith(f"{model.base_model_prefix}.")
        and not name.startswith(head)
    ]


def _ends_with(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")
