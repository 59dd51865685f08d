"""Recognize a decomposed layer norm.

``(x − mean) / √(variance + ε) · scale + offset`` comes in several orders. While it is
read, its parts are a `Spread` (the steps from the squares to 1 / σ) and a `Combination`
of x and its mean, which is the layer once it is ``(x − mean) / σ``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

from pellucid.exchange.graph.tensor import BATCH, FIRST, LAST, Array, Tensor
from pellucid.exchange.onnx.operator_view import OperatorView
from pellucid.network import layers as pl

_STEPS = ("square", "variance", "stable", "root", "inverse")


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """(x − mean)², and on to 1 / σ, then times ``scale``: how far it has come."""

    x: Tensor
    step: str = "square"
    epsilon: float = 0.0
    scale: Array | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Combination:
    """``(of_x · x + of_mean · mean) [/ σ · scale] + offset``."""

    x: Tensor
    of_x: float = 0.0
    of_mean: float = 0.0
    inverse: Spread | None = None
    offset: Array | None = None


def mean(op: OperatorView, x: Tensor) -> Combination | None:
    """Start where ReduceMean averages the channels, the last axis of the node."""
    axes = op.numbers(1, "axes") or []
    is_kept = bool(op.attribute("keepdims", 1))
    is_last = len(axes) == 1 and x.axis(axes[0]) == len(x.shape)
    return Combination(x, of_mean=1.0) if is_last and is_kept else None


def read(op: OperatorView) -> Any:
    """Advance by one operator that reads a part of a layer norm."""
    step = _READERS.get(op.operator)
    if step is None:
        _refuse(op)
    return step(op)


def _refuse(op: OperatorView) -> NoReturn:
    op.refuse("be the next step of a layer norm", op.operator)


def _is_same(x: Tensor, other: Tensor) -> bool:
    return x.node == other.node and x.same_layout(other)


def _to_combination(op: OperatorView, value: Any, part: Any) -> Combination:
    """Return x itself as a combination; what is one already stays."""
    if isinstance(value, Tensor) and _is_same(value, part.x):
        return Combination(value, of_x=1.0)
    if not isinstance(value, Combination) or not _is_same(value.x, part.x):
        _refuse(op)
    return value


def _sub(op: OperatorView) -> Any:
    first, second = op.inputs
    if isinstance(second, np.ndarray):
        return _offset(op, first, -second)
    part = second if isinstance(second, Combination) else first
    if not isinstance(part, Combination):
        _refuse(op)
    minus = _negate(_to_combination(op, second, part))
    return _sum(op, _to_combination(op, first, part), minus)


def _add(op: OperatorView) -> Any:
    first, second = op.inputs
    if isinstance(first, np.ndarray):
        first, second = second, first
    if isinstance(first, Spread):
        is_number = isinstance(second, np.ndarray) and second.size == 1
        if first.step != "variance" or not is_number:
            _refuse(op)
        return replace(first, step="stable", epsilon=float(second.reshape(-1)[0]))
    if isinstance(second, np.ndarray):
        return _offset(op, first, second)
    part = second if isinstance(second, Combination) else first
    if not isinstance(part, Combination):
        _refuse(op)
    return _sum(op, _to_combination(op, first, part), _to_combination(op, second, part))


def _offset(op: OperatorView, part: Any, constant: Array) -> Any:
    is_scaled = isinstance(part, Combination) and part.inverse is not None
    if not is_scaled or part.offset is not None:
        _refuse(op)
    offset = op.builder.per_channel(op.ref, part.x, constant)
    return _finish(op, replace(part, offset=offset))


def _sum(op: OperatorView, first: Combination, second: Combination) -> Any:
    if first.inverse is not second.inverse or not _is_same(first.x, second.x):
        _refuse(op)
    offsets = [part.offset for part in (first, second) if part.offset is not None]
    if len(offsets) > 1:
        _refuse(op)
    made = replace(
        first,
        of_x=first.of_x + second.of_x,
        of_mean=first.of_mean + second.of_mean,
        offset=offsets[0] if offsets else None,
    )
    return _finish(op, made)


def _finish(op: OperatorView, part: Combination) -> Any:
    """Return the layer once every part has been read, else the part."""
    spread = part.inverse
    if spread is None or (part.of_x, part.of_mean) != (1.0, -1.0):
        return part
    ones = np.ones(part.x.shape[-1], np.float32)
    weights = {
        "scale": ones if spread.scale is None else spread.scale,
        "offset": ones * 0 if part.offset is None else part.offset,
    }
    layer = pl.LayerNorm(epsilon=spread.epsilon)
    return op.builder.normalization(op.ref, part.x, layer, weights)


def _mul(op: OperatorView) -> Any:
    first, second = op.inputs
    if first is second:
        return _square(op)
    if isinstance(second, Spread) or isinstance(first, np.ndarray):
        first, second = second, first
    if not isinstance(first, Spread) or first.step != "inverse":
        _refuse(op)
    if isinstance(second, np.ndarray):
        if first.scale is not None:
            _refuse(op)
        scale = op.builder.per_channel(op.ref, first.x, second)
        return replace(first, scale=scale)
    return _divide(op, second, first)


def _square(op: OperatorView) -> Spread:
    part = op.inputs[0]
    is_square = op.operator == "Mul" or float(np.ravel(op.constant(1))[0]) == 2
    is_centred = isinstance(part, Combination) and part.inverse is None
    signs = ((1.0, -1.0), (-1.0, 1.0))
    if not is_square or not is_centred or (part.of_x, part.of_mean) not in signs:
        _refuse(op)
    return Spread(part.x)


def _div(op: OperatorView) -> Any:
    spread = op.inputs[1]
    if not isinstance(spread, Spread) or spread.step != "root":
        _refuse(op)
    return _divide(op, op.inputs[0], replace(spread, step="inverse"))


def _divide(op: OperatorView, value: Any, spread: Spread) -> Any:
    part = _to_combination(op, value, spread)
    if part.inverse is not None:
        _refuse(op)
    return _finish(op, replace(part, inverse=spread))


def _negate(part: Combination) -> Combination:
    offset = None if part.offset is None else -part.offset
    return replace(part, of_x=-part.of_x, of_mean=-part.of_mean, offset=offset)


def _neg(op: OperatorView) -> Combination:
    if not isinstance(op.inputs[0], Combination):
        _refuse(op)
    return _negate(op.inputs[0])


def _root(op: OperatorView) -> Spread:
    """Take the root; without an epsilon added, it is 0."""
    part = op.inputs[0]
    if not isinstance(part, Spread) or part.step not in ("variance", "stable"):
        _refuse(op)
    return replace(part, step="root")


def _advance(before: str) -> Callable[[OperatorView], Spread]:
    """Return a reader that takes a `Spread` from one step to the next."""

    def step(op: OperatorView) -> Spread:
        part = op.inputs[0]
        if not isinstance(part, Spread) or part.step != before:
            _refuse(op)
        return replace(part, step=_STEPS[_STEPS.index(before) + 1])

    return step


def _variance(op: OperatorView) -> Spread:
    part = op.inputs[0]
    if not isinstance(part, Spread) or mean(op, part.x) is None:
        _refuse(op)
    return _advance("square")(op)


def _transpose(op: OperatorView) -> Any:
    part, permutation = op.inputs[0], op.attribute("perm", [])
    return replace(part, x=op.builder.transpose(op.ref, part.x, permutation))


def _reshape(op: OperatorView) -> Any:
    """One number a pixel: tf2onnx reshapes it where it transposes the image."""
    part, shape = op.inputs[0], op.shape_argument()
    is_lone = isinstance(part, Spread) and part.scale is None
    if isinstance(part, Combination):
        is_lone = part.of_x == 0 and part.inverse is None
    for axes in (
        (part.x.axes, FIRST, LAST) if is_lone and len(part.x.shape) == 3 else ()
    ):
        x = replace(part.x, axes=axes)
        lone = [
            1 if axis == 3 else n for n, axis in zip(x.foreign_shape, axes, strict=True)
        ]
        first = BATCH if shape[:1] in ([-1], [op.builder.batch]) else shape[0]
        if [first, *shape[1:]] == lone:
            return replace(part, x=x)
    _refuse(op)


_READERS: dict[str, Callable[[OperatorView], Any]] = {
    "Add": _add,
    "Div": _div,
    "Mul": _mul,
    "Neg": _neg,
    "Pow": _square,
    "Reciprocal": _advance("root"),
    "ReduceMean": _variance,
    "Reshape": _reshape,
    "Sqrt": _root,
    "Sub": _sub,
    "Transpose": _transpose,
}
