"""The head of a classifier: its modules, and the layer that puts out the logits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel

from distillora.errors import ModelError


def head_modules(model: PreTrainedModel) -> list[str]:
    """Return the names of the modules with parameters that are not the pretrained encoder.

    A pooler inside the encoder counts as head: it feeds the classifier alone.
    """
    prefix = model.base_model_prefix
    outer = [name for name, module in model.named_children() if name != prefix]
    inner = [f"{prefix}.pooler"] if getattr(model.base_model, "pooler", None) is not None else []
    modules = dict(model.named_modules())
    return [name for name in (*inner, *outer) if any(True for _ in modules[name].parameters())]


def set_output_bias(model: PreTrainedModel, bias: npt.NDArray[np.float32]) -> None:
    """Let the head's last layer start from this bias, shape (labels,).

    Raises:
        ModelError: the head has no linear layer with a bias for each label.
    """
    layer = output_layer(model)
    if layer.bias is None:
        raise ModelError(
            f"{type(model).__name__} has no output bias. Set init.output_bias to zero."
        )
    with torch.no_grad():
        layer.bias.copy_(torch.from_numpy(bias))


def has_output_bias(model: PreTrainedModel) -> bool:
    """Whether the layer that puts out the logits has a bias."""
    return output_layer(model).bias is not None


def output_layer(model: PreTrainedModel) -> torch.nn.Linear:
    """Return the layer that puts out the logits, the last linear one of the head.

    Raises:
        ModelError: there is none with one output for each label.
    """
    linear = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    if not linear or linear[-1].out_features != model.config.num_labels:
        raise ModelError(
            f"{type(model).__name__} does not end in one linear output for each label."
        )
    return linear[-1]
