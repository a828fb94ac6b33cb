"""A BERT as a DistilBERT with the same hidden states.

DistilBERT (Sanh et al. 2019, arXiv 1910.01108) is a BERT without token-type embeddings and pooler.
"""

from __future__ import annotations

import re

from transformers import DistilBertConfig, PreTrainedConfig, PreTrainedModel

from distillora.errors import ModelError
from distillora.models.layers import build_from_config, copy_weights

_LAYER_NORM_EPS = 1e-12  # fixed in DistilBERT's code

_RENAMED = {
    r"bert\.embeddings\.": "distilbert.embeddings.",
    r"bert\.encoder\.layer\.(\d+)\.": r"distilbert.transformer.layer.\1.",
    r"\.attention\.self\.query\.": ".attention.q_lin.",
    r"\.attention\.self\.key\.": ".attention.k_lin.",
    r"\.attention\.self\.value\.": ".attention.v_lin.",
    r"\.attention\.output\.dense\.": ".attention.out_lin.",
    r"\.attention\.output\.LayerNorm\.": ".sa_layer_norm.",
    r"\.intermediate\.dense\.": ".ffn.lin1.",
    r"(layer\.\d+)\.output\.dense\.": r"\1.ffn.lin2.",
    r"(layer\.\d+)\.output\.LayerNorm\.": r"\1.output_layer_norm.",
    r"bert\.pooler\.dense\.": "pre_classifier.",
}


def distilbert_config(config: PreTrainedConfig) -> DistilBertConfig:
    """Return the DistilBERT configuration of the same size as a BERT configuration.

    Raises:
        ModelError: not a BERT, or with settings that DistilBERT does not have.
    """
    if config.model_type != "bert":
        raise ModelError(
            f"architecture 'distilbert' needs a BERT to start from, not {config.model_type}. "
            "Leave architecture out to keep the architecture as it is."
        )
    if config.layer_norm_eps != _LAYER_NORM_EPS:
        raise ModelError(
            f"DistilBERT's layer norm has epsilon {_LAYER_NORM_EPS}, this BERT "
            f"{config.layer_norm_eps}: its hidden states would differ."
        )
    dropout = config.classifier_dropout
    return DistilBertConfig(
        vocab_size=config.vocab_size,
        max_position_embeddings=config.max_position_embeddings,
        n_layers=config.num_hidden_layers,
        n_heads=config.num_attention_heads,
        dim=config.hidden_size,
        hidden_dim=config.intermediate_size,
        dropout=config.hidden_dropout_prob,
        attention_dropout=config.attention_probs_dropout_prob,
        activation=config.hidden_act,
        initializer_range=config.initializer_range,
        seq_classif_dropout=config.hidden_dropout_prob if dropout is None else dropout,
        pad_token_id=config.pad_token_id,
        id2label=config.id2label,
        label2id=config.label2id,
        problem_type=config.problem_type,
    )


def to_distilbert(model: PreTrainedModel) -> PreTrainedModel:
    """Turn a BERT classifier into a DistilBERT classifier whose hidden states are the same.

    Every text is one segment, so the first token-type embedding is added to each position
    embedding. The pooler becomes ``pre_classifier``; its activation changes from tanh to ReLU,
    which training makes up for.

    Raises:
        ModelError: as ``distilbert_config``.
    """
    student = build_from_config(distilbert_config(model.config))
    weights = model.state_dict()
    token_type = weights.pop("bert.embeddings.token_type_embeddings.weight")
    position = "bert.embeddings.position_embeddings.weight"
    weights[position] = weights[position] + token_type[0]
    copy_weights(student, {_rename(name): tensor for name, tensor in weights.items()})
    return student


def _rename(name: str) -> str:
    for pattern, replacement in _RENAMED.items():
        name = re.sub(pattern, replacement, name)
    return name
