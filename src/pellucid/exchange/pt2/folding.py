"""Constant folding: compute PyTorch's operators whose tensors are all constant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


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


def _of_self(operation: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda given: operation(given["self"])


_OPERATORS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "add": _combine(np.add),
    "bitwise_not": _of_self(np.invert),
    "cat": lambda given: np.concatenate(given["tensors"], given.get("dim", 0)),
    "cos": _of_self(np.cos),
    "cumsum": lambda given: np.cumsum(given["self"], given["dim"]),
    "div": _divide,
    "exp": _of_self(np.exp),
    "flatten": _flatten,
    "matmul": _combine(np.matmul),
    "mul": _combine(np.multiply),
    "permute": lambda given: np.transpose(given["self"], given["dims"]),
    "pow": lambda given: np.power(np.asarray(given["self"]), given["exponent"]),
    "select": _select,
    "sin": _of_self(np.sin),
    "slice": _slice,
    "stack": lambda given: np.stack(given["tensors"], given.get("dim", 0)),
    "sub": _combine(np.subtract),
    "t": _transpose,
    "to": _of_self(np.asarray),
    "transpose": _transpose,
    "unsqueeze": lambda given: np.expand_dims(given["self"], given["dim"]),
}
