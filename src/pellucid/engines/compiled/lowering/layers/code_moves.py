"""Lower layers that move elements, where these are codes."""

from __future__ import annotations

from typing import Any

from pellucid.engines.compiled.kernels.pool.pool import Pool
from pellucid.engines.compiled.kernels.quantized.max_pool import max_of_codes
from pellucid.engines.compiled.lowering import codes
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program.program_ir import BufferRef, CodedValue
from pellucid.network.layers import Flatten, Layer, MaxPool2D
from pellucid.network.node import Node


def fits(low: LoweringContext, node: Node, layer: Layer) -> bool:
    """Return whether a layer, as one of images, moves codes that are there."""
    x = low.codes.get(node.inputs[0])
    if x is None or low.purpose.kind != "predict":
        return False
    if isinstance(layer, Flatten):  # nothing moves
        y = low.map_of(node.name)
        return x.map.is_plain and y.is_plain
    return isinstance(layer, MaxPool2D)


def lower(low: LoweringContext, node: Node, layer: Layer) -> None:
    """Add the step of a max-pool; of a Flatten there is none."""
    x, m = low.codes[node.inputs[0]], low.map_of(node.name)
    if isinstance(layer, Flatten):
        low.codes[node.name] = CodedValue(x.buffer, m, x.zero)
        return
    pool: Any = layer
    y = codes.make(low, node.name, x.zero)
    (top, _), (left, _) = pool.pads((x.map.height, x.map.width))
    spec = Pool("max", x.map, m, pool.kernel, pool.strides, (top, left))
    places = (BufferRef(x.buffer), BufferRef(y.buffer))
    low.step(max_of_codes, spec, *places, node=node.name, parts=m.height)
