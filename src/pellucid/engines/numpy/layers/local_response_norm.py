"""Local response normalization: forward and backward pass.

Channels at one pixel hold each other down: where neighbours respond strongly, each
counts for less (Krizhevsky, Sutskever & Hinton 2012, section 3.3). With W(c) the
``size`` channels around c, those that exist::

    s_c = bias + alpha / size · Σ_{i ∈ W(c)} x_i²
    y_c = x_c · s_c^−beta

An x_j stands in its own y_j, and in every s_c whose window holds it. Windows reach as
far to the left as to the right, so these are the c in W(j)::

    ∂L/∂x_j = g_j · s_j^−beta − 2 · alpha · beta / size · x_j · Σ_{c ∈ W(j)} r_c
    with r_c = g_c · x_c · s_c^(−beta − 1)
"""

from __future__ import annotations

import numpy as np

from pellucid.engines.numpy.layers.forward import Array, Forward, Mode, Weights
from pellucid.network.layers import LocalResponseNorm


def local_response_norm(
    layer: LocalResponseNorm, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """Divide each number of x (N, H, W, C) by its neighbours' strength."""
    del weights, mode
    (x,) = inputs
    share, beta = layer.alpha / layer.size, layer.beta
    reach = layer.reach(x.shape[-1])
    s = layer.bias + share * _window_sum(np.square(x), reach)
    factor = s**-beta

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        r = grad_y * x * factor / s
        return (grad_y * factor - 2 * share * beta * x * _window_sum(r, reach),)

    return Forward(x * factor, grad_inputs)


def _window_sum(x: Array, reach: int) -> Array:
    """Return, for each channel, the sum of those up to ``reach`` away."""
    channels = x.shape[-1]
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(reach, reach)])
    total = np.zeros_like(x)
    for start in range(2 * reach + 1):
        total += padded[..., start : start + channels]
    return total
