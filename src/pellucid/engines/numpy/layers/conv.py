"""2-D convolution: forward and backward pass.

Forward, for every image n, output cell (i, j) and output channel o::

    y[n,i,j,o] = b[o] + Σ_{u,v,c} x[n, i·s + u·d, j·s + v·d, c] · w[u,v,c,o]

with x padded already. That is one matrix product once each window of x is laid out as
a row (``im2col``): ``y = patches · w + b``. The chain rule gives the derivatives of
the loss L from grad_y = ∂L/∂y, by asking what each number was multiplied with:

* w[u,v,c,o] was multiplied with x at every cell:
  ``∂L/∂w[u,v,c,o] = Σ_{n,i,j} x[n, i·s + u·d, j·s + v·d, c] · grad_y[n,i,j,o]``,
  which is ``patchesᵀ · grad_y``;
* b[o] was added at every cell: ``∂L/∂b[o] = Σ_{n,i,j} grad_y[n,i,j,o]``;
* x[n, p, q, c] was multiplied with w[u,v,c,o] for each window that covers it:
  ``∂L/∂x[n, i·s + u·d, j·s + v·d, c] += Σ_o grad_y[n,i,j,o] · w[u,v,c,o]``.

The last line paints each output cell's kernel onto the input. ConvTranspose2D does
just that in its forward pass, so it uses the same two functions the other way round.

With groups, channels are cut into groups which do not see each other; the products are
then made once per group (the axis g, of length 1 in the plain case).
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pellucid.engines.numpy.layers.forward import (
    Array,
    Forward,
    Mode,
    Weights,
    sum_to_channels,
)
from pellucid.engines.numpy.layers.windows import cells, crop, pad
from pellucid.network.checks import Pair
from pellucid.network.layers import Conv2D, ConvTranspose2D
from pellucid.network.window import Pads


def im2col(padded: Array, layer: Conv2D, output: Pair) -> Array:
    """Lay out every window as a row: shape (g, N·out_h·out_w, k_h·k_w·C/g)."""
    extent = tuple(
        d * (k - 1) + 1 for k, d in zip(layer.kernel, layer.dilations, strict=True)
    )
    (s, t), (d, e) = layer.strides, layer.dilations
    views = sliding_window_view(padded, extent, axis=(1, 2))
    views = views[:, ::s, ::t, :, ::d, ::e]  # (N, out_h, out_w, C, k_h, k_w)
    views = views.transpose(0, 1, 2, 4, 5, 3)  # (N, out_h, out_w, k_h, k_w, C)
    n, channels = len(padded), padded.shape[-1]
    g = layer.groups
    split = views.reshape(n, *output, *layer.kernel, g, channels // g)
    grouped = np.moveaxis(split, 5, 0)  # (g, N, out_h, out_w, k_h, k_w, C/g)
    rows: Array = grouped.reshape(g, n * output[0] * output[1], -1)
    return rows


def by_group(values: Array, groups: int) -> Array:
    """Cut the last axis into groups, all else into rows: (g, rows, channels / g)."""
    split = values.reshape(-1, groups, values.shape[-1] // groups)
    return split.transpose(1, 0, 2)


def join_groups(values: Array) -> Array:
    """Undo `by_group`: (g, rows, channels / g) → (rows, channels)."""
    g, rows, channels = values.shape
    return values.transpose(1, 0, 2).reshape(rows, g * channels)


def paint(
    y: Array, weight: Array, canvas: Array, layer: Conv2D | ConvTranspose2D
) -> Array:
    """Add each cell of ``y`` times its kernel onto the canvas (N, H, W, channels).

    ``weight`` is (k_h, k_w, channels of y / g, channels of the canvas) here.
    """
    g, size = layer.groups, (y.shape[1], y.shape[2])
    rows = by_group(y, g)  # (g, N·h·w, C/g)
    for u, v, where in cells(layer.kernel, layer.strides, layer.dilations, size):
        painted = join_groups(rows @ by_group(weight[u, v], g))
        canvas[where] += painted.reshape(canvas[where].shape)
    return canvas


def swap_channels(weight: Array, groups: int) -> Array:
    """Exchange in and out per group: (k_h, k_w, a/g, b) → (k_h, k_w, b/g, a)."""
    k_h, k_w, a, b = weight.shape
    split = weight.reshape(k_h, k_w, a, groups, b // groups)
    return split.transpose(0, 1, 4, 3, 2).reshape(k_h, k_w, b // groups, a * groups)


def conv2d(
    layer: Conv2D, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """Convolve x (N, H, W, C) to y (N, out_h, out_w, out_channels)."""
    del mode
    (x,) = inputs
    weight = weights["weight"]  # (k_h, k_w, C/g, out)
    n, height, width, _ = x.shape
    *output, _ = layer.output_shape(x.shape[1:])
    size: Pair = (output[0], output[1])
    pads = layer.pads((height, width))
    g = layer.groups
    columns = by_group(weight, g)  # (g, k_h·k_w·C/g, out/g)
    padded = pad(x, pads)
    patches = im2col(padded, layer, size)
    y = join_groups(patches @ columns).reshape(n, *size, layer.out_channels)
    if layer.bias:
        y += weights["bias"]

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        canvas = np.zeros(padded.shape, grad_y.dtype)
        paint(grad_y, swap_channels(weight, g), canvas, layer)
        return (crop(canvas, pads, (height, width)),)

    def grad_weights(grad_y: Array) -> dict[str, Array]:
        grad_columns = patches.transpose(0, 2, 1) @ by_group(grad_y, g)
        grads = {"weight": join_groups(grad_columns).reshape(weight.shape)}
        return grads | _grad_bias(layer, grad_y)

    return Forward(y, grad_inputs, grad_weights)


def conv_transpose2d(
    layer: ConvTranspose2D, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """Paint x (N, H, W, C) onto y (N, out_h, out_w, out_channels)."""
    del mode
    (x,) = inputs
    weight = weights["weight"]  # (k_h, k_w, C/g, out)
    n, height, width, _ = x.shape
    out_h, out_w, _ = layer.output_shape(x.shape[1:])
    pads = layer.pads((height, width))
    inside, outside = _nonnegative(pads)
    full = (n, out_h + sum(pads[0]), out_w + sum(pads[1]), layer.out_channels)
    g = layer.groups
    canvas = paint(x, weight, np.zeros(full, x.dtype), layer)
    size = (full[1] - sum(inside[0]), full[2] - sum(inside[1]))
    y = pad(crop(canvas, inside, size), outside)
    if layer.bias:
        y = y + weights["bias"]

    def uncropped(grad_y: Array) -> Array:
        return pad(crop(grad_y, outside, size), inside)

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        grad_full = uncropped(grad_y)
        grad_x = np.zeros((g, n * height * width, x.shape[-1] // g), x.dtype)
        for u, v, where in cells(
            layer.kernel, layer.strides, layer.dilations, (height, width)
        ):
            kernel = by_group(weight[u, v], g).transpose(0, 2, 1)  # (g, out/g, C/g)
            grad_x += by_group(grad_full[where], g) @ kernel
        return (join_groups(grad_x).reshape(x.shape),)

    def grad_weights(grad_y: Array) -> dict[str, Array]:
        grad_full = uncropped(grad_y)
        grad_weight = np.empty_like(weight)
        rows = by_group(x, g).transpose(0, 2, 1)  # (g, C/g, N·H·W)
        for u, v, where in cells(
            layer.kernel, layer.strides, layer.dilations, (height, width)
        ):
            grad_weight[u, v] = join_groups(rows @ by_group(grad_full[where], g))
        return {"weight": grad_weight} | _grad_bias(layer, grad_y)

    return Forward(y, grad_inputs, grad_weights)


def _nonnegative(pads: Pads) -> tuple[Pads, Pads]:
    """Split what a transposed convolution crops (positive) from what it adds."""
    (top, bottom), (left, right) = pads
    crops = (max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0))
    adds = (max(-top, 0), max(-bottom, 0)), (max(-left, 0), max(-right, 0))
    return crops, adds


def _grad_bias(layer: Conv2D | ConvTranspose2D, grad_y: Array) -> dict[str, Array]:
    return {"bias": sum_to_channels(grad_y)} if layer.bias else {}
