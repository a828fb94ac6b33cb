"""Parameter counts of the published models, from configurations alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import BertConfig, DistilBertConfig

from distillora.models.adapters import add_adapter
from distillora.models.backbones import build_on_meta, count_parameters
from distillora.models.distilbert import distilbert_config
from distillora.models.layers import choose_layers, config_with_layers
from distillora.recipe import LoraTuning

LABELS = 28


def bert_base() -> Any:
    return BertConfig(num_labels=LABELS)


def six_layers() -> Any:
    return config_with_layers(bert_base(), choose_layers("odd", 12))


@pytest.mark.parametrize(
    ("config", "total"),
    [
        (bert_base(), 109_503_772),
        (six_layers(), 66_976_540),
        (distilbert_config(six_layers()), 66_975_004),
        (DistilBertConfig(num_labels=LABELS), 66_975_004),
    ],
    ids=["BERT-base", "its 6-layer student", "as DistilBERT", "DistilBERT-base"],
)
def test_counts_are_the_known_ones_and_all_are_trainable(config: Any, total: int) -> None:
    model = build_on_meta(config)
    assert all(weight.device == torch.device("meta") for weight in model.parameters())
    assert count_parameters(model) == (total, total)


def test_lora_on_distilbert_trains_about_one_in_ninety() -> None:
    tuning = LoraTuning(method="lora", rank=8, targets=("q_lin", "v_lin"))
    model = add_adapter(build_on_meta(DistilBertConfig(num_labels=LABELS)), tuning)
    width, layers, rank = 768, 6, 8
    adapters = layers * 2 * (width * rank + rank * width)
    head = (width * width + width) + (width * LABELS + LABELS)
    assert count_parameters(model) == (adapters + head, 66_975_004 + adapters + head)
    assert (adapters + head, 66_975_004 + adapters + head) == (759_580, 67_734_584)
