"""Read ONNX's operators on integers: each as its float layer, made a `Quantized` one.

A file quantizes an operator by ``DequantizeLinear`` before and ``QuantizeLinear``
behind it, which `qdq` joins; a QLinear operator stands for all three (`qlinear`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.engines.registry import as_engine
from pellucid.exchange.graph import quantized
from pellucid.exchange.graph.ir import Operator
from pellucid.exchange.graph.tensor import Array, Tensor
from pellucid.exchange.onnx import windows
from pellucid.exchange.onnx.operator_view import OperatorView
from pellucid.exchange.onnx.qdq import LOOKUPS, MOVES, WEIGHTED
from pellucid.network import Network
from pellucid.network import layers as pl
from pellucid.network.layers import Layer
from pellucid.network.quantization import RANGES, Quantization


def read_quantized(op: OperatorView, operator: Operator, reader: Any) -> Tensor:
    """Return what an operator makes of integers."""
    given, builder = operator.attributes, op.builder
    operands, output = list(given["operands"]), given["output"]
    how = {"clamp": given["clamp"], "arithmetic": "real"}
    kind, before = op.operator, set(builder.nodes)
    if kind in MOVES:
        return _move(op, reader, operands, output)
    if kind in LOOKUPS:
        made: Tensor = reader(op)
        node = quantized.wrap(builder, op.ref, before, operands, output, **how)
        layer: Any = builder.nodes[node].layer
        table = real_table(layer.operation, operands[0], output)
        builder.weights[f"{node}.table"] = table[None]
        return made
    if "constant" in given:
        return _with_constant(op, kind, operands[0], output, given["clamp"])
    made = reader(op)
    if kind not in WEIGHTED:
        quantized.wrap(builder, op.ref, before, operands, output, **how)
        return made
    dtype = given["weight_dtype"]
    node = quantized.wrap(
        builder, op.ref, before, operands, output, weight_dtype=dtype, **how
    )
    for role, kept in (("weight", dtype), ("bias", "int32")):
        name = f"{node}.{role}"
        if name in builder.weights:
            builder.weights[name] = builder.weights[name].astype(kept)
    quantized.give_factors(builder, op.ref, node, given["weight_scale"])
    return made


def read_hybrid(op: OperatorView, operator: Operator) -> Tensor:
    """Return what a product of integers makes, which are those of the input's range."""
    builder, before = op.builder, set(op.builder.nodes)
    if op.operator == "ConvInteger":
        made = windows.conv(op)
    else:
        made = builder.dense(op.ref, op.tensor(), op.weight(1, 2), None)
    name = next(n for n in reversed(builder.nodes) if f"{n}.weight" in builder.weights)
    if name in before:
        op.refuse("make a layer of its own", name)
    node, scale = builder.nodes[name], operator.attributes["weight_scale"]
    channels = made.shape[-1]
    if scale.size not in (1, channels):
        op.refuse(f"have a scale, or {channels}", f"{scale.size}")
    dtype = op.constant(1).dtype.name
    layer = pl.Hybrid(node.layer, "uint8", weight_dtype=dtype, name=name)
    builder.nodes[name] = node.with_layer(layer)
    filled = np.broadcast_to(scale.astype(np.float32), channels).copy()
    builder.weights[f"{name}.scale"] = filled
    return made


def _move(
    op: OperatorView, reader: Any, operands: list[Quantization], output: Quantization
) -> Tensor:
    """Move integers; those of other scales come to the output's first."""
    tensors = [i for i, value in enumerate(op.inputs) if isinstance(value, Tensor)]
    for at, own in zip(tensors, operands, strict=True):
        if own != output:
            table = real_table(pl.Rescale(), own, output)
            op.inputs[at] = quantized.requantize(
                op.builder,
                op.ref.part(f"in_{at}"),
                op.tensor(at),
                table,
                (own, output),
                arithmetic="real",
            )
    moved: Tensor = reader(op)
    return moved


def _with_constant(
    op: OperatorView,
    kind: str,
    own: Quantization,
    output: Quantization,
    clamp: str | None,
) -> Tensor:
    """Add, Mul or Sub with a constant: a table for each of its numbers."""
    at = 0 if isinstance(op.inputs[0], Tensor) else 1
    x, constant = op.tensor(at), op.constant(1 - at)
    numbers = op.builder.per_channel(op.ref, x, constant)
    if constant.size == 1:
        numbers = numbers[:1]
    if x.order is not None and len(numbers) > 1:
        op.refuse("have one constant after a flattened image", f"{len(numbers)}")
    given: Any = tuple(map(float, numbers)) if len(numbers) > 1 else float(numbers[0])
    negative: Any = tuple(-n for n in given) if len(numbers) > 1 else -given
    layer = pl.Rescale(1.0, given)
    if kind == "Mul":
        layer = pl.Rescale(given, 0.0)
    elif kind == "Sub":
        layer = pl.Rescale(1.0, negative) if at == 0 else pl.Rescale(-1.0, given)
    channels = len(numbers)
    table = real_table(layer, own, output, channels=channels)
    whole = pl.Quantized(layer, (own,), output, clamp=clamp, arithmetic="real")
    return op.builder.layer(op.ref, whole, [x], {"table": np.atleast_2d(table)})


def real_table(
    layer: Layer, x: Quantization, y: Quantization, *, channels: int = 1
) -> Array:
    """Return a layer's outputs for all integers, rounded to steps of the output."""
    low, high = x.limits
    real = (np.arange(low, high + 1) * x.scale).astype(np.float64)
    entry = pl.Input(channels, name="x")
    network = Network(inputs=entry, outputs=type(layer).__call__(layer, entry))
    session = as_engine("numpy").build(network, state={}, dtype="float64")
    made = np.asarray(session.predict(np.repeat(real[:, None], channels, 1)))
    steps = np.clip(np.rint(made / y.scale), *y.limits).astype(np.int16)
    return steps[:, 0] if channels == 1 else np.ascontiguousarray(steps.T)


def read_quantize(op: OperatorView) -> Tensor:
    """QuantizeLinear of floats: halves go to the even integer."""
    layer = pl.Quantize(_given(op, "y_zero_point"), rounding="even")
    return op.builder.layer(op.ref, layer, [op.tensor()])


def read_dequantize(op: OperatorView) -> Tensor:
    """DequantizeLinear of integers that the network computes."""
    return op.builder.layer(op.ref, pl.Dequantize(_given(op, "zero")), [op.tensor()])


def _given(op: OperatorView, what: str) -> Quantization:
    scale, zero = op.constant(1), op.constant(2, np.zeros(1, np.uint8))
    if scale.size != 1 or zero.size != 1 or zero.dtype.name not in RANGES:
        op.refuse(
            "have one scale and one zero point of int8 or uint8",
            f"{scale.size} and {zero.size} of {zero.dtype}",
        )
    return Quantization(
        float(np.float32(scale.reshape(-1)[0])),
        int(zero.reshape(-1)[0]),
        zero.dtype.name,
    )


READERS: dict[str, Callable[[OperatorView], Any]] = {
    "DequantizeLinear": read_dequantize,
    "QuantizeLinear": read_quantize,
}
