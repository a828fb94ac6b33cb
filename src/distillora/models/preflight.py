"""LoRA preflight: checks for known failures, before training and after saving.

Each takes seconds at most. A failure raises an error of ``errors.py``; an unusual learning rate is
only a warning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from transformers import PreTrainedModel

from distillora.data.tokens import TokenizedSplit
from distillora.errors import AdapterError
from distillora.models.adapters import adapter_state, load_adapter, merge_adapter
from distillora.models.forward import predict_logits
from distillora.models.heads import head_modules

# LoRA's best rate is about ten times that of full fine-tuning, at any rank (Schulman and Thinking
# Machines 2025, "LoRA Without Regret"); the LoRA paper's table 9 has 2e-4 to 5e-4 for RoBERTa
LOWEST_RATE, HIGHEST_RATE = 1e-4, 1e-2

_ROWS = 16
# of the largest logit, or weight of a tensor; rounding in float32 is some hundred times smaller
_LOGIT_TOLERANCE, _WEIGHT_TOLERANCE = 1e-4, 1e-5
_NEXT = "It is not used. Run the same command again; if it fails again, report it with the recipe."


def check_learning_rate(rate: float) -> str | None:
    """Return a warning if adapters would hardly learn, or diverge, at this learning rate."""
    if LOWEST_RATE <= rate <= HIGHEST_RATE:
        return None
    what, outcome = ("high", "diverge") if rate > HIGHEST_RATE else ("low", "hardly move")
    return (
        f"training.learning_rate {rate:.3g} is {what} for LoRA: adapters may {outcome}. "
        f"{LOWEST_RATE:g} to {HIGHEST_RATE:g} is usual; try 1e-3."
    )


def check_trainable(model: Any) -> None:
    """Make sure, before training, that adapters and head learn and that all of it will be saved.

    Raises:
        AdapterError: there are no adapters; a part of the head, or an adapter, is frozen; or
            something learns that the adapter's folder would leave out.
    """
    factors = {n: w for n, w in model.named_parameters() if "lora_" in n}
    if not factors:
        raise AdapterError(
            "The model has no adapters: no module was adapted. Set tuning.targets to `auto`, "
            "`attention` or `all`."
        )
    _refuse_frozen("adapter", factors)
    base = model.get_base_model()
    for name in head_modules(base):
        inside = base.get_submodule(name).named_parameters(name)
        # PEFT keeps a frozen copy of the head beside the trained one
        _refuse_frozen("head", {n: w for n, w in inside if "original_module." not in n})
    saved = {weight.data_ptr() for weight in adapter_state(model).values()}
    for name, weight in model.named_parameters():
        if weight.requires_grad and weight.data_ptr() not in saved:
            raise AdapterError(
                f"{name} is trained, but it would not be saved with the adapter. Train only what "
                "tuning.targets names, and the head."
            )


def _refuse_frozen(what: str, weights: dict[str, nn.Parameter]) -> None:
    frozen = [name for name, weight in weights.items() if not weight.requires_grad]
    if frozen:
        raise AdapterError(
            f"The {what} is not trained: {frozen[0]} is frozen ({len(frozen)} of {len(weights)} "
            "weights). Add adapters with add_adapter, and freeze nothing afterwards."
        )


def check_moved(model: Any) -> None:
    """Make sure, after training, that every adapter and every module of the head has changed.

    Of an adapter, B must have: it starts at zero, where the adapter does nothing.

    Raises:
        AdapterError: one is, to the last bit, what it was before training.
    """
    now = dict(model.named_parameters())
    moved: dict[str, bool] = {}
    for name, before in model.start.weights.items():
        part = _part(name)
        if part:
            changed = not torch.equal(now[name].detach().cpu(), before.cpu())
            moved[part] = moved.get(part, False) or changed
    still = [part for part, changed in moved.items() if not changed]
    if still:
        raise AdapterError(
            f"{len(still)} of {len(moved)} trained parts did not move at all, {still[0]} first. "
            "Check that there are more than a few steps (training.epochs, data.limit), that "
            "training.warmup is not all of them, and that the learning rate is about 1e-3."
        )


def _part(name: str) -> str:
    """Return what must change as one: the module with this B, or a module of the head."""
    for sign in (".lora_B.", ".modules_to_save."):
        before, found, _ = name.partition(sign)
        if found:
            return before.removeprefix("base_model.model.")
    return ""


@dataclass(frozen=True)
class Probe:
    """A few texts, and the logits that the trained model in memory gives them.

    Attributes:
        tokens: the texts.
        pad_token_id: of the tokenizer.
        logits: float32, shape (rows, labels).
    """

    tokens: TokenizedSplit
    pad_token_id: int
    logits: npt.NDArray[np.float32]

    def check_reload(self, base: PreTrainedModel, folder: Path) -> Any:
        """Make sure that the saved adapter on a fresh base gives the same logits; return both.

        Raises:
            IntegrityError: the base is not the one that the adapter was trained on.
            AdapterError: the logits differ.
        """
        reloaded = load_adapter(base, folder)
        self._compare_logits(reloaded, f"The adapter in {folder}, loaded onto its base,")
        return reloaded

    def check_merged(self, merged: nn.Module, folder: Path, reloaded: Any) -> None:
        """Make sure that the merged model, as loaded from its folder, gives the same logits.

        Its weights must also be those of the reloaded adapter merged, because a single adapter may
        change the logits too little to notice. ``reloaded`` is merged in place.

        Raises:
            AdapterError: the logits or the weights differ.
        """
        what = f"The merged model in {folder}"
        self._compare_logits(merged, what)
        expected = merge_adapter(reloaded).state_dict()
        for name, weight in merged.state_dict().items():
            difference = float((weight.float() - expected[name].float()).abs().max())
            if not difference <= _WEIGHT_TOLERANCE * float(expected[name].float().abs().max()):
                raise AdapterError(
                    f"{what} is not the base with its adapter: {name} differs by up to "
                    f"{difference:.2g}. {_NEXT}"
                )

    def _compare_logits(self, model: nn.Module, what: str) -> None:
        found = predict_logits(model, self.tokens, self.pad_token_id)
        difference = float(np.abs(found - self.logits).max())
        # written so that NaN fails, too
        if not difference <= _LOGIT_TOLERANCE * max(1.0, float(np.abs(self.logits).max())):
            raise AdapterError(
                f"{what} does not give the logits of the trained model: logits differ by up to "
                f"{difference:.2g}. {_NEXT}"
            )


def take_probe(model: nn.Module, tokens: TokenizedSplit, pad_token_id: int) -> Probe:
    """Return the logits of the trained model, adapters included, for the first rows of a split."""
    rows = tokens.first(_ROWS)
    return Probe(rows, pad_token_id, predict_logits(model, rows, pad_token_id))


def preflight(model: Any, rate: float, warn: Callable[[str], None]) -> None:
    """Run the checks before training.

    Raises:
        AdapterError: as :func:`check_trainable`.
    """
    check_trainable(model)
    if warning := check_learning_rate(rate):
        warn(warning)
