"""Models of a few thousand parameters, built in code, one of each supported architecture."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    RobertaConfig,
)

LABELS = ("joy", "anger", "sadness", "surprise", "neutral")
VOCAB = 200

_SIZE: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": 16,
    "num_hidden_layers": 6,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 140,
    "id2label": dict(enumerate(LABELS)),
    "label2id": {label: i for i, label in enumerate(LABELS)},
}

_BUILDERS: dict[str, Any] = {
    "bert": BertConfig,
    "roberta": RobertaConfig,
    "electra": lambda **size: ElectraConfig(embedding_size=16, **size),
    "distilbert": DistilBertConfig,
    "mpnet": MPNetConfig,
    "deberta-v2": lambda **size: DebertaV2Config(
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
        position_buckets=16,
        conv_kernel_size=3,
        **size,
    ),
    "modernbert": lambda **size: ModernBertConfig(
        local_attention=8,
        bos_token_id=1,
        eos_token_id=2,
        cls_token_id=1,
        sep_token_id=2,
        **{"pad_token_id": 0, **size},
    ),
}

ARCHITECTURES = tuple(_BUILDERS)


def tiny_config(architecture: str = "bert", **changes: Any) -> Any:
    size = {**_SIZE, **changes}
    if architecture == "distilbert":
        names = {
            "hidden_size": "dim",
            "num_hidden_layers": "n_layers",
            "num_attention_heads": "n_heads",
            "intermediate_size": "hidden_dim",
        }
        size = {names.get(key, key): value for key, value in size.items()}
    return _BUILDERS[architecture](**size)


def tiny_model(architecture: str = "bert", seed: int = 0, **changes: Any) -> Any:
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_config(tiny_config(architecture, **changes))
    return model.eval()


def tiny_batch(rows: int = 3, length: int = 9) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    ids = torch.randint(5, VOCAB, (rows, length), generator=generator)
    mask = torch.ones_like(ids)
    ids[-1, length - 3 :], mask[-1, length - 3 :] = 1, 0
    return {"input_ids": ids, "attention_mask": mask}
