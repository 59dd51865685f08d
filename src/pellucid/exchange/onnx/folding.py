"""This file is the arithmetic of constants: shapes and weights that are computed."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from pellucid.exchange.onnx.operator_view import Call

Array = npt.NDArray[Any]
SIZE_LIMIT = 2**27  # numbers that a computed constant may have


def fold(call: Call) -> Array | None:
    """Return what an operator makes of constants; None where that is not known."""
    compute = _FOLDS.get(call.operator)
    if compute is None:
        return None
    result = np.asarray(compute(call))
    if result.size > SIZE_LIMIT:
        call.place.refuse(f"make at most {SIZE_LIMIT} numbers", f"{result.size}")
    return result


def _bounded(call: Call, shape: Any) -> tuple[int, ...]:
    sizes = tuple(int(n) for n in np.asarray(shape).reshape(-1))
    if min(sizes, default=0) < 0 or prod(sizes) > SIZE_LIMIT:
        call.place.refuse(f"make at most {SIZE_LIMIT} numbers", f"shape={sizes}")
    return sizes


def _binary(function: Callable[..., Any]) -> Callable[[Call], Any]:
    def compute(call: Call) -> Any:
        a, b = call.constant(0), call.constant(1)
        _bounded(call, np.broadcast_shapes(a.shape, b.shape))
        return function(a, b)

    return compute


def _divide(a: Array, b: Array) -> Array:
    if a.dtype.kind in "iu" and (b != 0).all():
        quotient: Array = np.trunc(a / b).astype(a.dtype)
        return quotient
    return np.asarray(a / b)


def _cast(call: Call) -> Any:
    dtype = onnx.helper.tensor_dtype_to_np_dtype(call.attribute("to"))
    x = call.constant(0)
    if x.dtype == np.int64 and dtype == np.int32:
        return x  # of a shape, in which the batch is a large number
    return x.astype(dtype)


def _reduce_prod(call: Call) -> Any:
    axes = call.axes()
    return np.prod(
        call.constant(0),
        axis=None if axes is None else tuple(axes),
        keepdims=bool(call.attribute("keepdims", 1)),
    )


def _constant_of_shape(call: Call) -> Array:
    value = call.attribute("value", np.zeros(1, np.float32))
    return np.full(_bounded(call, call.constant(0)), value.reshape(-1)[0])


def _expand(call: Call) -> Array:
    x, shape = call.constant(0), _bounded(call, call.constant(1))
    _bounded(call, np.broadcast_shapes(x.shape, shape))
    return np.asarray(x * np.ones(shape, x.dtype))


def _gather(call: Call) -> Any:
    x, indices = call.constant(0), call.constant(1)
    _bounded(call, (x.size, max(indices.size, 1)) if x.ndim > 1 else indices.shape)
    return np.take(x, indices, axis=call.attribute("axis", 0))


def _reshape(call: Call) -> Any:
    x, shape = call.constant(0), [int(n) for n in call.shape_argument()]
    return x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(shape)])


def _squeeze(call: Call) -> Any:
    axes = call.axes()
    return np.squeeze(call.constant(0), None if axes is None else tuple(axes))


def _unsqueeze(call: Call) -> Any:
    return np.expand_dims(call.constant(0), tuple(call.axes() or ()))


def _slice(call: Call) -> Any:
    x = call.constant(0)
    starts, ends = call.numbers(1, "starts"), call.numbers(2, "ends")
    axes = call.numbers(3, "axes") or list(range(len(starts or ())))
    steps = call.numbers(4, "steps") or [1] * len(axes)
    index = [slice(None)] * x.ndim
    for axis, start, end, step in zip(
        axes, starts or (), ends or (), steps, strict=True
    ):
        index[axis] = slice(start, end, step)
    return x[tuple(index)]


def _transpose(call: Call) -> Any:
    return call.constant(0).transpose(call.attribute("perm", None))


def _concat(call: Call) -> Array:
    parts = [call.constant(i) for i in range(len(call.inputs))]
    _bounded(call, [sum(part.size for part in parts)])
    return np.concatenate(parts, axis=call.attribute("axis", 1))


def _clip(call: Call) -> Any:
    low, high = call.attribute("min", None), call.attribute("max", None)
    low = call.constant(1, low) if len(call.inputs) > 1 else low
    high = call.constant(2, high) if len(call.inputs) > 2 else high
    return np.clip(call.constant(0), low, high)


_FOLDS: dict[str, Callable[[Call], Any]] = {
    "Add": _binary(np.add),
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "Div": _binary(_divide),
    "Equal": _binary(np.equal),
    "Exp": lambda call: np.exp(call.constant(0)),
    "Expand": _expand,
    "Gather": _gather,
    "Identity": lambda call: call.constant(0),
    "Mul": _binary(np.multiply),
    "Neg": lambda call: -call.constant(0),
    "Pow": _binary(np.power),
    "Reciprocal": lambda call: 1 / call.constant(0),
    "ReduceProd": _reduce_prod,
    "Reshape": _reshape,
    "Slice": _slice,
    "Sqrt": lambda call: np.sqrt(call.constant(0)),
    "Squeeze": _squeeze,
    "Sub": _binary(np.subtract),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
