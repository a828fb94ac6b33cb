"""Writing a trained arm to disk, and looking whether what is there is what was trained."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from distillora.artifacts import ArmLayout, seal_folder, write_folder_atomic
from distillora.data.tokens import TokenizedSplit
from distillora.models.adapters import is_adapted, merge_adapter, save_adapter
from distillora.models.preflight import check_moved, take_probe


def save_model(model: Any, folder: ArmLayout, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write the weights that ship, with configuration and tokenizer, and seal the folder."""

    def write(part: Path) -> None:
        model.save_pretrained(part)
        tokenizer.save_pretrained(part)

    save_sealed(folder.model, write)


def save_sealed(folder: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a folder, and seal it: whole or not at all."""

    def write_and_seal(part: Path) -> None:
        write(part)
        seal_folder(part)

    write_folder_atomic(folder, write_and_seal)


def save_arm(
    model: Any,
    folder: ArmLayout,
    tokenizer: PreTrainedTokenizerFast,
    tokens: TokenizedSplit,
    make_base: Callable[[], Any],
    load_saved: Callable[[], Any],
) -> None:
    """Write a trained model; of an adapted one the adapter too, and its weights merged.

    Args:
        tokens: some texts, on which an adapted model, its adapter on a fresh base and its merged
            weights must agree.
        make_base: makes the base of an adapted model anew.
        load_saved: loads what this function wrote.

    Raises:
        AdapterError: the adapters did not move, or what is on disk says something else.
        IntegrityError: the base is no longer what it was.
    """
    model = model.cpu()
    if not is_adapted(model):
        save_model(model, folder, tokenizer)
        return
    check_moved(model)
    probe = take_probe(model, tokens, tokenizer.pad_token_id)
    write_folder_atomic(folder.adapter, functools.partial(save_adapter, model))
    reloaded = probe.check_reload(make_base(), folder.adapter)
    save_model(merge_adapter(model), folder, tokenizer)
    probe.check_merged(load_saved(), folder.model, reloaded)
