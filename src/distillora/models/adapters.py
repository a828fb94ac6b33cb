"""LoRA adapters (Hu et al. 2021, arXiv 2106.09685) through PEFT, the head always trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftModel, TaskType, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file
from torch import nn
from transformers import PreTrainedModel

from distillora.errors import ModelError
from distillora.models.layers import copy_weights
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
    """Return the names of the modules that get an adapter.

    Raises:
        ModelError: a name matches no linear module, or the architecture has no default.
    """
    linear = {
        name for name, module in model.base_model.named_modules() if isinstance(module, nn.Linear)
    }
    known = sorted({name.rsplit(".", 1)[-1] for name in linear})
    if tuning.targets == "auto":
        targets = _QUERY_AND_VALUE.get(model.config.model_type)
        if targets is None:
            raise ModelError(
                f"LoRA has no default targets for {model.config.model_type}: name them in "
                f"tuning.targets. Its linear modules: {', '.join(known)}."
            )
    else:
        targets = tuning.targets
    for target in targets:
        if not any(name == target or name.endswith(f".{target}") for name in linear):
            raise ModelError(
                f"tuning.targets: '{target}' matches no linear module of "
                f"{type(model).__name__}. Its linear modules: {', '.join(known)}."
            )
    return list(targets)


def head_modules(model: PreTrainedModel) -> list[str]:
    """Return the names of the modules with parameters that are not the pretrained encoder.

    A pooler inside the encoder counts as head: it feeds the classifier alone.
    """
    prefix = model.base_model_prefix
    outer = [name for name, module in model.named_children() if name != prefix]
    inner = [f"{prefix}.pooler"] if getattr(model.base_model, "pooler", None) is not None else []
    modules = dict(model.named_modules())
    return [name for name in (*inner, *outer) if any(True for _ in modules[name].parameters())]


def add_adapter(model: PreTrainedModel, tuning: LoraTuning) -> Any:
    """Freeze the encoder and add trainable low-rank adapters; the head stays trainable.

    PEFT keeps a frozen copy of the head beside the trained one, which its total counts too.
    """
    config = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=tuning.rank,
        lora_alpha=tuning.alpha,
        lora_dropout=tuning.dropout,
        target_modules=resolve_targets(model, tuning),
        modules_to_save=head_modules(model),
    )
    return get_peft_model(model, config)


def is_adapted(model: nn.Module) -> bool:
    """Whether a model carries adapters."""
    return isinstance(model, PeftModel)


def merge_adapter(model: Any) -> Any:
    """Return the plain model with the adapters added into its weights: W + (alpha / r) B A."""
    return model.merge_and_unload(safe_merge=True)


def save_adapter(model: Any, folder: Path) -> None:
    """Write adapters and head as safetensors."""
    model.save_pretrained(folder, safe_serialization=True)


def load_adapter(base: PreTrainedModel, folder: Path) -> Any:
    """Put saved adapters and head onto the base model that they were trained on."""
    return PeftModel.from_pretrained(base, str(folder))


def load_weights(model: Any, folder: Path) -> None:
    """Put saved weights back into a model of the same make: all of them, or adapters and head."""
    if is_adapted(model):
        set_peft_model_state_dict(model, load_file(folder / "adapter_model.safetensors"))
    else:
        copy_weights(model, load_file(folder / "model.safetensors"))
