"""Translate ONNX operators that only move elements: splits and pixel shuffles."""

from __future__ import annotations

from pellucid.exchange.graph import relayout
from pellucid.exchange.graph.tensor import Tensor
from pellucid.exchange.onnx.operator_view import OperatorView
from pellucid.network import layers as pl


def split(op: OperatorView) -> list[Tensor]:
    """Cut an axis into ranges, of given sizes or as equal as can be."""
    x, axis = op.tensor(), int(op.attribute("axis", 0))
    sizes = op.numbers(1, "split")
    if not -len(x.axes) <= axis < len(x.axes):
        op.refuse(f"cut one of {len(x.axes)} axes", f"axis={axis}")
    if sizes is None:
        count, total = len(op.node.output), x.foreign_shape[axis]
        each = -(-total // count)
        sizes = [min(each, total - i * each) for i in range(count)]
    if min(sizes, default=0) < 1:
        op.refuse("have parts of at least one element", f"split={sizes}")
    return relayout.split(op.builder, op.ref, x, axis, sizes)


def depth_to_space(op: OperatorView) -> Tensor:
    """DepthToSpace of both orders."""
    order = op.attribute("mode", "DCR")
    layer = pl.DepthToSpace(int(op.attribute("blocksize")), order=order)
    return op.builder.layer(op.ref, layer, [op.builder.image(op.ref, op.tensor())])


def space_to_depth(op: OperatorView) -> Tensor:
    """SpaceToDepth; of both orders from opset 28 on."""
    order = op.attribute("mode", "DCR")
    layer = pl.SpaceToDepth(int(op.attribute("blocksize")), order=order)
    return op.builder.layer(op.ref, layer, [op.builder.image(op.ref, op.tensor())])
