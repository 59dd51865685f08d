"""One state of a recurrent layer: the gates of its last step, and what led there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.engines.numpy.layers import Mode, run
from pellucid.explain.values import (
    Array,
    Calculation,
    ElementContext,
    Parameter,
    Step,
    Term,
)
from pellucid.network.layers import GRU, LSTM, Recurrent, SimpleRNN


def recurrent(element: ElementContext) -> Calculation:
    """The gates of one unit at one step, from its input and the states before.

    The terms are all elements of the sequence up to that step, each with its slope
    through all steps.
    """
    layer: Any = element.node.layer
    *place, unit = element.at
    length = element.x.shape[0]
    at = place[0] if place else (0 if layer.reverse else length - 1)
    read = range(at, length) if layer.reverse else range(at + 1)
    part = element.x[read.start : read.stop]
    last = replace(layer, return_sequences=False, name=None)
    forward = run(last, (part[None],), element.weights, Mode(is_training=False))
    grad = np.zeros_like(forward.output)
    grad[0, unit] = 1
    slopes = forward.grad_inputs(grad)[0][0]
    terms = tuple(
        Term(
            source=element.source,
            at=(t, c),
            x=float(element.x[t, c]),
            value=float(element.x[t, c]),
            slope=float(slopes[t - read.start, c]),
            note="this step" if t == at else "",
        )
        for t in read
        for c in range(element.x.shape[1])
    )
    grads = forward.grad_weights(grad)
    parameters = tuple(
        Parameter(
            role=role,
            at=(int(i),),
            value=float(element.weights[role][i]),
            slope=float(grads[role][i]),
        )
        for role in ("bias", "recurrent_bias")
        for i in range(len(grads.get(role, ())))
    )
    rows = part[::-1] if layer.reverse else part
    states = _states(layer, rows, element.weights)
    h, c = states[-2] if len(rows) > 1 else (np.zeros(layer.units),) * 2
    last_step = _STEPS[type(layer)]
    steps, _, _ = last_step(layer, rows[-1], (h, c), element.weights)
    shown = tuple(
        Step(name, formula, float(value[unit])) for name, formula, value in steps
    )
    return Calculation(
        equation=shown[-1].formula, terms=terms, steps=shown, parameters=parameters
    )


#: name, formula, values of all units
Rows = list[tuple[str, str, Array]]


def _states(
    layer: Recurrent, rows: Array, weights: Mapping[str, Array]
) -> list[tuple[Array, Array]]:
    """Return (h, c) after each step."""
    state, found = (np.zeros(layer.units), np.zeros(layer.units)), []
    for x in rows:
        _, *both = _STEPS[type(layer)](layer, x, state, weights)
        state = both[0], both[1]
        found.append(state)
    return found


def _sigmoid(x: Array) -> Array:
    y: Array = 0.5 * (1 + np.tanh(0.5 * x))
    return y


def _lstm(
    layer: LSTM, x: Array, state: tuple[Array, Array], weights: Mapping[str, Array]
) -> tuple[Rows, Array, Array]:
    h, c = state
    z = x @ weights["weight"] + h @ weights["recurrent_weight"]
    z = z + weights.get("bias", np.zeros_like(z))
    i, f, g, o = np.split(z, 4)
    i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
    memory = f * c + i * g
    y = o * np.tanh(memory)
    rows = [
        ("input gate i", "σ(x·W_i + h·U_i + b_i)", i),
        ("forget gate f", "σ(x·W_f + h·U_f + b_f)", f),
        ("candidate g", "tanh(x·W_g + h·U_g + b_g)", g),
        ("output gate o", "σ(x·W_o + h·U_o + b_o)", o),
        ("memory before", "c", c),
        ("memory", "f · c + i · g", memory),
        ("state", "o · tanh(memory)", y),
    ]
    return rows, y, memory


def _gru(
    layer: GRU, x: Array, state: tuple[Array, Array], weights: Mapping[str, Array]
) -> tuple[Rows, Array, Array]:
    h, cut = state[0], 2 * layer.units
    u = weights["recurrent_weight"]
    z = x @ weights["weight"]
    z = z + weights.get("bias", np.zeros_like(z))
    product = h @ u + weights.get("recurrent_bias", np.zeros_like(z))
    update, reset = np.split(_sigmoid(z[:cut] + product[:cut]), 2)
    inner = reset * product[cut:] if layer.reset_after else (reset * h) @ u[:, cut:]
    how = "r · (h·U_n + b'_n)" if layer.reset_after else "(r · h)·U_n"
    candidate = np.tanh(z[cut:] + inner)
    y = (1 - update) * candidate + update * h
    rows = [
        ("update gate z", "σ(x·W_z + h·U_z + b_z)", update),
        ("reset gate r", "σ(x·W_r + h·U_r + b_r)", reset),
        ("candidate n", f"tanh(x·W_n + b_n + {how})", candidate),
        ("state before", "h", h),
        ("state", "(1 − z) · n + z · h", y),
    ]
    return rows, y, y


def _simple(
    layer: Recurrent, x: Array, state: tuple[Array, Array], weights: Mapping[str, Array]
) -> tuple[Rows, Array, Array]:
    h = state[0]
    own, before = x @ weights["weight"], h @ weights["recurrent_weight"]
    own = own + weights.get("bias", np.zeros_like(own))
    y = np.tanh(own + before)
    rows = [
        ("from the input", "x·W + b", own),
        ("from the state before", "h·U", before),
        ("state", "tanh(x·W + b + h·U)", y),
    ]
    return rows, y, y


_STEPS: dict[type[Recurrent], Any] = {GRU: _gru, LSTM: _lstm, SimpleRNN: _simple}
