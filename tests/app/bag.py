"""A model that can be read off a page: each word adds its own logits. Made in milliseconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from distillora.probabilities import TaskType
from tiny import write_tiny_manifest

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
BIAS = -2.0


def save_bag(
    folder: Path,
    words: dict[str, dict[str, float]],
    labels: tuple[str, ...],
    *,
    name: str = "bag",
    task: TaskType = "multi_label",
    files: tuple[str, ...] = ("model-int8.onnx",),
) -> Path:
    """Write a bundle whose logit of a label is ``BIAS`` plus what each word of the text adds."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *words])}
    table = np.zeros((len(vocabulary), len(labels)), dtype=np.float32)
    for word, effects in words.items():
        for label, logit in effects.items():
            table[vocabulary[word], labels.index(label)] = logit
    _tokenizer(vocabulary).save(str(folder / "tokenizer.json"))
    for file in files:
        onnx.save(_model(table), folder / file)
    thresholds = (0.4,) * len(labels) if task == "multi_label" else None
    write_tiny_manifest(folder, task, labels, name=name, thresholds=thresholds, max_length=32)
    return folder


def _tokenizer(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def _model(table: np.ndarray) -> onnx.ModelProto:
    """Return the sum of the rows of a table; padding has a row of zeros."""
    shape = ["rows", "tokens"]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, shape)
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["rows", table.shape[1]])
    constants = {"table": table, "bias": np.float32(BIAS), "axis": np.array([1])}
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["found"]),
        helper.make_node("ReduceSum", ["found", "axis"], ["sum"], keepdims=0),
        helper.make_node("Add", ["sum", "bias"], ["logits"]),
    ]
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "bag", inputs, [output], tensors)
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9)
