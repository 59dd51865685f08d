"""Blocks: Python functions of values whose nodes carry the function's name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from pellucid.errors import NetworkError
from pellucid.network.layers import Value
from pellucid.network.layers.base import BlockCall, inside_block

P = ParamSpec("P")
T = TypeVar("T")


def block(function: Callable[P, T]) -> Callable[P, T]:
    """Let a function of values be a block, named in summaries and pictures.

    Each call makes its layers anew. Their nodes are named by the function and the
    layer, as in ``residual_conv2d`` and ``residual_1_conv2d`` of the second call.

    Parameters
    ----------
    function : callable
        Takes what layers return, and whatever else, and returns what layers return.

    Returns
    -------
    callable
        The function, whose layers know that they belong together.

    Raises
    ------
    NetworkError
        If it is no function with a name.

    Examples
    --------
    >>> import pellucid as pl
    >>> @pl.block
    ... def residual(x, channels):
    ...     y = pl.Conv2D(channels, kernel_size=3, padding="same", activation="relu")(x)
    ...     y = pl.Conv2D(channels, kernel_size=3, padding="same")(y)
    ...     return pl.ReLU()(pl.Add()(x, y))
    >>> image = pl.Input(8, 8, 4)
    >>> network = pl.Network(inputs=image, outputs=residual(residual(image, 4), 4))
    >>> [node.name for node in network.nodes][6:8]
    ['residual_1_conv2d', 'residual_1_conv2d_relu']
    """
    name = getattr(function, "__name__", "")
    if not callable(function) or not name.isidentifier() or name.startswith("_"):
        raise NetworkError(
            "block: it must be a function with a name of letters, made with def; "
            f"got {function!r}."
        )

    @functools.wraps(function)
    def call(*arguments: P.args, **named: P.kwargs) -> T:
        with inside_block(BlockCall(name)):
            found = function(*arguments, **named)
        _check(name, found)
        return found

    return call


def _check(name: str, found: Any) -> None:
    several = found if isinstance(found, tuple | list) else (found,)
    values = list(found.values()) if isinstance(found, dict) else several
    if not values or not all(isinstance(value, Value) for value in values):
        raise NetworkError(
            f"block '{name}': it must return what layers return; got {found!r}."
        )
