"""Lower Resize to kernel calls."""

from __future__ import annotations

from pellucid.engines.compiled.kernels.elementwise import resize as kernels
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program.program_ir import BufferRef, Value
from pellucid.network.layers import Resize
from pellucid.network.node import Node


def lower(low: LoweringContext, node: Node) -> None:
    """Add the steps of Resize; its tables are written once, with the weights."""
    layer = node.layer_as(Resize)
    x, y = low.source(node), low.output(node.name)
    how = layer.mode == "nearest", layer.mode == "bicubic"
    tables = [_table(low, node, layer, axis) for axis in (0, 1)]
    low.step(
        kernels.resize_forward,
        kernels.Resample(x.map, y.map, *how),
        x,
        *tables,
        y,
        node=node.name,
    )

    def back(grad: Value, to: Value, accumulate: bool) -> None:
        if not accumulate:
            low.clear(to, node.name)
        low.step(
            kernels.resize_backward,
            kernels.Resample(to.map, grad.map, *how),
            grad,
            *tables,
            to,
            node=node.name,
        )

    low.on_input_grad(node, back)


def _table(low: LoweringContext, node: Node, layer: Resize, axis: int) -> BufferRef:
    """Write the taps of the rows (axis 0) or columns (1)."""
    size = low.network.shapes[node.inputs[0]][axis]
    numbers = tuple(number for row in layer.entries(axis, size) for number in row)
    what = ("rows", "columns")[axis]
    place = BufferRef(low.buffer(f"{node.name} {what}", len(numbers), "shared"))
    low.prepare(kernels.write_numbers, numbers, place, node=node.name)
    return place
