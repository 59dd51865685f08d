"""Losses of formulas and of NumPy functions on TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.engines.tensorflow.imports import tf
from pellucid.engines.tensorflow.pointwise import OPERATORS as ELEMENTWISE
from pellucid.network.expression import run
from pellucid.objectives import FormulaLoss, NumpyLoss

#: TensorFlow's function for each operator, over tensors (N, positions, channels)
OPERATORS: dict[str, Callable[..., Any]] = ELEMENTWISE | {
    "largest_channel": lambda x: tf.reduce_max(x, axis=2, keepdims=True),
    "sum": lambda x: tf.reduce_sum(x, axis=(1, 2), keepdims=True),
    "sum_channels": lambda x: tf.reduce_sum(x, axis=2, keepdims=True),
    "sum_positions": lambda x: tf.reduce_sum(x, axis=1, keepdims=True),
}


def losses_of(loss: FormulaLoss | NumpyLoss, z: Any, labels: Any) -> Any:
    """Return the loss of each example, whose gradient is the loss's own.

    Parameters
    ----------
    loss : FormulaLoss or NumpyLoss
    z : Tensor, shape (N, …)
    labels : Tensor
        As `arranged_labels` returns them.

    Returns
    -------
    Tensor, shape (N,)
    """
    made: Any = _formula if isinstance(loss, FormulaLoss) else _called_back

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def apply(z: Any) -> Any:
        each, grad = made(loss, z, labels)
        shape = (-1, *[1] * (z.shape.rank - 1))
        return each, lambda grad_each: tf.reshape(grad_each, shape) * grad

    return apply(z)


def _formula(loss: FormulaLoss, z: Any, labels: Any) -> tuple[Any, Any]:
    shape = tuple(z.shape[1:])
    program = loss.program(shape)
    count, channels = tf.shape(z)[0], shape[-1]
    flat = tf.reshape(z, (count, -1, channels))
    done = run(
        program,
        OPERATORS,
        {"output": flat, "target": labels},
        lambda number, like: tf.constant(number, like.dtype),
    )
    grad = tf.zeros_like(flat)
    for start, stop, i in program.gradients:
        piece = tf.zeros_like(flat[..., start:stop]) + done[i]
        grad += tf.pad(piece, ((0, 0), (0, 0), (start, channels - stop)))
    each = tf.broadcast_to(tf.reshape(done[program.loss], (-1,)), (count,))
    return each, tf.reshape(grad, tf.shape(z))


def _called_back(loss: NumpyLoss, z: Any, labels: Any) -> tuple[Any, Any]:
    def call(output: Any, target: Any) -> Any:
        each, grad = loss.each(output, target)
        return each.astype(output.dtype), grad

    each, grad = tf.numpy_function(call, (z, labels), (z.dtype, z.dtype))
    each.set_shape((None,))
    grad.set_shape(z.shape)
    return each, grad
