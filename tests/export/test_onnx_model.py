"""ONNX in fp32 against PyTorch for each architecture; what is done to it before int8."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from distillora.exporting.onnx_model import quantize_embeddings, quantize_onnx, write_onnx
from distillora.exporting.smoothing import normalise_tokens, smooth_activations
from tiny import ARCHITECTURES, tiny_batch, tiny_model


def run(model: onnx.ModelProto | Path, **inputs: np.ndarray) -> np.ndarray:
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, inputs)[0])


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_fp32_computes_what_pytorch_does_for_any_shape(architecture: str, tmp_path: Path) -> None:
    model, path = tiny_model(architecture, num_hidden_layers=2), tmp_path / "model.onnx"
    write_onnx(model, path)
    for rows, length in ((1, 5), (3, 9), (7, 40)):
        batch = tiny_batch(rows, length)
        with torch.inference_mode():
            expected = model(**batch).logits.numpy()
        found = run(path, **{name: tensor.numpy() for name, tensor in batch.items()})
        np.testing.assert_allclose(found, expected, atol=1e-5)


def feed_forward(random: np.random.Generator) -> onnx.ModelProto:
    """Return a product that widens, an activation, and a product that narrows."""
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", "tokens", 8])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", "tokens", 8])
    weights = {
        "up": random.normal(size=(8, 32)).astype(np.float32),
        "down": random.normal(size=(32, 8)).astype(np.float32),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "up"], ["wide"]),
        helper.make_node("Relu", ["wide"], ["active"]),
        helper.make_node("MatMul", ["active", "down"], ["y"]),
    ]
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "ff", [value], [out], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def with_outliers(random: np.random.Generator, rows: int = 4) -> np.ndarray:
    """Return activations with one channel and one token that are far larger than the others."""
    x = random.normal(size=(rows, 6, 8)).astype(np.float32)
    x[:, :, 3] *= 50
    x[:, 2, :] *= 20
    return x


def test_smoothing_and_normalising_leave_the_result_in_fp32_as_it_was() -> None:
    random = np.random.default_rng(0)
    model, x = feed_forward(random), with_outliers(random)
    before = run(model, x=x)
    smooth_activations(model, [{"x": x}])
    np.testing.assert_allclose(run(model, x=x), before, rtol=1e-4, atol=1e-3)
    normalise_tokens(model)
    np.testing.assert_allclose(run(model, x=x), before, rtol=1e-4, atol=1e-3)


def test_smoothed_channels_are_the_activations_over_the_factors_of_the_source() -> None:
    random = np.random.default_rng(1)
    model, x = feed_forward(random), with_outliers(random)
    up = numpy_helper.to_array(model.graph.initializer[0])
    smooth_activations(model, [{"x": x[:2]}, {"x": x[2:]}])
    found = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    factors = np.abs(x).max(axis=(0, 1)) ** 0.7 / np.abs(up).max(axis=1) ** 0.3
    np.testing.assert_allclose(found["up"], up * factors[:, None], rtol=1e-5)
    np.testing.assert_allclose(found["x_inverse_factors"], 1 / factors, rtol=1e-5)


def test_int8_loses_less_with_both_than_without(tmp_path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    random = np.random.default_rng(2)
    model, x = feed_forward(random), with_outliers(random)
    source = tmp_path / "source.onnx"
    onnx.save(model, source)
    quantize_dynamic(source, tmp_path / "plain.onnx", per_channel=True, weight_type=QuantType.QInt8)
    quantize_onnx(source, tmp_path / "ours.onnx", [{"x": x}])
    exact = run(source, x=x)
    plain, ours = (
        np.abs(run(tmp_path / f"{name}.onnx", x=x) - exact).mean() for name in ("plain", "ours")
    )
    assert ours < 0.5 * plain


def test_an_embedding_table_keeps_each_row_to_half_a_step_of_its_own_scale() -> None:
    random = np.random.default_rng(3)
    table = (random.normal(size=(50, 8)) * np.geomspace(1e-3, 10, 50)[:, None]).astype(np.float32)
    table[7] = 0
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])
    out = helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", 8])
    nodes = [helper.make_node("Gather", ["table", "ids"], ["rows"])]
    tensors = [numpy_helper.from_array(table, "table")]
    graph = helper.make_graph(nodes, "g", [ids], [out], tensors)
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9)
    quantize_embeddings(model)
    found = run(model, ids=np.arange(50))
    step = np.abs(table).max(axis=1, keepdims=True) / 127
    assert (np.abs(found - table) <= step / 2 + 1e-7).all()
    assert not any(t.name == "table" for t in model.graph.initializer)
