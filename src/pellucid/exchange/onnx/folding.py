"""Constant folding: evaluate operators whose inputs are all constant."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from pellucid.exchange.onnx.operator_view import OperatorView

Array = npt.NDArray[Any]
SIZE_LIMIT = 2**27  # numbers that a computed constant may have


def fold(op: OperatorView) -> Array | None:
    """Return what an operator makes of constants; None where that is not known."""
    compute = _FOLDS.get(op.operator)
    if compute is None:
        return None
    result = np.asarray(compute(op))
    if result.size > SIZE_LIMIT:
        op.ref.refuse(f"make at most {SIZE_LIMIT} numbers", f"{result.size}")
    return result


def _check_size(op: OperatorView, shape: Any) -> tuple[int, ...]:
    sizes = tuple(int(n) for n in np.asarray(shape).reshape(-1))
    if min(sizes, default=0) < 0 or prod(sizes) > SIZE_LIMIT:
        op.ref.refuse(f"make at most {SIZE_LIMIT} numbers", f"shape={sizes}")
    return sizes


def _binary(function: Callable[..., Any]) -> Callable[[OperatorView], Any]:
    def compute(op: OperatorView) -> Any:
        a, b = op.constant(0), op.constant(1)
        _check_size(op, np.broadcast_shapes(a.shape, b.shape))
        return function(a, b)

    return compute


def _divide(a: Array, b: Array) -> Array:
    if a.dtype.kind in "iu" and (b != 0).all():
        quotient: Array = np.trunc(a / b).astype(a.dtype)
        return quotient
    return np.asarray(a / b)


def _cast(op: OperatorView) -> Any:
    dtype = onnx.helper.tensor_dtype_to_np_dtype(op.attribute("to"))
    x = op.constant(0)
    if x.dtype == np.int64 and dtype == np.int32:
        return x  # of a shape, in which the batch is a large number
    return x.astype(dtype)


def _reduce_prod(op: OperatorView) -> Any:
    axes = op.axes()
    return np.prod(
        op.constant(0),
        axis=None if axes is None else tuple(axes),
        keepdims=bool(op.attribute("keepdims", 1)),
    )


def _constant_of_shape(op: OperatorView) -> Array:
    value = op.attribute("value", np.zeros(1, np.float32))
    return np.full(_check_size(op, op.constant(0)), value.reshape(-1)[0])


def _expand(op: OperatorView) -> Array:
    x, shape = op.constant(0), _check_size(op, op.constant(1))
    _check_size(op, np.broadcast_shapes(x.shape, shape))
    return np.asarray(x * np.ones(shape, x.dtype))


def _gather(op: OperatorView) -> Any:
    x, indices = op.constant(0), op.constant(1)
    _check_size(op, (x.size, max(indices.size, 1)) if x.ndim > 1 else indices.shape)
    return np.take(x, indices, axis=op.attribute("axis", 0))


def _reshape(op: OperatorView) -> Any:
    x, shape = op.constant(0), [int(n) for n in op.shape_argument()]
    return x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(shape)])


def _squeeze(op: OperatorView) -> Any:
    axes = op.axes()
    return np.squeeze(op.constant(0), None if axes is None else tuple(axes))


def _unsqueeze(op: OperatorView) -> Any:
    return np.expand_dims(op.constant(0), tuple(op.axes() or ()))


def _slice(op: OperatorView) -> Any:
    x = op.constant(0)
    starts, ends = op.numbers(1, "starts"), op.numbers(2, "ends")
    axes = op.numbers(3, "axes") or list(range(len(starts or ())))
    steps = op.numbers(4, "steps") or [1] * len(axes)
    index = [slice(None)] * x.ndim
    for axis, start, end, step in zip(
        axes, starts or (), ends or (), steps, strict=True
    ):
        index[axis] = slice(start, end, step)
    return x[tuple(index)]


def _transpose(op: OperatorView) -> Any:
    return op.constant(0).transpose(op.attribute("perm", None))


def _concat(op: OperatorView) -> Array:
    parts = [op.constant(i) for i in range(len(op.inputs))]
    _check_size(op, [sum(part.size for part in parts)])
    return np.concatenate(parts, axis=op.attribute("axis", 1))


def _clip(op: OperatorView) -> Any:
    low, high = op.attribute("min", None), op.attribute("max", None)
    low = op.constant(1, low) if len(op.inputs) > 1 else low
    high = op.constant(2, high) if len(op.inputs) > 2 else high
    return np.clip(op.constant(0), low, high)


_FOLDS: dict[str, Callable[[OperatorView], Any]] = {
    "Add": _binary(np.add),
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "Div": _binary(_divide),
    "Equal": _binary(np.equal),
    "Exp": lambda op: np.exp(op.constant(0)),
    "Expand": _expand,
    "Gather": _gather,
    "Identity": lambda op: op.constant(0),
    "Mul": _binary(np.multiply),
    "Neg": lambda op: -op.constant(0),
    "Pow": _binary(np.power),
    "Reciprocal": lambda op: 1 / op.constant(0),
    "ReduceProd": _reduce_prod,
    "Reshape": _reshape,
    "Slice": _slice,
    "Sqrt": lambda op: np.sqrt(op.constant(0)),
    "Squeeze": _squeeze,
    "Sub": _binary(np.subtract),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
