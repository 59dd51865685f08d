"""Write integer layers in QDQ form: QuantizeLinear and DequantizeLinear around floats.

Each integer value is a pair of the two, and stands in the file as the real number that
it is; the operator between two pairs is the float one. Runtimes join them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.exchange.errors import export_error
from pellucid.exchange.onnx.builder import GraphBuilder
from pellucid.exchange.onnx.write_context import Array, WriteContext
from pellucid.network import layers as pl
from pellucid.network.quantization import Quantization


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerContext(WriteContext):
    """One `Quantized` node: ``layer`` is its operation, ``quantized`` the whole."""

    quantized: pl.Quantized

    def add_weight(self, role: str, array: Array | None = None) -> str:
        """Add integers and what makes real numbers of them."""
        if role not in ("weight", "bias"):
            return WriteContext.add_weight(self, role, array)
        x, y = self.quantized.operands[0].scale, self.quantized.output.scale
        product = self.weights["factor"] * y
        scale, axis = product, 0
        given = self.weights[role] if array is None else array
        if role == "weight":
            scale = (product / x).astype(np.float32).astype(np.float64)
            is_rows = isinstance(self.layer, pl.Dense | pl.ConvTranspose2D)
            axis = int(is_rows)
        groups = getattr(self.layer, "groups", 1)
        if isinstance(self.layer, pl.ConvTranspose2D) and role == "weight":
            scale = scale.reshape(groups, -1)
            if np.ptp(scale, axis=0).any():
                reason = "groups must have the same scales"
                raise export_error("ONNX", self.quantized.who, reason)
            scale = scale[0]
        if not np.ptp(scale):
            scale = scale[:1].reshape(())
        return _dequantize(
            self.builder, f"{self.node.name}.{role}", given, scale, axis=axis
        )


def _dequantize(
    builder: GraphBuilder, name: str, array: Array, scale: Array, *, axis: int
) -> str:
    """Add constant integers, and the real numbers that they stand for."""
    zero = np.zeros(scale.shape, array.dtype)
    if array.dtype == np.int16:  # counted from the zero point of eight bits
        point = max(-int(array.min(initial=0)), 0)
        zero = np.full(scale.shape, point, np.uint8)
        array = (array + point).astype(np.uint8)
    given = [
        builder.constant(f"{name}.integers", array),
        builder.constant(f"{name}.scale", scale.astype(np.float32)),
        builder.constant(f"{name}.zero", zero),
    ]
    how: dict[str, Any] = {"axis": axis} if scale.ndim else {}
    return builder.add("DequantizeLinear", given, name, **how)


def add_pair(builder: GraphBuilder, name: str, x: str, how: Quantization) -> str:
    """Round a value to integers, and return the real numbers that they stand for."""
    scale = builder.constant(f"{name}.scale", np.asarray(how.scale, np.float32))
    point = np.asarray(how.zero_point, how.dtype)
    zero = builder.constant(f"{name}.zero", point)
    q = builder.add("QuantizeLinear", [x, scale, zero], f"{name}.quantized")
    return builder.add("DequantizeLinear", [q, scale, zero], f"{name}.real")


def clamp(context: IntegerContext, x: str) -> str:
    """Add the limits that a layer puts on its output itself."""
    builder, name = context.builder, context.node.name
    kind = context.quantized.clamp
    if kind is None:
        return x
    if kind == "relu":
        return builder.add("Relu", [x], f"{name}.relu")
    ends = {"relu6": (0.0, 6.0), "relu_n1_to_1": (-1.0, 1.0)}[kind]
    limits = [
        builder.constant(f"{name}.{what}", np.asarray(end, np.float32))
        for what, end in zip(("low", "high"), ends, strict=True)
    ]
    return builder.add("Clip", [x, *limits], f"{name}.clip")


def quantization_of(
    layer: pl.Layer, inputs: list[Quantization | None]
) -> Quantization | None:
    """Return how a node's integers stand for real numbers; None where it has floats."""
    if isinstance(layer, pl.Quantize | pl.Quantized):
        return layer.output
    if isinstance(layer, pl.Dequantize) or not inputs or None in inputs:
        return None
    return inputs[0]  # of a layer that moves them
