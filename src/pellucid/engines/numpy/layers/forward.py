"""Result of a layer's forward pass: output, backward pass, new buffers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Weights = Mapping[str, Array]


class Mode(NamedTuple):
    """How a layer runs: in training or not, and its dropout mask if it has one."""

    is_training: bool
    mask: Array | None = None


def no_weights(grad_y: Array) -> dict[str, Array]:
    """Stand for ``grad_weights`` where there is nothing to learn."""
    del grad_y
    return {}


class Forward(NamedTuple):
    """A layer's output and, beside it, its derivatives.

    Both functions take ``grad_y``, the derivative of the loss with respect to the
    output, and apply the chain rule: ``grad_inputs`` gives the loss's derivative by
    each input, ``grad_weights`` by each weight role. ``buffers`` are new running
    statistics.
    """

    output: Array
    grad_inputs: Callable[[Array], tuple[Array, ...]]
    grad_weights: Callable[[Array], dict[str, Array]] = no_weights
    buffers: Mapping[str, Array] = {}


def sum_to_channels(values: Array) -> Array:
    """Sum over all axes but the last: shape (..., C) → (C,)."""
    total: Array = np.sum(values.reshape(-1, values.shape[-1]), axis=0)
    return total
