"""Remove tokens that the data does not need from the vocabulary and the embedding table.

In a small model the table is about half of the weights, and most of its rows are never used.
"""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from distillora.errors import ModelError
from distillora.models.backbones import load_tokenizer


def prune_vocabulary(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], size: int
) -> PreTrainedTokenizerFast:
    """Cut a WordPiece vocabulary to ``size`` tokens.

    The model is changed in place, and the matching tokenizer is returned. Texts that are split
    into the same tokens as before keep their logits to the last bit. A word whose token was
    removed is split into shorter ones.

    Raises:
        ModelError: the tokenizer is not WordPiece, or ``size`` is less than the texts need.
    """
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    if state["model"]["type"] != "WordPiece":
        raise ModelError(
            f"A vocabulary of type {state['model']['type']} cannot be cut, only WordPiece can. "
            "Leave out `vocabulary`."
        )
    vocabulary: dict[str, int] = state["model"]["vocab"]
    if size >= len(vocabulary):
        return tokenizer
    kept = choose_tokens(tokenizer, texts, size)
    _shrink_model(model, kept)
    return _with_state(tokenizer, _renumber(state, kept))


def _with_state(
    tokenizer: PreTrainedTokenizerFast, state: dict[str, Any]
) -> PreTrainedTokenizerFast:
    """Return a tokenizer with the settings of this one and another ``tokenizer.json``.

    It is saved and loaded again, because a tokenizer's backend cannot be replaced.
    """
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        (Path(folder) / "tokenizer.json").write_text(json.dumps(state), "utf-8")
        settings = Path(folder) / "tokenizer_config.json"
        values = json.loads(settings.read_text("utf-8"))
        values.pop("added_tokens_decoder", None)  # their old numbers; the state has the new ones
        settings.write_text(json.dumps(values), "utf-8")
        return load_tokenizer(folder)


def choose_tokens(
    tokenizer: PreTrainedTokenizerFast, texts: Iterable[str], size: int
) -> tuple[int, ...]:
    """Return the ids of the tokens to keep, in ascending order.

    Special tokens and those in the texts come first; then single characters, so that every word
    can still be split into tokens; then the others in vocabulary order, which for WordPiece means
    by frequency. Tokens with a character that does not occur in the texts come last.

    Raises:
        ModelError: ``size`` is smaller than the first group.
    """
    backend = tokenizer.backend_tokenizer
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    special = {*tokenizer.all_special_tokens}
    used: set[int] = set()
    characters: set[str] = set()
    for encoding in backend.encode_batch(list(texts)):
        used.update(encoding.ids)
        characters.update(*encoding.tokens)

    def rank(item: tuple[str, int]) -> tuple[bool, bool, bool, int]:
        token, number = item
        plain = token.removeprefix("##")
        placeholder = plain.startswith("[") and plain.endswith("]") and len(plain) > 2
        foreign = placeholder or not characters.issuperset(plain)
        return token not in special and number not in used, foreign, len(plain) > 1, number

    ranked = sorted(vocabulary.items(), key=rank)
    needed = sum(not rank(item)[0] for item in ranked)
    if size < needed:
        raise ModelError(
            f"The training texts use {needed:,} tokens, so the vocabulary cannot be cut to "
            f"{size:,}. Give a larger `vocabulary`."
        )
    return tuple(sorted(number for _, number in ranked[:size]))


def _shrink_model(model: PreTrainedModel, kept: Sequence[int]) -> None:
    table: Any = model.get_input_embeddings()
    config: Any = model.config
    padding = None if config.pad_token_id is None else kept.index(config.pad_token_id)
    smaller = torch.nn.Embedding(len(kept), table.embedding_dim, padding_idx=padding)
    with torch.no_grad():
        smaller.weight.copy_(table.weight[list(kept)])
    model.set_input_embeddings(smaller)
    config.vocab_size, config.pad_token_id = len(kept), padding


def _renumber(state: dict[str, Any], kept: Sequence[int]) -> dict[str, Any]:
    """Return the tokenizer's state with id ``i`` for token ``kept[i]``."""
    state = copy.deepcopy(state)
    new = {old: number for number, old in enumerate(kept)}
    vocabulary: dict[str, int] = state["model"]["vocab"]
    state["model"]["vocab"] = {t: new[n] for t, n in vocabulary.items() if n in new}
    for token in state["added_tokens"]:
        token["id"] = new[token["id"]]
    processor = state.get("post_processor") or {}
    for token in processor.get("special_tokens", {}).values():
        token["ids"] = [new[number] for number in token["ids"]]
    for side in ("cls", "sep"):
        if side in processor:
            name, number = processor[side]
            processor[side] = [name, new[number]]
    return state
