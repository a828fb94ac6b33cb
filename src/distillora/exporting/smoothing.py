"""Rewrites of a model before int8 quantization, which uses one scale per activation tensor.

A few channels and a few tokens of a transformer's activations are far larger than the others, so a
common scale leaves little resolution for the rest. Both rewrites leave fp32 results unchanged and
reduce the loss of int8.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import numpy_helper

_STRENGTH = 0.7

Feed = dict[str, npt.NDArray[np.int64]]


def smooth_activations(model: onnx.ModelProto, feeds: Iterable[Feed]) -> None:
    """Even out the channels of the inputs of matrix products (SmoothQuant), in place.

    Each channel is divided by a factor, and the matching row of the weights is multiplied by it.
    The factor of channel j is max|X_j|^a / max|W_j|^(1 - a). Source: Xiao et al. 2023 (arXiv
    2211.10438), eq. 4, with a between 0.5 and 0.8; 0.7 lost least on GoEmotions.

    Args:
        model: in fp32; products whose second factor is a constant matrix are rewritten.
        feeds: sample inputs of the model.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    products = [node for node in model.graph.node if node.op_type == "MatMul"]
    users: dict[str, list[Any]] = {}
    for node in products:
        if node.input[1] in weights:
            users.setdefault(node.input[0], []).append(node)
    ranges = _measure_ranges(model, [*users], feeds)
    for name, nodes in users.items():
        matrices = [numpy_helper.to_array(weights[node.input[1]]) for node in nodes]
        factors = _factors(ranges[name], np.abs(np.hstack(matrices)).max(axis=1))
        for node, matrix in zip(nodes, matrices, strict=True):
            scaled = np.asarray(matrix * factors[:, None], dtype=np.float32)
            weights[node.input[1]].CopyFrom(numpy_helper.from_array(scaled, node.input[1]))
        _divide(model, name, nodes, factors)


def normalise_tokens(model: onnx.ModelProto) -> None:
    """Normalise the input of the feed-forward's second product token by token, in place.

    Each token is divided by its maximum, and its product multiplied by it. After the activation
    function, tokens differ most in size; otherwise the largest token of a batch would set the
    scale of all others.
    """
    # the second product of a feed-forward is the narrowing one
    narrowing = {
        t.name for t in model.graph.initializer if len(t.dims) == 2 and t.dims[0] > t.dims[1]
    }
    model.graph.initializer.append(numpy_helper.from_array(np.array([-1]), "last_axis"))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(1e-6), "smallest_maximum"))
    products = [n for n in model.graph.node if n.op_type == "MatMul" and n.input[1] in narrowing]
    for node in products:
        name, out = node.input[0], node.output[0]
        before = [
            onnx.helper.make_node("Abs", [name], [f"{name}_size"]),
            onnx.helper.make_node("ReduceMax", [f"{name}_size", "last_axis"], [f"{name}_largest"]),
            onnx.helper.make_node("Max", [f"{name}_largest", "smallest_maximum"], [f"{name}_max"]),
            onnx.helper.make_node("Div", [name, f"{name}_max"], [f"{name}_even"]),
        ]
        after = onnx.helper.make_node("Mul", [f"{out}_even", f"{name}_max"], [out])
        index = [*model.graph.node].index(node)
        node.input[0], node.output[0] = f"{name}_even", f"{out}_even"
        model.graph.node.insert(index + 1, after)
        for offset, step in enumerate(before):
            model.graph.node.insert(index + offset, step)


def _factors(
    activations: npt.NDArray[np.float32], weights: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    smallest = 1e-5
    powers = np.maximum(activations, smallest) ** _STRENGTH
    return np.asarray(powers / np.maximum(weights, smallest) ** (1 - _STRENGTH), np.float32)


def _measure_ranges(
    model: onnx.ModelProto, names: list[str], feeds: Iterable[Feed]
) -> Mapping[str, npt.NDArray[np.float32]]:
    """Return activation -> largest absolute value of each channel, shape (channels,)."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(
        watched.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    ranges: dict[str, npt.NDArray[np.float32]] = {}
    for feed in feeds:
        for name, values in zip(names, session.run(names, feed), strict=True):
            largest = np.abs(values).reshape(-1, values.shape[-1]).max(axis=0)
            ranges[name] = np.maximum(ranges.get(name, largest), largest)
    return ranges


def _divide(
    model: onnx.ModelProto, name: str, nodes: list[Any], factors: npt.NDArray[np.float32]
) -> None:
    """Make these products read the activation divided by the factors."""
    inverse, smooth = f"{name}_inverse_factors", f"{name}_smooth"
    model.graph.initializer.append(numpy_helper.from_array(1 / factors, inverse))
    node = onnx.helper.make_node("Mul", [name, inverse], [smooth], name=smooth)
    model.graph.node.insert([*model.graph.node].index(nodes[0]), node)
    for user in nodes:
        user.input[0] = smooth
