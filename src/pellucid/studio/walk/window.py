"""Numbers for a window that slides: input, kernel, and every sum near an element."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.explain.values import Arithmetic, Array
from pellucid.network import Network
from pellucid.network.layers import (
    AvgPool2D,
    Conv2D,
    Layer,
    MaxPool2D,
    operation_of,
)
from pellucid.studio.walk.thread import followed

_SIDE = 28  # rows and columns of the output that the window visits


def sliding_window(
    network: Network,
    shown: Arithmetic,
    values: dict[str, Array],
) -> dict[str, Any] | None:
    """Return the numbers under a sliding window; None where there is none.

    Parameters
    ----------
    network : Network
        The walk's.
    shown : Arithmetic
        Of the element that the walk follows.
    values : dict of str to ndarray
        Each node's output, (H, W, C).

    Returns
    -------
    dict or None
        ``x``: the input's followed channel where windows lie, 0 in the padding, its
        first element at ``x_from``; ``y``: the output's channel, its first element at
        ``y_from``; of a convolution also ``w``, ``bias``, and ``rest``, what the
        other channels add to each element of ``y``. An element (i, j) of ``y`` is
        ``bias + rest[i, j] + Σ x[i·s + u·d, j·s + v·d] · w[u, v]``, all counted from
        the arrays' first elements.
    """
    node = network.node(shown.node)
    layer: Any = operation_of(node.layer)
    term = followed(shown)
    kinds: tuple[type[Layer], ...] = (Conv2D, MaxPool2D, AvgPool2D)
    if type(layer) not in kinds or term is None or term.at is None:
        return None
    x, y = values[term.source], values[node.name]
    channel = term.at[2]
    rows = _visited(shown.at[0], y.shape[0])
    columns = _visited(shown.at[1], y.shape[1])
    (top, _), (left, _) = layer.pads(x.shape[:2])
    dilations = getattr(layer, "dilations", (1, 1))
    place = [
        _covered(span, stride, dilation, kernel, before)
        for span, stride, dilation, kernel, before in zip(
            (rows, columns),
            layer.strides,
            dilations,
            layer.kernel,
            (top, left),
            strict=True,
        )
    ]
    under = _cut(x[:, :, channel], place)
    found: dict[str, Any] = {
        "channel": channel,
        "channels": x.shape[2] // getattr(layer, "groups", 1),
        "kernel": list(layer.kernel),
        "strides": list(layer.strides),
        "dilations": list(dilations),
        "x_from": [span.start for span in place],
        "x_shape": list(x.shape[:2]),
        "x": under.tolist(),
        "y_from": [rows.start, columns.start],
        "y_shape": list(y.shape[:2]),
        "y": (part := y[rows, columns, shown.at[2]]).tolist(),
    }
    if term.weight_at is not None and isinstance(layer, Conv2D):
        kernel = _kernel(shown, layer, term.weight_at[2])
        bias = next((p.value for p in shown.parameters if p.role == "bias"), 0.0)
        own = _correlate(under, kernel, layer.strides, dilations, part.shape)
        found |= {
            "w": kernel.tolist(),
            "has_bias": layer.bias,
            "bias": bias,
            "rest": (part - bias - own).tolist(),
        }
    return found


def _kernel(shown: Arithmetic, layer: Conv2D, channel: int) -> Array:
    """Return the weights of a channel that the element's products have."""
    kernel = np.zeros(layer.kernel)
    for term in shown.terms:
        if term.weight_at is not None and term.weight_at[2] == channel:
            kernel[term.weight_at[:2]] = term.weight
    return kernel


def _visited(at: int, size: int) -> slice:
    """Return the rows or columns around an element that the window visits."""
    start = min(max(0, at - _SIDE // 2), max(0, size - _SIDE))
    return slice(start, min(size, start + _SIDE))


def _covered(
    visited: slice, stride: int, dilation: int, kernel: int, before: int
) -> slice:
    """Return the rows or columns of the input that those windows cover."""
    last = (visited.stop - 1) * stride - before + (kernel - 1) * dilation
    return slice(visited.start * stride - before, last + 1)


def _cut(channel: Array, place: list[slice]) -> Array:
    """Return a part of a channel, with 0 where it lies outside."""
    part = np.zeros([span.stop - span.start for span in place])
    inside = [
        slice(max(0, span.start), min(size, span.stop))
        for span, size in zip(place, channel.shape, strict=True)
    ]
    to = tuple(
        slice(of.start - span.start, of.stop - span.start)
        for of, span in zip(inside, place, strict=True)
    )
    part[to] = channel[tuple(inside)]
    return part


def _correlate(
    x: Array,
    kernel: Array,
    strides: tuple[int, int],
    dilations: tuple[int, int],
    shape: tuple[int, ...],
) -> Array:
    """Return Σ x · w of one channel at each place of the window."""
    total = np.zeros(shape)
    for u in range(kernel.shape[0]):
        for v in range(kernel.shape[1]):
            first, left = u * dilations[0], v * dilations[1]
            rows = slice(first, first + (shape[0] - 1) * strides[0] + 1, strides[0])
            columns = slice(left, left + (shape[1] - 1) * strides[1] + 1, strides[1])
            total += x[rows, columns] * kernel[u, v]
    return total
