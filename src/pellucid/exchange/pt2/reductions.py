"""PyTorch's reductions over any axes but the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.exchange.graph import reductions
from pellucid.exchange.graph.arithmetic import extreme
from pellucid.exchange.graph.tensor import Tensor
from pellucid.exchange.pt2.operator_view import OperatorView
from pellucid.network import composites
from pellucid.network.expression import math
from pellucid.network.layers import Elementwise


def axes_of(op: OperatorView, rank: int) -> list[int]:
    """Return the axes that are reduced, counted from the front; all without one."""
    given = op.get("dim")
    axes = [given] if isinstance(given, int) else given or list(range(rank))
    return sorted(axis % rank for axis in axes)


def reduce(op: OperatorView, kind: Callable[..., Any], **fields: Any) -> Tensor:
    """Reduce the axes that the operator names."""
    if op.get("dtype") is not None:
        op.refuse("keep the type of its input", op.get("dtype"))
    x = op.tensor("self")
    axes, keepdims = axes_of(op, len(x.axes)), bool(op.get("keepdim", False))
    return reductions.reduce(
        op.builder, op.ref, x, kind, axes, keepdims=keepdims, **fields
    )


def _reader(kind: Callable[..., Any]) -> Callable[[OperatorView], Tensor]:
    return lambda op: reduce(op, kind)


def _norm(op: OperatorView) -> Tensor:
    """Norms of order 1, 2, ∞ and −∞."""
    order = op.get("ord", op.get("p", 2))
    kinds = {1: composites.ReduceL1, 2: composites.ReduceL2}
    if order not in kinds:
        op.refuse("be a norm of order 1 or 2", order)
    return reduce(op, kinds[order])


def _best(kind: Callable[..., Any]) -> Callable[[OperatorView], Any]:
    """max and min: of two values, or along an axis, which gives the places besides."""

    def read(op: OperatorView) -> Any:
        if op.get("other") is None:
            return [reduce(op, kind), None]
        pair = [op.tensor("self"), op.tensor("other")]
        is_largest = kind is composites.ReduceMax
        return extreme(op.builder, op.ref, pair, is_largest=is_largest)

    return read


def _spread(is_root: bool) -> Callable[[OperatorView], Tensor]:
    """Variance, and its root; unbiased unless said otherwise."""

    def read(op: OperatorView) -> Tensor:
        correction = op.get("correction", 1)
        correction = 1 if correction is None else correction
        if op.get("unbiased") is not None:
            correction = int(op.get("unbiased"))
        made = reduce(op, composites.ReduceVariance, correction=int(correction))
        if not is_root:
            return made
        return op.builder.elementwise(op.ref, made, Elementwise(math.sqrt))

    return read


READERS: dict[str, Callable[[OperatorView], Any]] = {
    "amax": _reader(composites.ReduceMax),
    "amin": _reader(composites.ReduceMin),
    "linalg_vector_norm": _norm,
    "logsumexp": _reader(composites.ReduceLogSumExp),
    "max": _best(composites.ReduceMax),
    "min": _best(composites.ReduceMin),
    "norm": _norm,
    "std": _spread(True),
    "sum": _reader(composites.ReduceSum),
    "var": _spread(False),
}
