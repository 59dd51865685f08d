"""Layers of sequences: the 2-D layer on images of height 1, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.engines.numpy.layers.conv import conv2d
from pellucid.engines.numpy.layers.forward import Array, Forward, Mode, Weights
from pellucid.engines.numpy.layers.pool import (
    avg_pool2d,
    global_avg_pool2d,
    max_pool2d,
)
from pellucid.network.layers import Conv1D, GlobalAvgPool1D, OneDimensional
from pellucid.network.layers.one_dimensional import expand_weight


def conv1d(
    layer: Conv1D, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y[n,i,o] = b[o] + Σ_{u,c} x[n, i·s + u·d − before, c] · w[u,c,o]``."""
    return _on_rows(conv2d, layer, inputs, weights, mode)


def max_pool1d(
    layer: OneDimensional, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y[n,i,c] = max over the window``; the first maximum takes the derivative."""
    return _on_rows(max_pool2d, layer, inputs, weights, mode)


def avg_pool1d(
    layer: OneDimensional, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y[n,i,c] = mean over the window's valid elements``."""
    return _on_rows(avg_pool2d, layer, inputs, weights, mode)


def global_avg_pool1d(
    layer: GlobalAvgPool1D, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y[n,c] = Σ_i x[n,i,c] / L``."""
    return _on_rows(global_avg_pool2d, layer, inputs, weights, mode)


def _on_rows(
    run: Callable[..., Forward],
    layer: OneDimensional,
    inputs: tuple[Array, ...],
    weights: Weights,
    mode: Mode,
) -> Forward:
    """Run a 2-D layer on x (N, L, C) as images (N, 1, L, C)."""
    (x,) = inputs
    flat: Any = layer.as_2d()
    wide = {role: expand_weight(role, array) for role, array in weights.items()}
    done = run(flat, (x[:, None],), wide, mode)
    is_image = done.output.ndim == 4

    def widen(grad_y: Array) -> Array:
        return grad_y[:, None] if is_image else grad_y

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        return tuple(grad[:, 0] for grad in done.grad_inputs(widen(grad_y)))

    def grad_weights(grad_y: Array) -> dict[str, Array]:
        grads = done.grad_weights(widen(grad_y))
        return {role: g[0] if role == "weight" else g for role, g in grads.items()}

    output = done.output[:, 0] if is_image else done.output
    return Forward(output, grad_inputs, grad_weights)
