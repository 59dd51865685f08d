"""Constant folding: compute PyTorch's operators whose tensors are all constant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def fold(name: str, arguments: Mapping[str, Any]) -> Array | None:
    """Return what an operator makes of constants; None where that is not known.

    Parameters
    ----------
    name : str
        Without its namespace.
    arguments : mapping
        By name, as the operator's reader gets them.
    """
    compute = _OPERATORS.get(name.rstrip("_"))
    arrays = [value for value in arguments.values() if isinstance(value, np.ndarray)]
    if compute is None or not arrays:
        return None
    allowed = (np.ndarray, int, float, list, type(None))
    if not all(isinstance(value, allowed) for value in arguments.values()):
        return None
    return np.asarray(compute(arguments))


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


_OPERATORS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "add": _combine(np.add),
    "matmul": _combine(np.matmul),
    "mul": _combine(np.multiply),
    "slice": _slice,
    "sub": _combine(np.subtract),
    "t": _transpose,
    "transpose": _transpose,
}
