"""A metric that is a function of the caller's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import NetworkError

Array = npt.NDArray[Any]
_TAKEN = ("epoch", "loss", "learning_rate", "seconds")
#: how a recipe names a metric that has to be given again
PREFIX = "function "


class MetricFunction:
    """Ask a function how good a batch's output is.

    Parameters
    ----------
    function : callable
        ``function(output, target)`` of the network's output, shape (N, …), and the
        labels as they are in the data. Returns one number, the batch's mean, or one
        for each example; the epoch's figure is the mean over its examples. A figure
        whose name ends in "loss" or "error" is the better the smaller, any other the
        larger.

    Raises
    ------
    NetworkError
        If the function's name is that of another figure.

    Examples
    --------
    >>> def largest_error(output, target):
    ...     return abs(output - target).max()
    >>> metric = MetricFunction(largest_error)
    >>> metric.name, metric(np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]])).tolist()
    ('largest_error', [2.0, 2.0])
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.name = _name(function)
        if self.name in _TAKEN or self.name.startswith("val_"):
            raise NetworkError(
                "metrics: a function must not have the name of another figure of the "
                f"history; got {self.name!r}."
            )

    def __call__(self, output: Array, labels: Array) -> Array:
        """Return one number for each example, shape (N,).

        Raises
        ------
        NetworkError
            If the function returns something else, or what is not finite.
        """
        values = _as_floats(self._function(output, labels))
        if values is None or values.shape not in ((), (len(output),)):
            shape = "no number" if values is None else f"shape={values.shape}"
            raise NetworkError(
                f"metrics: '{self.name}' must return one number, or one for each of "
                f"{len(output)} examples; got {shape}."
            )
        if not np.isfinite(values).all():
            raise NetworkError(
                f"metrics: '{self.name}' must return finite numbers; got "
                f"{values[~np.isfinite(values)].flat[0]} for a batch of {len(output)}."
            )
        return np.broadcast_to(values, (len(output),))


def _as_floats(value: Any) -> Array | None:
    if value is None:
        return None
    try:
        return np.asarray(value, np.float64)
    except (TypeError, ValueError):
        return None


def _name(function: Any) -> str:
    while hasattr(function, "func"):  # functools.partial
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))
