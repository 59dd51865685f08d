"""This file is how a layer norm is recognised that is spelt out by its moments.

``(x − mean) / √(variance + ε) · scale + offset`` comes in several orders. While it is
read, its parts are a `Spread` (the way from the squares to 1 / σ) and a `Combination`
of x and its mean, which is the layer once it is ``(x − mean) / σ``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

from pellucid.exchange.graph.tensor import BATCH, FIRST, LAST, Array, Tensor
from pellucid.exchange.onnx.operator_view import Call
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


def mean(call: Call, x: Tensor) -> Combination | None:
    """Begin, where ReduceMean averages the channels, the last axis of ours."""
    axes = call.numbers(1, "axes") or []
    is_kept = bool(call.attribute("keepdims", 1))
    is_last = len(axes) == 1 and x.axis(axes[0]) == len(x.shape)
    return Combination(x, of_mean=1.0) if is_last and is_kept else None


def read(call: Call) -> Any:
    """Take an operator that reads a part one step on."""
    step = _READERS.get(call.operator)
    if step is None:
        _refuse(call)
    return step(call)


def _refuse(call: Call) -> NoReturn:
    call.refuse("be the next step of a layer norm", call.operator)


def _is_same(x: Tensor, other: Tensor) -> bool:
    return x.node == other.node and x.same_layout(other)


def _as_combination(call: Call, value: Any, part: Any) -> Combination:
    """Return x itself as a combination; what is one already stays."""
    if isinstance(value, Tensor) and _is_same(value, part.x):
        return Combination(value, of_x=1.0)
    if not isinstance(value, Combination) or not _is_same(value.x, part.x):
        _refuse(call)
    return value


def _sub(call: Call) -> Any:
    first, second = call.inputs
    if isinstance(second, np.ndarray):
        return _offset(call, first, -second)
    part = second if isinstance(second, Combination) else first
    if not isinstance(part, Combination):
        _refuse(call)
    minus = _negative(_as_combination(call, second, part))
    return _sum(call, _as_combination(call, first, part), minus)


def _add(call: Call) -> Any:
    first, second = call.inputs
    if isinstance(first, np.ndarray):
        first, second = second, first
    if isinstance(first, Spread):
        is_number = isinstance(second, np.ndarray) and second.size == 1
        if first.step != "variance" or not is_number:
            _refuse(call)
        return replace(first, step="stable", epsilon=float(second.reshape(-1)[0]))
    if isinstance(second, np.ndarray):
        return _offset(call, first, second)
    part = second if isinstance(second, Combination) else first
    if not isinstance(part, Combination):
        _refuse(call)
    return _sum(
        call, _as_combination(call, first, part), _as_combination(call, second, part)
    )


def _offset(call: Call, part: Any, constant: Array) -> Any:
    is_scaled = isinstance(part, Combination) and part.inverse is not None
    if not is_scaled or part.offset is not None:
        _refuse(call)
    offset = call.assembler.per_channel(call.place, part.x, constant)
    return _whole(call, replace(part, offset=offset))


def _sum(call: Call, first: Combination, second: Combination) -> Any:
    if first.inverse is not second.inverse or not _is_same(first.x, second.x):
        _refuse(call)
    offsets = [part.offset for part in (first, second) if part.offset is not None]
    if len(offsets) > 1:
        _refuse(call)
    made = replace(
        first,
        of_x=first.of_x + second.of_x,
        of_mean=first.of_mean + second.of_mean,
        offset=offsets[0] if offsets else None,
    )
    return _whole(call, made)


def _whole(call: Call, part: Combination) -> Any:
    """Return the layer, where all of it is there."""
    spread = part.inverse
    if spread is None or (part.of_x, part.of_mean) != (1.0, -1.0):
        return part
    ones = np.ones(part.x.shape[-1], np.float32)
    weights = {
        "scale": ones if spread.scale is None else spread.scale,
        "offset": ones * 0 if part.offset is None else part.offset,
    }
    layer = pl.LayerNorm(epsilon=spread.epsilon)
    return call.assembler.normalization(call.place, part.x, layer, weights)


def _mul(call: Call) -> Any:
    first, second = call.inputs
    if first is second:
        return _squared(call)
    if isinstance(second, Spread) or isinstance(first, np.ndarray):
        first, second = second, first
    if not isinstance(first, Spread) or first.step != "inverse":
        _refuse(call)
    if isinstance(second, np.ndarray):
        if first.scale is not None:
            _refuse(call)
        scale = call.assembler.per_channel(call.place, first.x, second)
        return replace(first, scale=scale)
    return _divided(call, second, first)


def _squared(call: Call) -> Spread:
    part = call.inputs[0]
    is_square = call.operator == "Mul" or float(np.ravel(call.constant(1))[0]) == 2
    is_centred = isinstance(part, Combination) and part.inverse is None
    signs = ((1.0, -1.0), (-1.0, 1.0))
    if not is_square or not is_centred or (part.of_x, part.of_mean) not in signs:
        _refuse(call)
    return Spread(part.x)


def _div(call: Call) -> Any:
    spread = call.inputs[1]
    if not isinstance(spread, Spread) or spread.step != "root":
        _refuse(call)
    return _divided(call, call.inputs[0], replace(spread, step="inverse"))


def _divided(call: Call, value: Any, spread: Spread) -> Any:
    part = _as_combination(call, value, spread)
    if part.inverse is not None:
        _refuse(call)
    return _whole(call, replace(part, inverse=spread))


def _negative(part: Combination) -> Combination:
    offset = None if part.offset is None else -part.offset
    return replace(part, of_x=-part.of_x, of_mean=-part.of_mean, offset=offset)


def _neg(call: Call) -> Combination:
    if not isinstance(call.inputs[0], Combination):
        _refuse(call)
    return _negative(call.inputs[0])


def _root(call: Call) -> Spread:
    """Take the root; without an epsilon added, it is 0."""
    part = call.inputs[0]
    if not isinstance(part, Spread) or part.step not in ("variance", "stable"):
        _refuse(call)
    return replace(part, step="root")


def _next(before: str) -> Callable[[Call], Spread]:
    """Return a reader that takes a `Spread` from one step to the next."""

    def step(call: Call) -> Spread:
        part = call.inputs[0]
        if not isinstance(part, Spread) or part.step != before:
            _refuse(call)
        return replace(part, step=_STEPS[_STEPS.index(before) + 1])

    return step


def _variance(call: Call) -> Spread:
    part = call.inputs[0]
    if not isinstance(part, Spread) or mean(call, part.x) is None:
        _refuse(call)
    return _next("square")(call)


def _turned(call: Call) -> Any:
    part, permutation = call.inputs[0], call.attribute("perm", [])
    return replace(part, x=call.assembler.transpose(call.place, part.x, permutation))


def _reshaped(call: Call) -> Any:
    """One number a pixel: tf2onnx reshapes it where it transposes the image."""
    part, shape = call.inputs[0], call.shape_argument()
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
        first = BATCH if shape[:1] in ([-1], [call.assembler.batch]) else shape[0]
        if [first, *shape[1:]] == lone:
            return replace(part, x=x)
    _refuse(call)


_READERS: dict[str, Callable[[Call], Any]] = {
    "Add": _add,
    "Div": _div,
    "Mul": _mul,
    "Neg": _neg,
    "Pow": _squared,
    "Reciprocal": _next("root"),
    "ReduceMean": _variance,
    "Reshape": _reshaped,
    "Sqrt": _root,
    "Sub": _sub,
    "Transpose": _turned,
}
