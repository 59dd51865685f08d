"""Compute operators whose inputs are all constant."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from pellucid.exchange.graph.ir import Graph, Operator
from pellucid.exchange.graph.tensor import Array

SIZE_LIMIT = 2**27  # elements that a computed constant may have


def fold_constants(graph: Graph) -> None:
    """Put constants in the place of operators that compute them."""
    for operator in graph.operators:
        arrays = [graph.constants.get(name) for name in operator.inputs]
        compute = _FUNCTIONS.get(operator.kind)
        if compute is None or not arrays or len(operator.outputs) != 1:
            continue
        known = [array for array in arrays if array is not None]
        if len(known) == len(arrays):
            made = _compute(graph, operator, compute, known)
            if made is not None:
                graph.constants[operator.output] = made
    graph.operators = [op for op in graph.operators if op.output not in graph.constants]
    graph.remove_unread()


def _compute(
    graph: Graph,
    operator: Operator,
    compute: Callable[..., Any],
    arrays: list[Array],
) -> Array | None:
    shape = graph.shapes.get(operator.output)
    broadcast = arrays[:1] if operator.kind == "standardize" else arrays
    size = prod(np.broadcast_shapes(*(a.shape for a in broadcast)))
    if size > SIZE_LIMIT or (shape is not None and prod(shape) > SIZE_LIMIT):
        operator.ref.refuse(f"make at most {SIZE_LIMIT} numbers", f"{size}")
    given = dict(operator.attributes)
    if operator.kind == "reshape":
        if shape is None or prod(shape) != arrays[0].size:
            return None
        given["shape"] = shape
        arrays = arrays[:1]
    with np.errstate(all="ignore"):
        made = np.asarray(compute(*arrays, **given))
    # NumPy's scalars would widen float32
    return made.astype(arrays[0].dtype) if arrays[0].dtype.kind == "f" else made


def _mean(x: Array, *, axes: tuple[int, ...], keepdims: bool) -> Array:
    return np.asarray(x.mean(axes, keepdims=keepdims))


def _sum(x: Array, *, axes: tuple[int, ...], keepdims: bool) -> Array:
    return np.asarray(x.sum(axes, keepdims=keepdims))


def _clip(x: Array, *_: Array, low: float | None, high: float | None) -> Array:
    return x if low is None and high is None else np.clip(x, low, high)


def _standardize(
    x: Array, *more: Array, epsilon: float, has_scale: bool, has_offset: bool
) -> Array:
    """Normalise each index of axis 1 by its own mean and variance, and scale it."""
    rest = tuple(axis for axis in range(x.ndim) if axis != 1)
    variance = x.var(rest, keepdims=True)
    made = (x - x.mean(rest, keepdims=True)) / np.sqrt(variance + epsilon)
    given = iter(more)
    shape = (1, -1, *(1,) * (x.ndim - 2))
    if has_scale:
        made = made * next(given).reshape(shape)
    return np.asarray(made + next(given).reshape(shape) if has_offset else made)


def _transpose(x: Array, *_: Array, perm: tuple[int, ...]) -> Array:
    return x.transpose(perm)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "clip": _clip,
    "divide": np.divide,
    "exp": np.exp,
    "identity": lambda x: x,
    "log": np.log,
    "maximum": np.maximum,
    "mean": _mean,
    "minimum": np.minimum,
    "multiply": np.multiply,
    "negate": np.negative,
    "power": np.power,
    "reciprocal": lambda x: 1 / x,
    "relu": lambda x: np.maximum(x, 0),
    "reshape": np.reshape,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sqrt": np.sqrt,
    "squared_difference": lambda x, y: (x - y) ** 2,
    "standardize": _standardize,
    "subtract": np.subtract,
    "sum": _sum,
    "tanh": np.tanh,
    "transpose": _transpose,
}
