"""Lower TensorFlow's convolutions, products and pools to LiteRT's operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.exchange.litert import schema
from pellucid.exchange.tfjs.graph_moves import Lower
from pellucid.exchange.tfjs.graph_nodes import Node

if TYPE_CHECKING:
    from pellucid.exchange.tfjs.graph_lower import GraphLowerer

_PADDINGS = {"SAME": schema.SAME, "VALID": schema.VALID}
#: of one input, alone or fused
ACTIVATIONS = {
    "Abs": "ABS",
    "Elu": "ELU",
    "Exp": "EXP",
    "Log": "LOG",
    "LogSoftmax": "LOG_SOFTMAX",
    "Neg": "NEG",
    "Relu": "RELU",
    "Relu6": "RELU6",
    "Round": "ROUND",
    "Rsqrt": "RSQRT",
    "Sigmoid": "LOGISTIC",
    "Sqrt": "SQRT",
    "Square": "SQUARE",
    "Tanh": "TANH",
}


def _window(low: GraphLowerer, node: Node) -> tuple[int, dict[str, Any]]:
    """Return the image that a window slides over, and its options."""
    node.only(data_format="NHWC")
    strides = node.attributes["strides"]
    dilations = node.attributes.get("dilations") or [1, 1, 1, 1]
    padding, x = node.attributes.get("padding"), low.place(node, 0)
    if padding == "EXPLICIT":
        sides = np.asarray(node.attributes["explicit_paddings"], np.int32)
        x = low.emit(node, "PAD", [x, low.constant(node, sides.reshape(4, 2))])
        padding = "VALID"
    if padding not in _PADDINGS or [strides[0], strides[3]] != [1, 1]:
        node.ref.refuse("slide over height and width", f"{padding}, {strides}")
    return x, {
        "padding": _PADDINGS[padding],
        "stride_h": strides[1],
        "stride_w": strides[2],
        "dilation_h_factor": dilations[1],
        "dilation_w_factor": dilations[2],
    }


def _conv(low: GraphLowerer, node: Node) -> int:
    """Conv2D: (kh, kw, in, out) → (out, kh, kw, in)."""
    x, options = _window(low, node)
    weight = low.constant(node, low.array(node, 1).transpose(3, 0, 1, 2))
    return _fused(low, node, "CONV_2D", [x, weight], options)


def _depthwise(low: GraphLowerer, node: Node) -> int:
    """DepthwiseConv2dNative: (kh, kw, in, times) → (1, kh, kw, in · times)."""
    x, options = _window(low, node)
    kernel = low.array(node, 1)
    kh, kw, channels, times = kernel.shape
    weight = low.constant(node, kernel.reshape(1, kh, kw, channels * times))
    options["depth_multiplier"] = times
    return _fused(low, node, "DEPTHWISE_CONV_2D", [x, weight], options)


def _matmul(low: GraphLowerer, node: Node) -> int:
    node.only(transpose_a=False)
    kernel = low.array(node, 1)
    turned = kernel if node.attributes.get("transpose_b") else kernel.T
    inputs = [low.place(node, 0), low.constant(node, turned)]
    return _fused(low, node, "FULLY_CONNECTED", inputs, {"weights_format": 0})


def _batch_matmul(low: GraphLowerer, node: Node) -> int:
    inputs = [low.place(node, 0), low.place(node, 1)]
    flags = {name: bool(node.attributes.get(name)) for name in ("adj_x", "adj_y")}
    return low.emit(node, "BATCH_MATMUL", inputs, **flags)


def _fused(
    low: GraphLowerer, node: Node, kind: str, inputs: list[int], options: dict[str, Any]
) -> int:
    """Add an operator, and the bias and activation that are fused to it."""
    parts = list(node.attributes.get("fused_ops") or ())
    if parts[:1] == ["BiasAdd"]:
        inputs.append(low.constant(node, low.array(node, 2).ravel()))
        parts = parts[1:]
    else:
        inputs.append(-1)
    made = low.emit(node, kind, inputs, **options)
    for part in parts:
        if part in ACTIVATIONS:
            made = low.emit(node, ACTIVATIONS[part], [made])
        elif part == "Prelu":
            made = low.emit(node, "PRELU", [made, low.place(node, 3)])
        elif part == "LeakyRelu":
            alpha = float(node.attributes.get("leakyrelu_alpha", 0.2))
            made = low.emit(node, "LEAKY_RELU", [made], alpha=alpha)
        else:
            node.ref.refuse("be fused to a bias and an activation", part)
    return made


def _pool(kind: str) -> Callable[[GraphLowerer, Node], int]:
    def lower(low: GraphLowerer, node: Node) -> int:
        x, options = _window(low, node)
        size = node.attributes["ksize"]
        return low.emit(
            node, kind, [x], filter_height=size[1], filter_width=size[2], **options
        )

    return lower


def _transposed(low: GraphLowerer, node: Node) -> int:
    """Conv2DBackpropInput, of sizes and x: (kh, kw, out, in) → (out, kh, kw, in)."""
    if node.attributes.get("padding") not in _PADDINGS:
        node.ref.refuse(
            "have padding SAME or VALID", repr(node.attributes.get("padding"))
        )
    _, options = _window(low, node)
    if options["dilation_h_factor"] != 1 or options["dilation_w_factor"] != 1:
        node.ref.refuse("have dilations of 1", str(node.attributes["dilations"]))
    weight = low.constant(node, low.array(node, 1).transpose(2, 0, 1, 3))
    inputs = [low.place(node, 0), weight, low.place(node, 2)]
    return low.emit(node, "TRANSPOSE_CONV", inputs, **options)


LOWER: dict[str, Lower] = {
    "AvgPool": _pool("AVERAGE_POOL_2D"),
    "BatchMatMul": _batch_matmul,
    "BatchMatMulV2": _batch_matmul,
    "Conv2D": _conv,
    "Conv2DBackpropInput": _transposed,
    "DepthwiseConv2dNative": _depthwise,
    "FusedDepthwiseConv2dNative": _depthwise,
    "MatMul": _matmul,
    "MaxPool": _pool("MAX_POOL_2D"),
    "_FusedConv2D": _conv,
    "_FusedMatMul": _matmul,
}
