"""Lower a TensorFlow graph to LiteRT's operators, which its reader knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.litert import schema
from pellucid.exchange.litert.graph import Graph, Operator, Value
from pellucid.exchange.tfjs.graph_nodes import Node, node_of

Array = npt.NDArray[Any]
_PADDINGS = {"SAME": schema.SAME, "VALID": schema.VALID}
#: operators that are LiteRT's by another name, with the same inputs
_RENAMED = {
    "Add": "ADD",
    "AddV2": "ADD",
    "BiasAdd": "ADD",
    "Maximum": "MAXIMUM",
    "Minimum": "MINIMUM",
    "Mul": "MUL",
    "Pad": "PAD",
    "PadV2": "PADV2",
    "Pow": "POW",
    "Prelu": "PRELU",
    "RealDiv": "DIV",
    "Shape": "SHAPE",
    "SquaredDifference": "SQUARED_DIFFERENCE",
    "Sub": "SUB",
    "Transpose": "TRANSPOSE",
    "Reshape": "RESHAPE",
}
#: of one input, alone or fused
_ACTIVATIONS = {
    "Abs": "ABS",
    "Elu": "ELU",
    "Exp": "EXP",
    "Log": "LOG",
    "Neg": "NEG",
    "Relu": "RELU",
    "Relu6": "RELU6",
    "Rsqrt": "RSQRT",
    "Sigmoid": "LOGISTIC",
    "Sqrt": "SQRT",
    "Square": "SQUARE",
    "Tanh": "TANH",
}
_SAME = ("Identity", "StopGradient", "CheckNumerics", "PlaceholderWithDefault")


class GraphLowerer:
    """A graph while it is lowered.

    Parameters
    ----------
    name : str
        Of the graph.
    constants : mapping of str to array
        By node.
    """

    def __init__(self, name: str, constants: Mapping[str, Array]) -> None:
        self.graph = Graph(name=name)
        self.constants = constants
        self.places: dict[str, int] = {}

    def enter(self, node: Node, shape: tuple[int, ...], *, is_single: bool) -> None:
        """Place an input: one example's shape; ``is_single`` for a batch of one."""
        axes = tuple(range(1, len(shape) + 1))
        value = Value(
            name=node.name,
            shape=(1, *shape),
            free_axes=axes,
            is_any_batch=not is_single,
        )
        self.places[node.name] = number = self.graph.add(value)
        if number:
            self.graph.more_inputs += (number,)

    def add(self, node: Node) -> None:
        """Lower one node; ExchangeError if LiteRT has nothing like it."""
        if node.operator == "Const":
            array = self.constants.get(node.name)
            if array is None:
                node.ref.refuse("have its numbers in the weights", "none")
            self.places[node.name] = self.graph.constant(node.name, array)
        elif node.operator in _SAME:
            self.places[node.name] = self.place(node, 0)
        else:
            self.places[node.name] = self._lower(node)

    def _lower(self, node: Node) -> int:
        if node.operator in _RENAMED:
            inputs = [self.place(node, i) for i in range(len(node.inputs))]
            return self.emit(node, _RENAMED[node.operator], inputs)
        if node.operator in _ACTIVATIONS:
            return self.emit(node, _ACTIVATIONS[node.operator], [self.place(node, 0)])
        lower = _LOWER.get(node.operator)
        if lower is None:
            node.ref.refuse(
                "be an operator that a layer expresses exactly", node.operator
            )
        return lower(self, node)

    def emit(self, node: Node, kind: str, inputs: Sequence[int], **options: Any) -> int:
        """Add an operator and return the value that it makes."""
        made = self.graph.add(Value(name=node.name, shape=()))
        given = {"fused_activation_function": 0, **options}
        known = schema.KINDS[kind].options if kind in schema.KINDS else given
        kept = {key: value for key, value in given.items() if key in known}
        self.graph.operators.append(
            Operator(kind=kind, inputs=tuple(inputs), outputs=(made,), options=kept)
        )
        return made

    def place(self, node: Node, at: int) -> int:
        """Return the value of an input."""
        name = node.inputs[at]
        if name.partition(":")[2] not in ("", "0"):
            node.ref.refuse("read the first output of a node", name)
        return self.places[node_of(name)]

    def array(self, node: Node, at: int) -> Array:
        """Return an input that is a constant."""
        array = self.graph.values[self.place(node, at)].array
        if array is None:
            node.ref.refuse(f"have a constant as input {at}", "a value")
        return array

    def constant(self, node: Node, array: Array) -> int:
        """Add a constant."""
        return self.graph.constant(node.name, array)


def _only(node: Node, **allowed: Any) -> None:
    """Refuse attributes that do not have the value that can be represented."""
    for name, value in allowed.items():
        if node.attributes.get(name, value) != value:
            node.ref.refuse(f"have {name}={value!r}", repr(node.attributes[name]))


def _window(low: GraphLowerer, node: Node) -> tuple[int, dict[str, Any]]:
    """Return the image that a window slides over, and its options."""
    _only(node, data_format="NHWC")
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
    _only(node, transpose_a=False)
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
        if part in _ACTIVATIONS:
            made = low.emit(node, _ACTIVATIONS[part], [made])
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


def _batch_norm(low: GraphLowerer, node: Node) -> int:
    """FusedBatchNormV3 at inference: ``x · s + (offset − mean · s)``."""
    _only(node, data_format="NHWC", is_training=False)
    scale, offset, mean, variance = (
        low.array(node, i).astype(np.float64) for i in range(1, 5)
    )
    by = scale / np.sqrt(variance + float(node.attributes.get("epsilon", 1e-4)))
    plus = offset - mean * by
    factors = [low.constant(node, a.astype(np.float32)) for a in (by, plus)]
    scaled = low.emit(node, "MUL", [low.place(node, 0), factors[0]])
    return low.emit(node, "ADD", [scaled, factors[1]])


def _reduce(kind: str) -> Callable[[GraphLowerer, Node], int]:
    def lower(low: GraphLowerer, node: Node) -> int:
        axes = low.constant(node, low.array(node, 1).reshape(-1).astype(np.int32))
        keep = bool(node.attributes.get("keep_dims"))
        return low.emit(node, kind, [low.place(node, 0), axes], keep_dims=keep)

    return lower


def _sum(low: GraphLowerer, node: Node) -> int:
    made = low.place(node, 0)
    for i in range(1, len(node.inputs)):
        made = low.emit(node, "ADD", [made, low.place(node, i)])
    return made


def _concat(low: GraphLowerer, node: Node) -> int:
    last = len(node.inputs) - 1
    inputs = [low.place(node, i) for i in range(last)]
    axis = int(low.array(node, last).reshape(-1)[0])
    return low.emit(node, "CONCATENATION", inputs, axis=axis)


def _squeeze(low: GraphLowerer, node: Node) -> int:
    axes = np.asarray(node.attributes.get("squeeze_dims") or [], np.int32)
    return low.emit(node, "SQUEEZE", [low.place(node, 0)], squeeze_dims=axes)


def _expand(low: GraphLowerer, node: Node) -> int:
    axis = low.constant(node, low.array(node, 1).reshape(-1)[:1].astype(np.int32))
    return low.emit(node, "EXPAND_DIMS", [low.place(node, 0), axis])


def _resize(kind: str) -> Callable[[GraphLowerer, Node], int]:
    def lower(low: GraphLowerer, node: Node) -> int:
        inputs = [low.place(node, 0), low.place(node, 1)]
        names = ("align_corners", "half_pixel_centers")
        given = {name: bool(node.attributes.get(name)) for name in names}
        return low.emit(node, kind, inputs, **given)

    return lower


def _slice(low: GraphLowerer, node: Node) -> int:
    inputs = [low.place(node, i) for i in range(4)]
    names = [f"{part}_mask" for part in ("begin", "end", "ellipsis", "new_axis")]
    names.append("shrink_axis_mask")
    masks = {name: int(node.attributes.get(name) or 0) for name in names}
    return low.emit(node, "STRIDED_SLICE", inputs, **masks)


def _pack(low: GraphLowerer, node: Node) -> int:
    inputs = [low.place(node, i) for i in range(len(node.inputs))]
    axis = int(node.attributes.get("axis") or 0)
    return low.emit(node, "PACK", inputs, axis=axis, values_count=len(inputs))


def _softmax(low: GraphLowerer, node: Node) -> int:
    return low.emit(node, "SOFTMAX", [low.place(node, 0)], beta=1.0)


def _leaky(low: GraphLowerer, node: Node) -> int:
    alpha = float(node.attributes.get("alpha", 0.2))
    return low.emit(node, "LEAKY_RELU", [low.place(node, 0)], alpha=alpha)


_LOWER: dict[str, Callable[[GraphLowerer, Node], int]] = {
    "AddN": _sum,
    "AvgPool": _pool("AVERAGE_POOL_2D"),
    "BatchMatMul": _batch_matmul,
    "BatchMatMulV2": _batch_matmul,
    "ConcatV2": _concat,
    "Conv2D": _conv,
    "DepthwiseConv2dNative": _depthwise,
    "ExpandDims": _expand,
    "FusedBatchNorm": _batch_norm,
    "FusedBatchNormV2": _batch_norm,
    "FusedBatchNormV3": _batch_norm,
    "FusedDepthwiseConv2dNative": _depthwise,
    "LeakyRelu": _leaky,
    "MatMul": _matmul,
    "Max": _reduce("REDUCE_MAX"),
    "MaxPool": _pool("MAX_POOL_2D"),
    "Mean": _reduce("MEAN"),
    "Pack": _pack,
    "ResizeBilinear": _resize("RESIZE_BILINEAR"),
    "ResizeNearestNeighbor": _resize("RESIZE_NEAREST_NEIGHBOR"),
    "Softmax": _softmax,
    "Squeeze": _squeeze,
    "StridedSlice": _slice,
    "_FusedConv2D": _conv,
    "_FusedMatMul": _matmul,
}
