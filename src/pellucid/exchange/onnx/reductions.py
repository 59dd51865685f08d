"""ONNX's reductions over any axes but the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.exchange.graph import reductions
from pellucid.exchange.graph.tensor import Tensor
from pellucid.exchange.onnx.operator_view import OperatorView
from pellucid.network import composites


def reduce(op: OperatorView, kind: Callable[..., Any]) -> Tensor:
    """Reduce the axes that the operator names, or all but the batch."""
    x = op.tensor()
    axes = op.axes()
    if not axes and op.attribute("noop_with_empty_axes", 0):
        op.refuse("name axes", "noop_with_empty_axes=1")
    every = axes or list(range(len(x.axes)))
    keepdims = bool(op.attribute("keepdims", 1))
    return reductions.reduce(op.builder, op.ref, x, kind, every, keepdims=keepdims)


def _reader(kind: Callable[..., Any]) -> Callable[[OperatorView], Tensor]:
    return lambda op: reduce(op, kind)


READERS: dict[str, Callable[[OperatorView], Any]] = {
    "ReduceL1": _reader(composites.ReduceL1),
    "ReduceL2": _reader(composites.ReduceL2),
    "ReduceLogSumExp": _reader(composites.ReduceLogSumExp),
    "ReduceMax": _reader(composites.ReduceMax),
    "ReduceMin": _reader(composites.ReduceMin),
    "ReduceSum": _reader(composites.ReduceSum),
    "ReduceSumSquare": _reader(composites.ReduceSumSquare),
}
