"""Read LiteRT's integer operators: each as its float layer, made a `Quantized` one.

The reader of the float operator makes the layer, of integers counted from their zero
points; then the layer is wrapped together with the scales of its inputs and output.
Operators that only move elements stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph import quantized
from pellucid.exchange.graph.tensor import Tensor
from pellucid.exchange.litert import integer_tables, schema
from pellucid.exchange.litert.graph import Value
from pellucid.exchange.litert.operator_view import OperatorView
from pellucid.exchange.litert.operators import add_fused_activation
from pellucid.network import layers as pl
from pellucid.network.quantization import RANGES, Quantization

Array = npt.NDArray[Any]
Reader = Callable[[OperatorView], Any]
_FUSED = {
    "NONE": None,
    "RELU": "relu",
    "RELU_N1_TO_1": "relu_n1_to_1",
    "RELU6": "relu6",
}
#: operators that move elements, whose inputs and outputs have one scale
_MOVES = {
    "BATCH_TO_SPACE_ND",
    "CONCATENATION",
    "DEPTH_TO_SPACE",
    "EXPAND_DIMS",
    "GATHER",
    "MAX_POOL_2D",
    "PAD",
    "PADV2",
    "RESHAPE",
    "RESIZE_NEAREST_NEIGHBOR",
    "SLICE",
    "SPACE_TO_BATCH_ND",
    "SPACE_TO_DEPTH",
    "SPLIT",
    "SPLIT_V",
    "SQUEEZE",
    "STRIDED_SLICE",
    "TRANSPOSE",
}
_WEIGHTED = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"}
_COMPUTES = {"ADD", "AVERAGE_POOL_2D", "MUL", "RESIZE_BILINEAR", "SOFTMAX", "SUB"}


def quantization_of(ref: OperatorRef, value: Value) -> Quantization:
    """Return a value's only scale and its zero point."""
    if not value.is_quantized or value.scales is None or len(value.scales.scale) != 1:
        ref.refuse("compute in integers of one scale", f"{value.dtype} '{value.name}'")
    return Quantization(value.scales.one, value.scales.zero_point, value.dtype)


def read_integer(op: OperatorView, reader: Reader | None) -> Any:
    """Return what an operator with an integer input or output makes.

    Parameters
    ----------
    op : OperatorView
        Its constants as the file has them.
    reader : callable, optional
        Of the float operator of that kind.
    """
    kind, sources = op.operator.kind, _sources(op)
    target = op.graph.values[op.operator.outputs[0]]
    if kind == "SHAPE" and reader is not None:
        return reader(op)
    if kind in _WEIGHTED and sources[0].dtype == target.dtype == "float32":
        return _hybrid(op, reader, sources)
    if kind == "DEQUANTIZE":
        return op.builder.layer(
            op.ref, pl.Dequantize(quantization_of(op.ref, sources[0])), [op.tensor()]
        )
    if kind == "QUANTIZE" and not sources[0].is_quantized:
        return op.builder.layer(
            op.ref, pl.Quantize(quantization_of(op.ref, target)), [op.tensor()]
        )
    op.values = [
        _centre(op, value, source)
        for value, source in zip(op.values, sources, strict=True)
    ]
    if kind in _MOVES and reader is not None:
        return _move(op, reader, sources, target)
    if kind in integer_tables.TABLES or _has_constant(op, kind):
        return _look_up(op, sources, target)
    if kind == "MEAN":
        return _mean(op, sources, target)
    if reader is None or kind not in _WEIGHTED | _COMPUTES:
        op.refuse("have an integer form that is known", kind)
    if kind == "RESIZE_BILINEAR" and target.dtype != "int8":
        op.refuse("interpolate in integers", target.dtype)
    before = set(op.builder.nodes)
    made = reader(op)
    if kind in _WEIGHTED:
        return _wrap_weighted(op, made, before, sources, target)
    operands = [quantization_of(op.ref, value) for value in _data(op, sources)]
    output = quantization_of(op.ref, target)
    quantized.wrap(op.builder, op.ref, before, operands, output, clamp=_clamp(op))
    return made


def _sources(op: OperatorView) -> list[Value]:
    """Return the file's values that an operator reads."""
    left_out = Value(name="", shape=())
    values = op.graph.values
    return [left_out if i < 0 else values[i] for i in op.operator.inputs]


def _data(op: OperatorView, sources: list[Value]) -> list[Value]:
    """Return the inputs that are no constants."""
    pairs = zip(sources, op.values, strict=True)
    return [source for source, value in pairs if isinstance(value, Tensor)]


def _has_constant(op: OperatorView, kind: str) -> bool:
    is_binary = kind in ("ADD", "MAXIMUM", "MINIMUM", "MUL", "SUB")
    return is_binary and any(isinstance(value, np.ndarray) for value in op.values)


def _centre(op: OperatorView, value: Any, source: Value) -> Any:
    """Return a constant counted from its zero point; anything else as it is."""
    if not isinstance(value, np.ndarray) or source.scales is None:
        return value
    if value.dtype.name not in RANGES or not source.scales.zero_point:
        return value if value.dtype != np.uint8 else value.astype(np.int16)
    return value.astype(np.int16) - np.int16(source.scales.zero_point)


# -- moves -----------------------------------------------------------------------------


def _move(op: OperatorView, reader: Reader, sources: list[Value], target: Value) -> Any:
    """Move integers; those of other scales come to the output's first."""
    goal = quantization_of(op.ref, target)
    for number in op.operator.outputs:
        other = quantization_of(op.ref, op.graph.values[number])
        if other != goal:
            op.refuse("have one scale", f"{goal} and {other}")
    if op.operator.kind == "PADV2":
        op.values[2] = _lowest(op, op.array(2), goal)
    for i, source in enumerate(sources):
        own = None
        if isinstance(op.values[i], Tensor):
            own = quantization_of(op.ref, source)
        if own is not None and own != goal:
            if op.operator.kind != "CONCATENATION":
                op.refuse("have one scale", f"{own} and {goal}")
            op.values[i] = _requantize(op, op.tensor(i), own, goal, part=f"in_{i}")
    clamp = _clamp(op)
    made = reader(op)
    if clamp is None:
        return made
    return _requantize(op, made, goal, goal, clamp=clamp)


def _lowest(op: OperatorView, value: Array, goal: Quantization) -> Array:
    """Return the number that PADV2 puts around, the lowest integer as lowest real."""
    is_lowest = value.ravel()[0] == goal.limits[0]
    return np.asarray([-np.inf if is_lowest else value.ravel()[0]])


def _requantize(
    op: OperatorView,
    x: Tensor,
    own: Quantization,
    goal: Quantization,
    *,
    part: str = "",
    clamp: str | None = None,
) -> Tensor:
    """Bring integers to another scale, in float32 as LiteRT's concatenation does."""
    table = integer_tables.rescale_table(own, goal)
    ref = op.ref.part(part) if part else op.ref
    return quantized.requantize(op.builder, ref, x, table, (own, goal), clamp=clamp)


def _clamp(op: OperatorView) -> str | None:
    number = op.options.get("fused_activation_function") or 0
    known = 0 <= number < len(schema.ACTIVATIONS)
    name = schema.ACTIVATIONS[number] if known else str(number)
    if name not in _FUSED:
        op.refuse(f"have a fused activation among {', '.join(_FUSED)}", name)
    return _FUSED[name]


# -- sums ------------------------------------------------------------------------------


def _wrap_weighted(
    op: OperatorView,
    made: Any,
    before: set[str],
    sources: list[Value],
    target: Value,
) -> Any:
    """Wrap a layer with weights, and give it the factors of its sums."""
    if not isinstance(made, Tensor):
        op.refuse("be a convolution without SPACE_TO_BATCH_ND", "another")
    at, weight = (2, 1) if op.operator.kind == "TRANSPOSE_CONV" else (0, 1)
    x, y = quantization_of(op.ref, sources[at]), quantization_of(op.ref, target)
    dtype, scales = op.array(weight).dtype.name, sources[weight].scales
    if scales is None:
        op.refuse("have a weight of integers with scales", "none")
    node = quantized.wrap(
        op.builder, op.ref, before, [x], y, clamp=_clamp(op), weight_dtype=dtype
    )
    # LiteRT multiplies the scales of such a sum as floats of 32 bits, else of 64
    is_single = op.operator.kind == "FULLY_CONNECTED" and len(scales.scale) == 1
    exact = np.float32 if is_single or sources[at].dtype == "uint8" else np.float64
    quantized.give_factors(op.builder, op.ref, node, scales.scale, exact)
    return made


def _hybrid(op: OperatorView, reader: Reader | None, sources: list[Value]) -> Any:
    """Read an operator of floats with integer weights; its activation is a layer."""
    scales = sources[1].scales
    if sources[1].dtype != "int8" or scales is None or scales.zero_point:
        op.refuse("have a weight of int8 without zero point", sources[1].dtype)
    before = set(op.builder.nodes)
    made = None if reader is None else reader(op)
    names = [name for name in op.builder.nodes if name not in before]
    name = next((n for n in names if f"{n}.weight" in op.builder.weights), None)
    if name is None or not isinstance(made, Tensor):
        op.refuse("be a convolution without SPACE_TO_BATCH_ND", "another")
    channels = op.builder.weights[f"{name}.weight"].shape[-1]
    if len(scales.scale) not in (1, channels):
        op.refuse(f"have a scale, or {channels}", len(scales.scale))
    node = op.builder.nodes[name]
    is_asymmetric = bool(op.options.get("asymmetric_quantize_inputs"))
    if op.operator.kind != "FULLY_CONNECTED":
        is_asymmetric = len(scales.scale) == channels > 1 or (
            op.operator.kind == "DEPTHWISE_CONV_2D"
        )
    form = "asymmetric" if is_asymmetric else "symmetric"
    layer = pl.Hybrid(node.layer, form, name=name)
    op.builder.nodes[name] = node.with_layer(layer)
    scale = np.broadcast_to(scales.scale.astype(np.float32), channels).copy()
    op.builder.weights[f"{name}.scale"] = scale
    return add_fused_activation(op, made)


def _mean(op: OperatorView, sources: list[Value], target: Value) -> Tensor:
    """MEAN of height and width, whose axes of length 1 no layer has."""
    x, keep = op.tensor(), bool(op.options.get("keep_dims"))
    axes = sorted(axis % max(len(x.axes), 1) for axis in op.whole(1))
    before = set(op.builder.nodes)
    if axes == [1, 2] and op.builder.is_row(x):
        made = op.builder.global_mean(op.ref, x)
        made = replace(made, axes=(0, None, None, 1)) if keep else made
    elif axes == [1, 2]:
        made = op.builder.global_average(op.ref, x, as_image=False)
        made = made if keep else op.builder.vector(made)
    else:
        op.refuse("average height and width", f"axes {axes}")
    operands = [quantization_of(op.ref, sources[0])]
    output = quantization_of(op.ref, target)
    quantized.wrap(op.builder, op.ref, before, operands, output, clamp=_clamp(op))
    return made


# -- tables ----------------------------------------------------------------------------


def _look_up(op: OperatorView, sources: list[Value], target: Value) -> Tensor:
    """Make an operator of one value a table of its 256 outputs, or one per channel."""
    at = next((i for i, v in enumerate(op.values) if isinstance(v, Tensor)), -1)
    if at < 0:
        op.refuse("read the network's value", "constants")
    x, own, goal = op.tensor(at), quantization_of(op.ref, sources[at]), target
    output = quantization_of(op.ref, goal)
    clamp = _clamp(op)
    if op.operator.kind in integer_tables.TABLES:
        layer, table = integer_tables.TABLES[op.operator.kind](own, output, op.options)
        rows = table[None]
    else:
        other = quantization_of(op.ref, sources[1 - at])
        constant = op.builder.per_channel(op.ref, x, op.array(1 - at))
        if op.array(1 - at).size == 1:
            constant = constant[:1]
        layer, rows = integer_tables.with_constant(
            op.operator.kind, own, output, constant, other, is_first=at == 1
        )
    if x.order is not None and len(rows) > 1:
        op.refuse("have one constant after a flattened image", f"{len(rows)}")
    quantized = pl.Quantized(layer, (own,), output, clamp=clamp)
    return op.builder.layer(op.ref, quantized, [x], {"table": rows})
