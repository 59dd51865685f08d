"""Keras layers with rounded kernels, and the gradient that passes straight through."""

from __future__ import annotations

from typing import Any

from pellucid.engines.tensorflow.imports import keras, tf
from pellucid.network import layers as pl


def round_kernel(layer: Any, described: pl.FakeQuantized) -> None:
    """Let a Keras layer compute with a rounded kernel; its variables stay as they are.

    Parameters
    ----------
    layer : keras.layers.Layer
    described : FakeQuantized
        What it is the operation of.
    """
    operation, inner = described.operation, layer.call
    groups = operation.groups if isinstance(operation, pl.ConvTranspose2D) else None

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def through(kernel: Any) -> Any:
        return _round(kernel, described.most, groups), lambda grad: grad

    def call(inputs: Any, **how: Any) -> Any:
        rounded = through(tf.convert_to_tensor(layer.kernel.value))
        with keras.StatelessScope(state_mapping=[(layer.kernel, rounded)]):
            return inner(inputs, **how)

    layer.call = call


def _round(kernel: Any, most: int, groups: int | None) -> Any:
    split, axes = kernel, list(range(len(kernel.shape) - 1))
    if groups is not None:  # (kh, kw, out / groups, in)
        split = tf.reshape(kernel, (*kernel.shape[:3], groups, -1))
        axes = [0, 1, 4]
    step = tf.reduce_max(tf.abs(split), axes, keepdims=True)
    step = step * tf.constant(1 / most, kernel.dtype)
    step = tf.where(step > 0, step, tf.ones_like(step))
    return tf.reshape(tf.round(split / step) * step, kernel.shape)
