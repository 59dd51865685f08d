"""Expressions by JAX's operators."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from pellucid.network.expression import Expression, bind
from pellucid.network.layers import Pointwise

#: JAX's function for each operator
OPERATORS: dict[str, Callable[..., Any]] = {
    "abs": jnp.abs,
    "add": jnp.add,
    "clip": jnp.clip,
    "divide": jnp.divide,
    "erf": jax.scipy.special.erf,
    "exp": jnp.exp,
    "expm1": jnp.expm1,
    "greater": jnp.greater,
    "greater_equal": jnp.greater_equal,
    "log": jnp.log,
    "log1p": jnp.log1p,
    "maximum": jnp.maximum,
    "minimum": jnp.minimum,
    "multiply": jnp.multiply,
    "negative": jnp.negative,
    "normal_cdf": jax.scipy.stats.norm.cdf,
    "normal_pdf": jax.scipy.stats.norm.pdf,
    "power": jnp.power,
    "relu": jax.nn.relu,
    "round": jnp.rint,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
    "sqrt": jnp.sqrt,
    "subtract": jnp.subtract,
    "tanh": jnp.tanh,
    "where": jnp.where,
}


def function_of(expression: Expression) -> Callable[..., Any]:
    """Return an expression as a function of arrays by name."""
    return bind(
        expression, OPERATORS, lambda value, like: jnp.asarray(value, like.dtype)
    )


@functools.cache
def pointwise(layer: Pointwise) -> Callable[[Array], Array]:
    """Return a layer's function, whose derivative is the symbolic one.

    A branch of `where` that is not taken then cannot spoil the gradient, as infinity
    times zero would.
    """
    function, derivative = map(function_of, (layer.expression, layer.derivative))

    @jax.custom_jvp
    def apply(x: Array) -> Any:
        return function(x=x)

    @apply.defjvp
    def _(primals: tuple[Array], tangents: tuple[Array]) -> Any:
        (x,), (dx,) = primals, tangents
        return apply(x), dx * derivative(x=x)

    return apply
