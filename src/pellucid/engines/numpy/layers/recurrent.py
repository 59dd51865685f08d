"""Recurrent layers: forward pass step by step, backward pass through time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.engines.numpy.layers.forward import (
    Array,
    Forward,
    Mode,
    Weights,
    sum_to_channels,
)
from pellucid.network.layers import GRU, LSTM, Recurrent, SimpleRNN

#: state after a step: (h,) or (h, c)
State = tuple[Array, ...]
#: gradients by that state → by z, by the state before, by weights
Pull = Callable[[State], tuple[Array, State, dict[str, Array]]]
#: (z = x·W + b at one step, the state before) → the state after, its derivative
Cell = Callable[[Array, State], tuple[State, Pull]]


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + e⁻ˣ), as half of 1 + tanh (x / 2): nothing overflows."""
    y: Array = 0.5 * (1 + np.tanh(0.5 * x))
    return y


def lstm(
    layer: LSTM, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``i, f, o = σ(z + h·U)``, ``g = tanh(z + h·U)``, ``c' = f·c + i·g``.

    ``h' = o·tanh(c')``; the gates lie side by side in z and U.
    """
    del mode
    u = weights["recurrent_weight"]

    def cell(z: Array, state: State) -> tuple[State, Pull]:
        h, c = state
        i, f, g, o = np.split(z + h @ u, 4, axis=-1)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        c_next = f * c + i * g
        tanh_c = np.tanh(c_next)

        def pull(grad: State) -> tuple[Array, State, dict[str, Array]]:
            grad_h, grad_c = grad
            grad_c = grad_c + grad_h * o * (1 - tanh_c**2)
            parts = (
                grad_c * g * i * (1 - i),
                grad_c * c * f * (1 - f),
                grad_c * i * (1 - g**2),
                grad_h * tanh_c * o * (1 - o),
            )
            grad_z = np.concatenate(parts, axis=-1)
            before = grad_z @ u.T, grad_c * f
            return grad_z, before, {"recurrent_weight": h.T @ grad_z}

        return (o * tanh_c, c_next), pull

    return _unroll(layer, inputs[0], weights, cell, states=2)


def gru(layer: GRU, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Forward:
    """``z, r = σ(x_zr + h·U_zr)``, ``h' = (1 − z)·n + z·h``.

    ``n = tanh(x_n + r·(h·U_n + b'))``, or ``tanh(x_n + (r·h)·U_n)`` where r resets
    before the product.
    """
    del mode
    units = layer.units
    cut = 2 * units
    u, u_n = weights["recurrent_weight"], weights["recurrent_weight"][:, cut:]

    def after(x: Array, state: State) -> tuple[State, Pull]:
        (h,) = state
        product = h @ u
        if "recurrent_bias" in weights:
            product = product + weights["recurrent_bias"]
        z, r = np.split(sigmoid(x[:, :cut] + product[:, :cut]), 2, axis=-1)
        q = product[:, cut:]
        n = np.tanh(x[:, cut:] + r * q)

        def pull(grad: State) -> tuple[Array, State, dict[str, Array]]:
            (grad_h,) = grad
            grad_n = grad_h * (1 - z) * (1 - n**2)
            grad_z = grad_h * (h - n) * z * (1 - z)
            grad_r = grad_n * q * r * (1 - r)
            by_product = np.concatenate((grad_z, grad_r, grad_n * r), axis=-1)
            grads = {"recurrent_weight": h.T @ by_product}
            if "recurrent_bias" in weights:
                grads["recurrent_bias"] = sum_to_channels(by_product)
            by_x = np.concatenate((grad_z, grad_r, grad_n), axis=-1)
            return by_x, (grad_h * z + by_product @ u.T,), grads

        return ((1 - z) * n + z * h,), pull

    def before(x: Array, state: State) -> tuple[State, Pull]:
        (h,) = state
        z, r = np.split(sigmoid(x[:, :cut] + h @ u[:, :cut]), 2, axis=-1)
        n = np.tanh(x[:, cut:] + (r * h) @ u_n)

        def pull(grad: State) -> tuple[Array, State, dict[str, Array]]:
            (grad_h,) = grad
            grad_n = grad_h * (1 - z) * (1 - n**2)
            grad_rh = grad_n @ u_n.T
            grad_z = grad_h * (h - n) * z * (1 - z)
            grad_zr = np.concatenate((grad_z, grad_rh * h * r * (1 - r)), axis=-1)
            by_state = grad_h * z + grad_rh * r + grad_zr @ u[:, :cut].T
            by_u = np.concatenate((h.T @ grad_zr, (r * h).T @ grad_n), axis=-1)
            by_x = np.concatenate((grad_zr, grad_n), axis=-1)
            return by_x, (by_state,), {"recurrent_weight": by_u}

        return ((1 - z) * n + z * h,), pull

    return _unroll(layer, inputs[0], weights, after if layer.reset_after else before)


def simple_rnn(
    layer: SimpleRNN, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``h' = tanh(z + h·U)``."""
    del mode
    u = weights["recurrent_weight"]

    def cell(z: Array, state: State) -> tuple[State, Pull]:
        (h,) = state
        h_next = np.tanh(z + h @ u)

        def pull(grad: State) -> tuple[Array, State, dict[str, Array]]:
            grad_z = grad[0] * (1 - h_next**2)
            return grad_z, (grad_z @ u.T,), {"recurrent_weight": h.T @ grad_z}

        return (h_next,), pull

    return _unroll(layer, inputs[0], weights, cell)


def _unroll(
    layer: Recurrent, x: Array, weights: Weights, cell: Cell, *, states: int = 1
) -> Forward:
    """Run a cell along x (N, L, C), from its end where the layer says so.

    ``z = x·W + b`` for all steps at once; then one state after the other. Backwards,
    the gradient by a state is the next step's and that by the output there.
    """
    weight = weights["weight"]
    z = x @ weight
    if layer.bias:
        z += weights["bias"]
    count, length, _ = z.shape
    order = range(length)[::-1] if layer.reverse else range(length)
    state: State = (np.zeros((count, layer.units), z.dtype),) * states
    outputs = np.empty((count, length, layer.units), z.dtype)
    pulls: list[Pull] = []
    for t in order:
        state, pull = cell(z[:, t], state)
        outputs[:, t] = state[0]
        pulls.append(pull)

    def backward(grad_y: Array) -> tuple[Array, dict[str, Array]]:
        grad: State = (np.zeros_like(state[0]),) * states
        if not layer.return_sequences:
            grad = (grad_y, *grad[1:])
        grad_z = np.empty_like(z)
        grads: dict[str, Any] = {}
        for t, pull in zip(reversed(order), reversed(pulls), strict=True):
            if layer.return_sequences:
                grad = (grad[0] + grad_y[:, t], *grad[1:])
            grad_z[:, t], grad, found = pull(grad)
            grads = {role: grads.get(role, 0) + g for role, g in found.items()}
        return grad_z, grads

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        return (backward(grad_y)[0] @ weight.T,)

    def grad_weights(grad_y: Array) -> dict[str, Array]:
        grad_z, grads = backward(grad_y)
        rows = grad_z.reshape(-1, grad_z.shape[-1])
        grads["weight"] = x.reshape(len(rows), -1).T @ rows
        if layer.bias:
            grads["bias"] = sum_to_channels(grad_z)
        return grads

    y = outputs if layer.return_sequences else state[0]
    return Forward(y, grad_inputs, grad_weights)
