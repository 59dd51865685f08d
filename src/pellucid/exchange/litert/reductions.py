"""LiteRT's reductions over any axes but the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.exchange.graph import reductions
from pellucid.exchange.graph.tensor import Tensor
from pellucid.exchange.litert.operator_view import OperatorView
from pellucid.network import composites


def reduce(op: OperatorView, kind: Callable[..., Any]) -> Tensor:
    """Reduce the axes that the operator names."""
    x, keepdims = op.tensor(), bool(op.options.get("keep_dims"))
    return reductions.reduce(
        op.builder, op.ref, x, kind, op.whole(1), keepdims=keepdims
    )


def _reader(kind: Callable[..., Any]) -> Callable[[OperatorView], Tensor]:
    return lambda op: reduce(op, kind)


READERS: dict[str, Callable[[OperatorView], Any]] = {
    "REDUCE_MAX": _reader(composites.ReduceMax),
    "REDUCE_MIN": _reader(composites.ReduceMin),
    "SUM": _reader(composites.ReduceSum),
}
