"""Constant folding: compute PyTorch's operators whose tensors are all constant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.graph.tensor import BATCH

Array = npt.NDArray[Any]


_LIMIT = 2**24  # elements of what sizes alone fill
#: PyTorch's types, by their numbers in torch.export's schema
_TYPES = {4: np.int32, 5: np.int64, 7: np.float32, 8: np.float64, 12: np.bool_}


def fold(name: str, arguments: Mapping[str, Any]) -> Array | None:
    """Return what an operator makes of constants; None where that is not known.

    Parameters
    ----------
    name : str
        Without its namespace.
    arguments : mapping
        By name, as the operator's reader gets them.
    """
    if name == "arange":
        return _range(arguments)
    if name in _FILLS:
        return _filled(name, arguments)
    compute = _OPERATORS.get(name.rstrip("_"))
    values = [
        item
        for value in arguments.values()
        for item in (value if isinstance(value, list) else [value])
    ]
    if compute is None or not any(isinstance(value, np.ndarray) for value in values):
        return None
    allowed = (np.ndarray, bool, int, float, str, dict, type(None))
    if not all(isinstance(value, allowed) for value in values):
        return None
    made = np.asarray(compute(arguments))
    kind = _TYPES.get(arguments.get("dtype") or 0)
    wide = made.dtype == np.float64 and not any(
        isinstance(value, np.ndarray) and value.dtype == np.float64 for value in values
    )
    if kind is not None or wide:
        return made.astype(kind or np.float32)
    return made


def _range(given: Mapping[str, Any]) -> Array | None:
    """arange: of numbers alone, the type theirs unless it is named."""
    limits = [
        given[key] for key in ("start", "end", "step") if given.get(key) is not None
    ]
    if not limits or not all(isinstance(n, int | float) for n in limits):
        return None
    whole = all(isinstance(n, int) for n in limits)
    kind = _TYPES.get(given.get("dtype") or 0, np.int64 if whole else np.float32)
    return np.arange(*limits).astype(kind)


_FILLS = {"full": None, "ones": 1, "zeros": 0}


def _filled(name: str, given: Mapping[str, Any]) -> Array | None:
    """full, ones, zeros: of known sizes, of one example where the batch is one."""
    sizes, value = given.get("size"), given.get("fill_value", _FILLS[name])
    if not isinstance(sizes, list) or not isinstance(value, int | float):
        return None
    if not all(isinstance(n, int) for n in sizes):
        return None
    sizes = [1 if n == BATCH else n for n in sizes]
    if prod(sizes) > _LIMIT:
        return None
    usual = type(value) if name == "full" and isinstance(value, bool) else np.float32
    return np.full(sizes, value, _TYPES.get(given.get("dtype") or 0, usual))


def _slice(given: Mapping[str, Any]) -> Array:
    x: Array = given["self"]
    cut = slice(given.get("start"), given.get("end"), given.get("step") or 1)
    index = [slice(None)] * x.ndim
    index[given.get("dim") or 0] = cut
    return x[tuple(index)]


def _combine(operation: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def compute(given: Mapping[str, Any]) -> Any:
        factor = given.get("alpha")
        other = given["other"] if factor is None else given["other"] * factor
        return operation(given["self"], other)

    return compute


def _transpose(given: Mapping[str, Any]) -> Array:
    x: Array = given["self"]
    return np.swapaxes(x, given.get("dim0", 0), given.get("dim1", x.ndim - 1))


def _divide(given: Mapping[str, Any]) -> Any:
    quotient = given["self"] / np.asarray(given["other"])
    if given.get("rounding_mode") == "floor":
        return np.floor(quotient)
    return np.trunc(quotient) if given.get("rounding_mode") else quotient


def _flatten(given: Mapping[str, Any]) -> Array:
    x: Array = given["self"]
    first, last = given.get("start_dim", 0) % x.ndim, given.get("end_dim", -1) % x.ndim
    return x.reshape(*x.shape[:first], -1, *x.shape[last + 1 :])


def _select(given: Mapping[str, Any]) -> Array:
    return np.asarray(np.take(given["self"], given["index"], given.get("dim", 0)))


def _axes(given: Mapping[str, Any]) -> tuple[int, ...] | None:
    axes = given.get("dim")
    return (axes,) if isinstance(axes, int) else tuple(axes) if axes else None


def _reduce(operation: Callable[..., Any]) -> Callable[..., Any]:
    return lambda given: operation(
        given["self"], axis=_axes(given), keepdims=bool(given.get("keepdim"))
    )


def _softmax(given: Mapping[str, Any]) -> Array:
    x: Array = given["self"]
    powers = np.exp(x - x.max(given["dim"], keepdims=True))
    return np.asarray(powers / powers.sum(given["dim"], keepdims=True))


def _linear(given: Mapping[str, Any]) -> Array:
    made: Array = given["input"] @ given["weight"].T
    return made if given.get("bias") is None else made + given["bias"]


def _index(given: Mapping[str, Any]) -> Array:
    x: Array = given["self"]
    return x[tuple(slice(None) if i is None else i for i in given["indices"])]


def _clip(given: Mapping[str, Any]) -> Array:
    low, high = given.get("min"), given.get("max")
    return np.asarray(np.clip(given["self"], low, high))


def _view(given: Mapping[str, Any]) -> Array:
    shape = given["size"] if given.get("size") is not None else given["shape"]
    return np.reshape(given["self"], shape)


def _of_self(operation: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda given: operation(given["self"])


_OPERATORS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "abs": _of_self(np.abs),
    "add": _combine(np.add),
    "alias": _of_self(np.asarray),
    "amax": _reduce(np.max),
    "amin": _reduce(np.min),
    "bitwise_and": _combine(np.bitwise_and),
    "bitwise_not": _of_self(np.invert),
    "bitwise_or": _combine(np.bitwise_or),
    "cat": lambda given: np.concatenate(given["tensors"], given.get("dim", 0)),
    "clamp": _clip,
    "clamp_max": _clip,
    "clamp_min": _clip,
    "clone": _of_self(np.asarray),
    "contiguous": _of_self(np.asarray),
    "cos": _of_self(np.cos),
    "cumsum": lambda given: np.cumsum(given["self"], given["dim"]),
    "detach": _of_self(np.asarray),
    "div": _divide,
    "eq": _combine(np.equal),
    "exp": _of_self(np.exp),
    "flatten": _flatten,
    "ge": _combine(np.greater_equal),
    "gt": _combine(np.greater),
    "index": _index,
    "le": _combine(np.less_equal),
    "linear": _linear,
    "log": _of_self(np.log),
    "log2": _of_self(np.log2),
    "logical_and": _combine(np.logical_and),
    "logical_not": _of_self(np.logical_not),
    "logical_or": _combine(np.logical_or),
    "lt": _combine(np.less),
    "masked_fill": lambda given: np.where(given["mask"], given["value"], given["self"]),
    "matmul": _combine(np.matmul),
    "mean": _reduce(np.mean),
    "mul": _combine(np.multiply),
    "ne": _combine(np.not_equal),
    "neg": _of_self(np.negative),
    "permute": lambda given: np.transpose(given["self"], given["dims"]),
    "pow": lambda given: np.power(np.asarray(given["self"]), given["exponent"]),
    "reciprocal": _of_self(np.reciprocal),
    "relu": _of_self(lambda x: np.maximum(x, 0)),
    "reshape": _view,
    "rsqrt": _of_self(lambda x: 1 / np.sqrt(x)),
    "select": _select,
    "sigmoid": _of_self(lambda x: 1 / (1 + np.exp(-x))),
    "sign": _of_self(np.sign),
    "sin": _of_self(np.sin),
    "slice": _slice,
    "softmax": _softmax,
    "sqrt": _of_self(np.sqrt),
    "stack": lambda given: np.stack(given["tensors"], given.get("dim", 0)),
    "sub": _combine(np.subtract),
    "sum": _reduce(np.sum),
    "t": _transpose,
    "tanh": _of_self(np.tanh),
    "to": _of_self(np.asarray),
    "transpose": _transpose,
    "unsqueeze": lambda given: np.expand_dims(given["self"], given["dim"]),
    "view": _view,
    "where": lambda given: np.where(given["condition"], given["self"], given["other"]),
}
