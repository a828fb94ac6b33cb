"""A smaller vocabulary: texts that it can still spell keep their logits to the last bit."""

from __future__ import annotations

import string
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from distillora.errors import ModelError
from distillora.exporting.vocabulary import prune_vocabulary
from tiny import tiny_model, tiny_tokenizer

WORDS = ["good", "bad", "day", "##ing", "##ly", "night", "été", "日", "sun", "##shine", "moon"]
TEXTS = ["Good day", "bad fooding", "nightly good", "the quick brown fox jumps over a lazy dog"]


def wordpiece() -> Any:
    letters = [*string.ascii_lowercase, *(f"##{c}" for c in string.ascii_lowercase)]
    tokens = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *WORDS]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(strip_accents=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 3), ("[SEP]", 4)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        **{"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]"},
        **{"sep_token": "[SEP]", "mask_token": "[MASK]"},
    )


def logits(model: Any, tokenizer: Any, text: str) -> torch.Tensor:
    tokens = tokenizer(text, return_tensors="pt")
    with torch.inference_mode():
        return model(tokens["input_ids"], attention_mask=tokens["attention_mask"]).logits


def prune(size: int) -> tuple[Any, Any]:
    model, tokenizer = tiny_model(vocab_size=len(wordpiece())), wordpiece()
    return model, prune_vocabulary(model, tokenizer, TEXTS, size)


def test_texts_that_can_be_spelt_as_before_keep_their_logits_exactly() -> None:
    whole, full = tiny_model(vocab_size=len(wordpiece())), wordpiece()
    model, tokenizer = prune(65)
    assert len(tokenizer) == model.config.vocab_size == 65
    assert model.get_input_embeddings().weight.shape[0] == 65
    for text in [*TEXTS, "day night daying", "zebra", "[MASK] day", ""]:
        assert tokenizer.tokenize(text) == full.tokenize(text)
        assert torch.equal(logits(model, tokenizer, text), logits(whole, full, text))


def test_what_the_texts_use_stays_and_placeholders_and_foreign_scripts_go_first() -> None:
    kept = prune(65)[1].get_vocab()
    assert {"good", "day", "bad", "##ing", "##ly", "night", "a", "##z"} <= {*kept}
    assert not {"[unused0]", "été", "日"} & {*kept}


def test_a_word_whose_token_is_gone_is_spelt_with_shorter_ones() -> None:
    _, tokenizer = prune(65)
    assert "moon" not in tokenizer.get_vocab()
    assert tokenizer.tokenize("moon") == ["m", "##o", "##o", "##n"]


def test_special_tokens_keep_their_part() -> None:
    _, tokenizer = prune(65)
    ids = tokenizer("good")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["[CLS]", "good", "[SEP]"]
    assert tokenizer.pad_token_id == tokenizer.get_vocab()["[PAD]"]


def test_a_vocabulary_that_is_small_enough_is_left_as_it_is() -> None:
    before = wordpiece().get_vocab()
    assert prune(10_000)[1].get_vocab() == before


def test_fewer_tokens_than_the_texts_need_are_refused() -> None:
    with pytest.raises(ModelError, match=r"use \d+ tokens, so the vocabulary cannot be cut to 8"):
        prune(8)


def test_a_vocabulary_of_another_kind_is_refused() -> None:
    with pytest.raises(ModelError, match="WordLevel cannot be cut"):
        prune_vocabulary(tiny_model(), tiny_tokenizer(), TEXTS, 10)
