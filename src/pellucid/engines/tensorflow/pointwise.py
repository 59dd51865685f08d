"""Expressions by TensorFlow's operators, and the Keras layer of a pointwise layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pellucid.engines.tensorflow.imports import keras, tf
from pellucid.network.expression import (
    Expression,
    bind,
    differentiate,
    from_json,
    to_json,
)

_registered: Any = keras.saving.register_keras_serializable("pellucid")

_DENSITY = 1 / math.sqrt(2 * math.pi)

#: TensorFlow's function for each operator
OPERATORS: dict[str, Callable[..., Any]] = {
    "abs": tf.abs,
    "add": tf.add,
    "clip": tf.clip_by_value,
    "divide": tf.divide,
    "erf": tf.math.erf,
    "exp": tf.exp,
    "expm1": tf.math.expm1,
    "greater": tf.greater,
    "greater_equal": tf.greater_equal,
    "log": tf.math.log,
    "log1p": tf.math.log1p,
    "maximum": tf.maximum,
    "minimum": tf.minimum,
    "multiply": tf.multiply,
    "negative": tf.negative,
    "normal_cdf": lambda x: 0.5 * (1 + tf.math.erf(x * _number(math.sqrt(0.5), x))),
    "normal_pdf": lambda x: tf.exp(-0.5 * x * x) * _number(_DENSITY, x),
    "power": tf.pow,
    "relu": tf.nn.relu,
    "round": tf.round,
    "sigmoid": tf.sigmoid,
    "softplus": tf.math.softplus,
    "sqrt": tf.sqrt,
    "subtract": tf.subtract,
    "tanh": tf.tanh,
    "where": tf.where,
}


def _number(value: float, like: Any) -> Any:
    return tf.constant(value, like.dtype)


def function_of(expression: Expression) -> Callable[..., Any]:
    """Return an expression as a function of tensors by name."""
    return bind(expression, OPERATORS, _number)


@_registered
class Pointwise(keras.layers.Layer):  # type: ignore[misc]
    """A function of each element, whose gradient is the symbolic derivative.

    A branch of `where` that is not taken then cannot spoil the gradient, as infinity
    times zero would.
    """

    def __init__(
        self, expression: Any, derivative: Any = None, **arguments: Any
    ) -> None:
        super().__init__(**arguments)
        self.expression = _read(expression)
        self.slope = (
            differentiate(self.expression) if derivative is None else _read(derivative)
        )
        function, derivative_of = function_of(self.expression), function_of(self.slope)

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def apply(x: Any) -> Any:
            return function(x=x), lambda grad_y: grad_y * derivative_of(x=x)

        self.apply = apply

    def get_config(self) -> dict[str, Any]:
        """Return what makes the same layer."""
        given = {"expression": self.expression, "derivative": self.slope}
        own = {name: to_json(value) for name, value in given.items()}
        return {**super().get_config(), **own}

    def call(self, inputs: Any) -> Any:
        """Apply the function."""
        return self.apply(tf.convert_to_tensor(inputs))


def _read(given: Any) -> Expression:
    """Return an expression, which a saved layer has as rows."""
    return given if isinstance(given, Expression) else from_json(given)
