"""Losses of formulas and of NumPy functions on JAX."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from pellucid.engines.jax.pointwise import OPERATORS as ELEMENTWISE
from pellucid.network.expression import run
from pellucid.objectives import FormulaLoss, NumpyLoss

#: JAX's function for each operator, over arrays (N, positions, channels)
OPERATORS: dict[str, Callable[..., Any]] = ELEMENTWISE | {
    "largest_channel": lambda x: x.max(axis=2, keepdims=True),
    "sum": lambda x: x.sum(axis=(1, 2), keepdims=True),
    "sum_channels": lambda x: x.sum(axis=2, keepdims=True),
    "sum_positions": lambda x: x.sum(axis=1, keepdims=True),
}


def losses_of(loss: FormulaLoss | NumpyLoss, z: Array, labels: Array) -> Any:
    """Return the loss of each example, whose gradient is the loss's own.

    Parameters
    ----------
    loss : FormulaLoss or NumpyLoss
    z : Array, shape (N, …)
    labels : Array
        As `arranged_labels` returns them.

    Returns
    -------
    Array, shape (N,)
    """
    made: Any = _formula if isinstance(loss, FormulaLoss) else _called_back
    return _with_gradient(functools.partial(made, loss))(z, labels)


def _with_gradient(
    made: Callable[[Array, Array], tuple[Array, Array]],
) -> Callable[[Array, Array], Any]:
    @jax.custom_vjp
    def each(z: Array, labels: Array) -> Array:
        return made(z, labels)[0]

    def forward(z: Array, labels: Array) -> Any:
        return made(z, labels)

    def backward(grad: Array, grad_each: Array) -> Any:
        shape = (-1, *[1] * (grad.ndim - 1))
        return grad_each.reshape(shape) * grad, None

    each.defvjp(forward, backward)
    return each


def _formula(loss: FormulaLoss, z: Array, labels: Array) -> tuple[Array, Array]:
    program = loss.program(z.shape[1:])
    flat = z.reshape(z.shape[0], -1, z.shape[-1])
    done = run(
        program,
        OPERATORS,
        {"output": flat, "target": labels},
        lambda number, like: jnp.asarray(number, like.dtype),
    )
    grad = jnp.zeros_like(flat)
    for start, stop, i in program.gradients:
        grad = grad.at[..., start:stop].add(done[i])
    each = jnp.broadcast_to(done[program.loss].reshape(-1), (z.shape[0],))
    return each, grad.reshape(z.shape)


def _called_back(loss: NumpyLoss, z: Array, labels: Array) -> tuple[Array, Array]:
    def call(output: Any, target: Any) -> Any:
        each, grad = loss.each(np.asarray(output), np.asarray(target))
        return each.astype(z.dtype), grad.astype(z.dtype)

    of: Any = jax.ShapeDtypeStruct
    shapes = (of((z.shape[0],), z.dtype), of(z.shape, z.dtype))
    each, grad = jax.pure_callback(call, shapes, z, labels)
    return each, grad
