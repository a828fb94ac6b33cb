"""LoRA adapters (Hu et al. 2021, arXiv 2106.09685) through PEFT, the head always trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import (
    LoraConfig,
    PeftModel,
    TaskType,
    get_peft_model,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from distillora.errors import IntegrityError
from distillora.models.hashes import weights_sha256
from distillora.models.heads import head_modules
from distillora.models.layers import copy_weights
from distillora.models.targets import adapted_modules
from distillora.recipe import LoraTuning

BASE_RECORD = "base.json"
_WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True)
class AdapterStart:
    """What an adapted model was before it was trained.

    Attributes:
        base_name: where the base model came from.
        base_sha256: a hash of the base's weights without the head (a new head is random, so it
            says nothing about the base).
        weights: the trainable weights, by name, in memory of their own.
    """

    base_name: str
    base_sha256: str
    weights: Mapping[str, Tensor]


def add_adapter(model: PreTrainedModel, tuning: LoraTuning) -> Any:
    """Freeze the encoder and add trainable low-rank adapters; the head stays trainable.

    PEFT keeps a frozen copy of the head beside the one that is trained, and its total counts both.

    Raises:
        ModelError: a target does not fit the model.
    """
    targets, head = adapted_modules(model, tuning), head_modules(model)
    digest = "" if model.device.type == "meta" else weights_sha256(model, head)
    config = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=tuning.rank,
        lora_alpha=tuning.alpha,
        lora_dropout=tuning.dropout,
        use_rslora=tuning.rslora,
        use_dora=tuning.dora,
        target_modules=targets,
        modules_to_save=head,
    )
    adapted = get_peft_model(model, config)
    weights = {n: w.detach().clone() for n, w in adapted.named_parameters() if w.requires_grad}
    adapted.start = AdapterStart(_name(model), digest, weights)
    return adapted


def is_adapted(model: nn.Module) -> bool:
    """Whether a model carries adapters."""
    return isinstance(model, PeftModel)


def head_weights(model: Any) -> list[nn.Parameter]:
    """Return the weights of a model's head that are trained, whether it carries adapters or not."""
    base = model.get_base_model() if is_adapted(model) else model
    modules = [base.get_submodule(name) for name in head_modules(base)]
    return [w for module in modules for w in module.parameters() if w.requires_grad]


def adapter_state(model: Any) -> dict[str, Tensor]:
    """Return the weights that belong to the adapter's folder: the factors and the head.

    They share memory with the model.
    """
    # embeddings never change here, and looking for resized ones would ask the Hub
    state: dict[str, Tensor] = get_peft_model_state_dict(model, save_embedding_layers=False)
    return state


def merge_adapter(model: Any) -> Any:
    """Return the plain model with the adapters added into its weights: W + (alpha / r) B A."""
    return model.merge_and_unload(safe_merge=True)


def save_adapter(model: Any, folder: Path) -> None:
    """Write adapters and head as safetensors, and which base they belong to, as ``base.json``."""
    model.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
    record = {"name": model.start.base_name, "weights_sha256": model.start.base_sha256}
    (folder / BASE_RECORD).write_text(json.dumps(record, indent=1))


def load_adapter(base: PreTrainedModel, folder: Path) -> Any:
    """Put saved adapters and head onto the base model that they were trained on.

    PEFT's own loading (``PeftModel.from_pretrained``) asks for no base in particular, and only
    warns of factors that are missing.

    Raises:
        IntegrityError: the base is another one, the folder does not say which it was, or weights
            are missing from it.
    """
    name, expected = _read_base(folder)
    config = LoraConfig.from_pretrained(folder)
    found = weights_sha256(base, config.modules_to_save)
    if found != expected:
        raise IntegrityError(
            f"The adapter in {folder} was trained on '{name}' with weights of sha256 "
            f"{expected[:12]}..., not on '{_name(base)}' with {found[:12]}... It does not fit "
            "any other base. Load it on the first, with the same layers kept."
        )
    try:
        weights = load_file(folder / _WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise IntegrityError(
            f"{folder / _WEIGHTS} cannot be read: {error}. Train the arm again."
        ) from None
    adapted = get_peft_model(base, config)
    if odd := sorted(adapter_state(adapted).keys() ^ weights.keys()):
        raise IntegrityError(
            f"The adapter in {folder} lacks weights, or has some that do not belong to it: "
            f"{odd[0]} ({len(odd)} in all). Train the arm again."
        )
    set_peft_model_state_dict(adapted, weights)
    adapted.start = AdapterStart(_name(base), found, {})
    return adapted.eval()


def _read_base(folder: Path) -> tuple[str, str]:
    """Return the name of an adapter's base and the hash of its weights."""
    try:
        record = json.loads((folder / BASE_RECORD).read_text())
        return str(record["name"]), str(record["weights_sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        raise IntegrityError(
            f"{folder} does not say which base its adapter was trained on: {BASE_RECORD} is "
            "missing or broken. Train the arm again, or load it with PEFT if you know the base."
        ) from None


def _name(model: PreTrainedModel) -> str:
    return model.name_or_path or type(model).__name__


def load_weights(model: Any, folder: Path) -> None:
    """Put saved weights back into a model of the same make: all of them, or adapters and head."""
    if is_adapted(model):
        set_peft_model_state_dict(model, load_file(folder / _WEIGHTS))
    else:
        copy_weights(model, load_file(folder / "model.safetensors"))
