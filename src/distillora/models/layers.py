"""Choosing layers of a model, and building a smaller model of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel

from distillora.errors import ModelError


def choose_layers(
    rule: str | Sequence[int], n_layers: int, count: int | None = None, seed: int = 0
) -> tuple[int, ...]:
    """Return the indices (from 0) of the layers to keep, in rising order.

    Args:
        rule: ``all``; ``odd`` (1, 3, 5, ...); ``even`` (0, 2, 4, ...); ``first``, ``last`` or
            ``uniform`` (evenly spread, both ends included); ``random``; or the indices themselves.
        n_layers: how many layers there are.
        count: how many to keep. ``odd`` and ``even`` keep all of theirs by default, and with a
            count an evenly spread part of them; the other rules keep half by default.
        seed: of ``random``.

    Raises:
        ModelError: an index is out of range or not rising, or there are too few layers.

    >>> choose_layers("odd", 6), choose_layers("even", 12, 3), choose_layers("uniform", 12, 4)
    ((1, 3, 5), (0, 4, 10), (0, 4, 7, 11))
    """
    if not isinstance(rule, str):
        return _check_indices(tuple(rule), n_layers)
    candidates = tuple(range(n_layers))
    if rule == "all":
        return candidates
    if rule in ("odd", "even"):
        candidates = candidates[rule == "odd" :: 2]
        count = len(candidates) if count is None else count
    count = max(1, n_layers // 2) if count is None else count
    if not 1 <= count <= len(candidates):
        raise ModelError(
            f"The rule '{rule}' cannot choose {count} of {n_layers} layers, only 1 to "
            f"{len(candidates)}. Keep fewer, or start from a deeper model."
        )
    if rule == "first":
        return candidates[:count]
    if rule == "last":
        return candidates[-count:]
    if rule == "random":
        drawn = np.random.default_rng(seed).choice(n_layers, count, replace=False)
        return tuple(sorted(drawn.tolist()))
    return _spread(candidates, count)


def _check_indices(indices: tuple[int, ...], n_layers: int) -> tuple[int, ...]:
    if not indices:
        raise ModelError("The list of layers is empty; keep at least one.")
    if len(indices) > n_layers:
        raise ModelError(f"{len(indices)} layers are listed, and the model has only {n_layers}.")
    for index in indices:
        if not 0 <= index < n_layers:
            raise ModelError(
                f"Layer index {index} is out of range: a model of {n_layers} layers has "
                f"0 to {n_layers - 1}."
            )
    if list(indices) != sorted(set(indices)):
        raise ModelError(f"Layer indices must increase, each listed once: {list(indices)}")
    return indices


def _spread(candidates: Sequence[int], count: int) -> tuple[int, ...]:
    if count == 1:
        return (candidates[len(candidates) // 2],)
    step = (len(candidates) - 1) / (count - 1)
    return tuple(candidates[round(i * step)] for i in range(count))


def find_layers(model: PreTrainedModel) -> str:
    """Return the name of the ModuleList that holds the layers, e.g. ``bert.encoder.layer``.

    Raises:
        ModelError: the layers are not in one ModuleList (ALBERT shares one layer, for example).
    """
    n_layers = model.config.num_hidden_layers
    found = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == n_layers
    ]
    if len(found) != 1:
        raise ModelError(
            f"{type(model).__name__} cannot be used: its {n_layers} layers are not in one list. "
            "BERT, RoBERTa, ELECTRA, DistilBERT, MPNet, DeBERTa-v2 and ModernBERT work."
        )
    return str(found[0])


def config_with_layers(config: PreTrainedConfig, layers: Sequence[int]) -> PreTrainedConfig:
    """Return a copy of a configuration for a model of these layers alone."""
    n_layers = config.num_hidden_layers
    values = config.to_dict()
    per_layer = {
        key: [value[i] for i in layers]
        for key, value in values.items()
        # ModernBERT's layer_types: full or sliding attention, one entry a layer
        if key.startswith("layer_") and isinstance(value, list) and len(value) == n_layers
    }
    depth = config.attribute_map.get("num_hidden_layers", "num_hidden_layers")
    return type(config).from_dict({**values, **per_layer, depth: len(layers)})


def select_weights(
    weights: Mapping[str, Tensor], prefix: str, layers: Sequence[int]
) -> dict[str, Tensor]:
    """Keep the weights of these layers under ``prefix``, renumbered, and all other weights."""
    new_number = {old: new for new, old in enumerate(layers)}
    kept = {}
    for name, tensor in weights.items():
        if not name.startswith(f"{prefix}."):
            kept[name] = tensor
            continue
        old, _, rest = name[len(prefix) + 1 :].partition(".")
        if int(old) in new_number:
            kept[f"{prefix}.{new_number[int(old)]}.{rest}"] = tensor
    return kept


def keep_layers(model: PreTrainedModel, layers: Sequence[int]) -> PreTrainedModel:
    """Make a student: the model's embeddings, head and these of its layers, copied.

    The student is built from its own configuration, so a saved student loads again unchanged.
    ModernBERT has no norm before the attention of its first layer: a student whose first layer
    comes from further up leaves that norm behind.
    """
    layers = _check_indices(tuple(layers), model.config.num_hidden_layers)
    prefix = find_layers(model)
    student = build_from_config(config_with_layers(model.config, layers))
    copy_weights(
        student, select_weights(model.state_dict(), prefix, layers), optional=f"{prefix}.0."
    )
    return student


def build_from_config(config: PreTrainedConfig) -> Any:
    """Build a classifier with random weights; the random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        return AutoModelForSequenceClassification.from_config(config, trust_remote_code=False)


def copy_weights(model: nn.Module, weights: Mapping[str, Tensor], optional: str = "\0") -> None:
    """Fill every parameter of a model; weights under the prefix ``optional`` may be left over.

    Raises:
        ModelError: a parameter would stay random, or a weight has no place.
    """
    outcome = model.load_state_dict(weights, strict=False)
    left_over = [name for name in outcome.unexpected_keys if not name.startswith(optional)]
    if outcome.missing_keys or left_over:
        raise ModelError(
            f"The weights do not fit {type(model).__name__}: missing {outcome.missing_keys[:3]}, "
            f"left over {left_over[:3]}."
        )
