"""Conversion of PyTorch to ONNX, and of ONNX to int8."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from distillora.data.tokens import pad_batch, tokenize_texts
from distillora.exporting.smoothing import Feed, normalise_tokens, smooth_activations

# the first opset with GELU as one operation, which onnxruntime runs 10% faster than its parts
_OPSET = 20


class _Logits(torch.nn.Module):
    """A classifier with two inputs and one output."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return logits of shape (batch, labels) for inputs of shape (batch, length)."""
        logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def write_onnx(model: PreTrainedModel, path: Path) -> None:
    """Write a classifier as one ONNX file in fp32.

    Inputs: ``input_ids`` and ``attention_mask``, int64, shape (batch, length), both dynamic.
    Output: ``logits``, float32, shape (batch, labels).
    """
    model = model.eval()
    # eager attention, because the fused one adds checks for rows without tokens
    model.set_attn_implementation("eager")
    ids = torch.ones((2, 9), dtype=torch.int64)
    free = {0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("length", min=2)}
    with _quiet():
        program = torch.onnx.export(
            _Logits(model),
            (ids, torch.ones_like(ids)),
            dynamo=True,
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_shapes={"input_ids": free, "attention_mask": free},
            external_data=False,
            opset_version=_OPSET,
        )
    assert program is not None
    onnx.save(_without_notes(program.model_proto), path)


def _without_notes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Remove the exporter's metadata, which includes stack traces with local paths."""
    graph = model.graph
    values = (*graph.input, *graph.output, *graph.value_info)
    for part in (model, graph, *graph.node, *graph.initializer, *values):
        del part.metadata_props[:]
    return model


def make_feeds(
    tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], max_length: int
) -> Iterator[Feed]:
    """Yield the model's inputs in batches of 32 texts, sorted by length."""
    tokens = tokenize_texts(texts, tokenizer, max_length)
    assert isinstance(tokenizer.pad_token_id, int)
    order = np.argsort(tokens.lengths, kind="stable")
    for start in range(0, len(order), 32):
        rows = [tokens.row(int(i)) for i in order[start : start + 32]]
        ids, mask = pad_batch(rows, tokenizer.pad_token_id)
        yield {"input_ids": ids, "attention_mask": mask}


def quantize_onnx(source: Path, target: Path, feeds: Iterable[Feed]) -> None:
    """Write an int8 copy of a model.

    Matrix products: onnxruntime's dynamic quantization, after smoothing, with a scale per output
    channel of the weights. Weights are signed, so processors with VNNI multiply them without
    overflow. Embedding tables: a scale per row.

    Args:
        source: the model in fp32.
        target: the file to write.
        feeds: sample inputs of the model, for measuring its activations.
    """
    model = onnx.load(source)
    # the exporter records shapes that the quantizer would refuse to change
    del model.graph.value_info[:]
    smooth_activations(model, feeds)
    normalise_tokens(model)
    quantize_embeddings(model)
    with tempfile.TemporaryDirectory() as folder, _quiet():
        smoothed = Path(folder) / "smoothed.onnx"
        onnx.save(model, smoothed)
        quantize_dynamic(
            smoothed,
            target,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )


def quantize_embeddings(model: onnx.ModelProto) -> None:
    """Store embedding tables as int8 with one scale per row, in place."""
    tables = {tensor.name: tensor for tensor in model.graph.initializer if len(tensor.dims) == 2}
    for node in [n for n in model.graph.node if n.op_type == "Gather" and n.input[0] in tables]:
        name, rows = node.input
        table = numpy_helper.to_array(tables[name])
        scales = np.maximum(np.abs(table).max(axis=1, keepdims=True) / 127, 1e-12)
        values = np.round(table / scales).astype(np.int8)
        for part, array in (("int8", values), ("scale", scales.astype(np.float32))):
            model.graph.initializer.append(numpy_helper.from_array(array, f"{name}_{part}"))
        model.graph.initializer.remove(tables[name])
        index, out = [*model.graph.node].index(node), node.output[0]
        parts = [f"{out}_{part}" for part in ("int8", "scale", "float")]
        lookup = [
            onnx.helper.make_node("Gather", [f"{name}_int8", rows], [parts[0]]),
            onnx.helper.make_node("Gather", [f"{name}_scale", rows], [parts[1]]),
            onnx.helper.make_node("Cast", [parts[0]], [parts[2]], to=onnx.TensorProto.FLOAT),
            onnx.helper.make_node("Mul", [parts[2], parts[1]], [out]),
        ]
        model.graph.node.remove(node)
        for offset, replacement in enumerate(lookup):
            model.graph.node.insert(index + offset, replacement)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide the output and warnings of the exporters."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
