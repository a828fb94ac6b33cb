"""A BERT as a DistilBERT, against transformers' own two implementations."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import BertConfig, DistilBertForSequenceClassification

from distillora.errors import ModelError
from distillora.models.distilbert import distilbert_config, to_distilbert
from distillora.models.layers import keep_layers
from tiny import ARCHITECTURES, LABELS, tiny_batch, tiny_config, tiny_model


def bert_with_segments() -> Any:
    """Return a BERT whose token-type embeddings and biases are not near zero."""
    model = tiny_model(seed=3)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    return model


@pytest.mark.parametrize("layers", [(0, 1, 2, 3, 4, 5), (1, 3, 5), (0, 2, 4)])
def test_all_hidden_states_are_those_of_the_bert_with_the_same_layers(
    layers: tuple[int, ...],
) -> None:
    bert = keep_layers(bert_with_segments(), layers)
    student = to_distilbert(bert).eval()
    assert isinstance(student, DistilBertForSequenceClassification)
    batch = tiny_batch()
    mask = batch["attention_mask"].bool()
    assert not mask.all()
    with torch.inference_mode():
        ours = student(**batch, output_hidden_states=True).hidden_states
        theirs = bert.eval()(**batch, output_hidden_states=True).hidden_states
    assert len(ours) == len(theirs) == len(layers) + 1
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a[mask], b[mask], atol=1e-5, rtol=1e-5)


def test_pooler_and_classifier_become_the_head() -> None:
    bert = bert_with_segments()
    student = to_distilbert(bert)
    assert torch.equal(student.pre_classifier.weight, bert.bert.pooler.dense.weight)
    assert torch.equal(student.pre_classifier.bias, bert.bert.pooler.dense.bias)
    assert torch.equal(student.classifier.weight, bert.classifier.weight)
    assert torch.equal(student.classifier.bias, bert.classifier.bias)
    assert [student.config.id2label[i] for i in range(len(LABELS))] == list(LABELS)


def test_the_bert_is_left_as_it_was() -> None:
    bert = bert_with_segments()
    before = {name: weight.clone() for name, weight in bert.state_dict().items()}
    student = to_distilbert(bert)
    with torch.no_grad():
        for weight in student.parameters():
            weight.add_(1)
    after = bert.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_dropouts_are_taken_over() -> None:
    config = distilbert_config(
        BertConfig(
            hidden_dropout_prob=0.2, attention_probs_dropout_prob=0.3, classifier_dropout=0.4
        )
    )
    assert (config.dropout, config.attention_dropout, config.seq_classif_dropout) == (0.2, 0.3, 0.4)


@pytest.mark.parametrize("architecture", [a for a in ARCHITECTURES if a != "bert"])
def test_another_architecture_is_refused(architecture: str) -> None:
    with pytest.raises(ModelError, match=f"needs a BERT to start from, not {architecture}"):
        to_distilbert(tiny_model(architecture))


def test_another_epsilon_of_the_layer_norm_is_refused() -> None:
    with pytest.raises(ModelError, match=r"epsilon 1e-12, this BERT 1e-05"):
        distilbert_config(tiny_config(layer_norm_eps=1e-5))
