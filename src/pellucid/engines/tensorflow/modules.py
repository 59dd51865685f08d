"""Keras layers that Keras lacks, each exact where its own are not.

A model with them is saved and loaded as any other of Keras, where pellucid is
installed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.engines.tensorflow.imports import keras, tf
from pellucid.network import layers as network_layers
from pellucid.network.rearrangement import (
    PermuteStep,
    ReshapeStep,
    SliceStep,
    Step,
)
from pellucid.network.window import Pads

_registered: Any = keras.saving.register_keras_serializable("pellucid")


class _Layer(keras.layers.Layer):  # type: ignore[misc]
    """A layer whose arguments are kept, to be written down."""

    def __init__(self, given: dict[str, Any], arguments: dict[str, Any]) -> None:
        super().__init__(**arguments)
        self.given = given

    def get_config(self) -> dict[str, Any]:
        """Return what makes the same layer."""
        return {**super().get_config(), **self.given}


class OwnLayer(keras.layers.Layer):  # type: ignore[misc]
    """A layer of one's own, by its method ``tensorflow``."""

    def __init__(
        self, layer: network_layers.Layer, *shapes: Any, **arguments: Any
    ) -> None:
        super().__init__(**arguments)
        self._layer, self._shape = layer, layer.output_shape(*shapes)
        self.own_weights = {
            spec.role: self.add_weight(
                name=spec.role,
                shape=spec.shape,
                initializer="zeros",
                trainable=spec.is_parameter,
            )
            for spec in layer.weights(*shapes)
        }
        self.built = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return (N, *shape)."""
        first = input_shape[0]
        return (first[0] if isinstance(first, tuple) else first, *self._shape)

    def call(self, inputs: Any) -> Any:
        """Call the method."""
        x = tuple(inputs) if isinstance(inputs, list | tuple) else inputs
        weights = {
            role: tf.convert_to_tensor(w) for role, w in self.own_weights.items()
        }
        return self._layer.tensorflow(x, weights)  # type: ignore[attr-defined]


def around(pads: Pads) -> list[list[int]]:
    """Return pads of an image as `tf.pad` takes them, for (N, H, W, C)."""
    return [[0, 0], *map(list, pads), [0, 0]]


@_registered
class Conv2D(keras.layers.Conv2D):  # type: ignore[misc]
    """A convolution with any zeros around, and stride and dilation together.

    Keras knows "valid" and "same" only and refuses stride with dilation; so here the
    zeros are explicit, and of the dense positions every stride-th is taken.
    """

    def __init__(
        self, filters: int, *, pads: Pads, shape: Any, **arguments: Any
    ) -> None:
        strides, dilation = arguments.pop("strides"), arguments["dilation_rate"]
        self.is_both = max(strides) > 1 and max(dilation) > 1
        super().__init__(
            filters, strides=(1, 1) if self.is_both else strides, **arguments
        )
        self.around, self.shape, self.every = around(pads), tuple(shape), strides
        self.pads = pads

    def get_config(self) -> dict[str, Any]:
        """Return what makes the same layer."""
        own = {"pads": self.pads, "shape": self.shape, "strides": self.every}
        return {**super().get_config(), **own}

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return (N, height, width, filters)."""
        return (input_shape[0], *self.shape)

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Pad, convolve, and take every stride-th position."""
        y = super().convolution_op(tf.pad(inputs, self.around), kernel)
        return y[:, :: self.every[0], :: self.every[1]] if self.is_both else y


@_registered
class Conv1D(keras.layers.Conv1D):  # type: ignore[misc]
    """A convolution of sequences: any zeros around, stride and dilation at once."""

    def __init__(
        self, filters: int, *, sides: Any, shape: Any, **arguments: Any
    ) -> None:
        self.every = arguments.pop("strides")
        super().__init__(filters, **arguments)
        self.sides, self.shape = tuple(sides), tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """Return what makes the same layer."""
        own = {"sides": self.sides, "shape": self.shape, "strides": self.every}
        return {**super().get_config(), **own}

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return (N, length, filters)."""
        return (input_shape[0], *self.shape)

    def call(self, inputs: Any) -> Any:
        """Pad and convolve; where it dilates as well, take every stride-th element."""
        dilation = self.dilation_rate[0]
        is_both = self.every > 1 and dilation > 1
        y = keras.ops.conv(
            tf.pad(inputs, [[0, 0], list(self.sides), [0, 0]]),
            self.kernel,
            strides=1 if is_both else self.every,
            padding="valid",
            dilation_rate=dilation,
        )
        y = y[:, :: self.every] if is_both else y
        return y if self.bias is None else y + self.bias


@_registered
class Pool1D(_Layer):
    """A pool of sequences: that of images of height 1."""

    def __init__(
        self, kind: str, *, pool_size: int, strides: int, sides: Any, **arguments: Any
    ) -> None:
        given = {"pool_size": pool_size, "strides": strides, "sides": sides}
        super().__init__({"kind": kind, **given}, arguments)
        self.pool = {"max": MaxPool2D, "avg": AvgPool2D}[kind](
            pool_size=(1, pool_size),
            strides=(1, strides),
            pads=((0, 0), tuple(sides)),
            dtype=arguments.get("dtype"),
        )

    def call(self, inputs: Any) -> Any:
        """Pool an image of height 1."""
        return self.pool(inputs[:, None])[:, 0]


@_registered
class ConvTranspose2D(_Layer):
    """A transposed convolution with crops, groups and dilation of any kind.

    The kernel is Keras' (kh, kw, out / groups, in). A dilated kernel is one with
    zeros between its numbers.
    """

    def __init__(
        self,
        *,
        kernel_size: Any,
        strides: Any,
        dilations: Any,
        groups: int,
        use_bias: bool,
        pads: Pads,
        shape: Any,
        **arguments: Any,
    ) -> None:
        given = {"kernel_size": kernel_size, "strides": strides, "pads": pads}
        given |= {"dilations": dilations, "groups": groups, "use_bias": use_bias}
        super().__init__({**given, "shape": shape}, arguments)
        self.kernel_size, self.strides = kernel_size, strides
        self.dilations, self.groups = dilations, groups
        self.use_bias, self.pads, self.shape = use_bias, pads, tuple(shape)

    def build(self, input_shape: Any) -> None:
        """Make the kernel and the bias."""
        filters = self.shape[-1]
        shape = (*self.kernel_size, filters // self.groups, input_shape[-1])
        self.kernel = self.add_weight(shape=shape, name="kernel")
        self.bias = (
            self.add_weight(shape=(filters,), name="bias") if self.use_bias else None
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return (N, height, width, filters)."""
        return (input_shape[0], *self.shape)

    def call(self, inputs: Any) -> Any:
        """Transpose the convolution, crop or extend with zeros, add the bias."""
        kernel = self._spread(tf.convert_to_tensor(self.kernel))
        extents = [
            d * (k - 1) + 1
            for k, d in zip(self.kernel_size, self.dilations, strict=True)
        ]
        size = [
            (n - 1) * s + e
            for n, s, e in zip(inputs.shape[1:3], self.strides, extents, strict=True)
        ]
        whole = (tf.shape(inputs)[0], *size, kernel.shape[2])
        parts = zip(
            tf.split(inputs, self.groups, axis=3),
            tf.split(kernel, self.groups, axis=3),
            strict=True,
        )
        full = tf.concat(
            [
                tf.nn.conv2d_transpose(x, k, whole, self.strides, "VALID")
                for x, k in parts
            ],
            axis=3,
        )
        added = [[max(-p, 0) for p in sides] for sides in self.pads]
        full = tf.pad(full, [[0, 0], *added, [0, 0]])
        (top, _), (left, _) = [[max(p, 0) for p in sides] for sides in self.pads]
        y = full[:, top : top + self.shape[0], left : left + self.shape[1]]
        return y if self.bias is None else y + self.bias

    def _spread(self, kernel: Any) -> Any:
        """Put zeros between the kernel's numbers, dilation − 1 of them."""
        for axis, dilation in enumerate(self.dilations):
            size = kernel.shape[axis]
            apart = tf.expand_dims(kernel, axis + 1)
            zeros = [[0, 0]] * len(apart.shape)
            zeros[axis + 1] = [0, dilation - 1]
            shape = list(kernel.shape)
            shape[axis] = size * dilation
            kernel = tf.reshape(tf.pad(apart, zeros), shape)
            kernel = tf.gather(kernel, range((size - 1) * dilation + 1), axis=axis)
        return kernel


class _Pool(_Layer):
    """A pool with cells around the image."""

    def __init__(
        self, *, pool_size: Any, strides: Any, pads: Pads, **arguments: Any
    ) -> None:
        given = {"pool_size": pool_size, "strides": strides, "pads": pads}
        super().__init__(given, arguments)
        self.pool_size, self.strides = pool_size, strides
        self.around = around(pads)


@_registered
class MaxPool2D(_Pool):
    """A max-pool whose cells around the image count as −∞ (zeros would win)."""

    def call(self, inputs: Any) -> Any:
        """Pad with −∞ and pool."""
        padded = tf.pad(inputs, self.around, constant_values=-np.inf)
        return tf.nn.max_pool2d(padded, self.pool_size, self.strides, "VALID")


@_registered
class AvgPool2D(_Pool):
    """An average pool over valid cells: avg(pad(x)) / avg(pad(1))."""

    def _average(self, x: Any) -> Any:
        padded = tf.pad(x, self.around)
        return tf.nn.avg_pool2d(padded, self.pool_size, self.strides, "VALID")

    def call(self, inputs: Any) -> Any:
        """Average with zeros around, and divide by the share of valid cells."""
        ones = tf.ones((1, *inputs.shape[1:3], 1), inputs.dtype)
        return self._average(inputs) / self._average(ones)


@_registered
class GlobalMaxPool2D(_Layer):
    """The largest value of each channel; of equal ones the first is differentiated."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__({}, arguments)

    def call(self, inputs: Any) -> Any:
        """Pool with one window and drop its axes."""
        size = inputs.shape[1:3]
        return tf.squeeze(tf.nn.max_pool2d(inputs, size, size, "VALID"), [1, 2])


@_registered
class PReLU(_Layer):
    """x where positive, else slope · x, which is the derivative at 0 too."""

    def __init__(self, shared: bool, **arguments: Any) -> None:
        super().__init__({"shared": shared}, arguments)
        self.shared = shared

    def build(self, input_shape: Any) -> None:
        """Make the slopes, one a channel or one for all."""
        channels = 1 if self.shared else input_shape[-1]
        self.slope = self.add_weight(shape=(channels,), name="slope")

    def call(self, x: Any) -> Any:
        """Choose."""
        slope = tf.cast(tf.convert_to_tensor(self.slope), x.dtype)
        return tf.where(x > 0, x, slope * x)


@_registered
class Rescale(_Layer):
    """x · scale + offset by constants; Keras' own rounds tuples to float32."""

    def __init__(self, scale: Any, offset: Any, **arguments: Any) -> None:
        super().__init__({"scale": scale, "offset": offset}, arguments)
        self.scale, self.offset = scale, offset

    def call(self, x: Any) -> Any:
        """Multiply and add."""
        scale, offset = (tf.constant(n, x.dtype) for n in (self.scale, self.offset))
        return x * scale + offset


@_registered
class MatMul(_Layer):
    """The product of two values as matrices, in their last two axes."""

    def __init__(
        self, *, transpose_a: bool, transpose_b: bool, scale: float, **arguments: Any
    ) -> None:
        given = {"transpose_a": transpose_a, "transpose_b": transpose_b, "scale": scale}
        super().__init__(given, arguments)

    def call(self, inputs: Any) -> Any:
        """Align the axes behind the batch and multiply."""
        rank, sides = max(len(x.shape) for x in inputs), []
        for x in inputs:
            for _ in range(rank - len(x.shape)):
                x = tf.expand_dims(x, 1)
            sides.append(x)
        flags = {k: self.given[k] for k in ("transpose_a", "transpose_b")}
        factor = tf.constant(self.given["scale"], sides[0].dtype)
        return tf.matmul(factor * sides[0], sides[1], **flags)


@_registered
class Parameter(_Layer):
    """A learned array, the same for each example."""

    def __init__(self, shape: Any, **arguments: Any) -> None:
        super().__init__({"shape": list(shape)}, arguments)
        self.sizes = tuple(shape)
        self.value = self.add_weight(shape=self.sizes, name="value")

    def build(self, input_shape: Any) -> None:
        """Nothing depends on the input."""
        del input_shape

    def call(self, x: Any) -> Any:
        """Return the array as often as there are examples."""
        value = tf.cast(tf.convert_to_tensor(self.value), x.dtype)
        return tf.broadcast_to(value, (tf.shape(x)[0], *self.sizes))


@_registered
class L2Normalize(_Layer):
    """x / max(‖x‖, epsilon) over the last axis; Keras' epsilon is fixed."""

    def __init__(self, epsilon: float, **arguments: Any) -> None:
        super().__init__({"epsilon": epsilon}, arguments)
        self.epsilon = epsilon

    def call(self, x: Any) -> Any:
        """Divide by the length, and by epsilon where that is shorter."""
        squares = tf.reduce_sum(tf.square(x), axis=-1, keepdims=True)
        is_long = squares > self.epsilon**2
        safe = tf.where(is_long, squares, 1)  # the root has no slope at 0
        return x / tf.where(
            is_long, tf.sqrt(safe), self.epsilon * tf.ones_like(x[..., :1])
        )


@_registered
class LocalResponseNorm(_Layer):
    """x · (offset + share · Σ x²)^−beta over ``reach`` channels on each side.

    ``share`` is alpha / size; `tf.nn.lrn` does not divide.
    """

    def __init__(
        self, *, reach: int, offset: float, share: float, beta: float, **arguments: Any
    ) -> None:
        given = {"reach": reach, "offset": offset, "share": share, "beta": beta}
        super().__init__(given, arguments)
        self.reach, self.offset, self.share, self.beta = reach, offset, share, beta

    def call(self, inputs: Any) -> Any:
        """Leave it to TensorFlow; in float64, which it has not, sum the squares."""
        if inputs.dtype != tf.float64:
            return tf.nn.lrn(inputs, self.reach, self.offset, self.share, self.beta)
        channels, sides = inputs.shape[-1], [self.reach, self.reach]
        squares = tf.pad(tf.square(inputs), [[0, 0]] * 3 + [sides])
        sums = [squares[..., i : i + channels] for i in range(2 * self.reach + 1)]
        return inputs * (self.offset + self.share * tf.add_n(sums)) ** -self.beta


@_registered
class Bilinear(_Layer):
    """Bilinear enlargement; `tf.image.resize` would round float64 to float32."""

    def __init__(self, factors: tuple[int, int], **arguments: Any) -> None:
        super().__init__({"factors": factors}, arguments)
        self.factors = factors

    def call(self, inputs: Any) -> Any:
        """Leave it to TensorFlow; in float64, mix the rows, then the columns."""
        if inputs.dtype == tf.float32:
            size = [n * f for n, f in zip(inputs.shape[1:3], self.factors, strict=True)]
            return tf.image.resize(inputs, size)
        rows, columns = (
            tf.constant(interpolation(n, f), inputs.dtype)
            for n, f in zip(inputs.shape[1:3], self.factors, strict=True)
        )
        y = tf.einsum("oh,nhwc->nowc", rows, inputs)
        return tf.einsum("ow,nhwc->nhoc", columns, y)


def interpolation(size: int, factor: int) -> Any:
    """Return the weights of each old pixel in each new one, shape (new, old)."""
    centres = np.clip((np.arange(size * factor) + 0.5) / factor - 0.5, 0, size - 1)
    distance = np.abs(centres[:, None] - np.arange(size))
    return np.maximum(1 - distance, 0)


@_registered
class Resize(_Layer):
    """Rows and columns mixed by two matrices, or taken as they are named."""

    def __init__(self, settings: dict[str, Any], **arguments: Any) -> None:
        super().__init__({"settings": settings}, arguments)
        given: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()
        }
        self.layer = network_layers.Resize(**given)

    def call(self, inputs: Any) -> Any:
        """Resize the height, then the width."""
        x = inputs
        for axis in (0, 1):
            taps = self.layer.taps(axis, inputs.shape[1 + axis])
            if self.layer.mode == "nearest":
                x = tf.gather(x, [row[0][0] for row in taps], axis=1 + axis)
                continue
            matrix = np.zeros((len(taps), inputs.shape[1 + axis]))
            for i, row in enumerate(taps):
                for at, share in row:
                    matrix[i, at] += share
            how = ("oh,nhwc->nowc", "ow,nhwc->nhoc")[axis]
            x = tf.einsum(how, tf.constant(matrix, inputs.dtype), x)
        return x


@_registered
class Rearrange(_Layer):
    """Elements moved step by step: reshape, permute, slice, pad.

    ``steps`` are pairs of a kind and its numbers, as a file of Keras can hold them.
    """

    def __init__(self, steps: Any, **arguments: Any) -> None:
        super().__init__({"steps": steps}, arguments)
        self.steps = steps

    def call(self, inputs: Any) -> Any:
        """Take the steps."""
        x = inputs
        for kind, numbers in self.steps:
            if kind == "reshape":
                x = tf.reshape(x, (-1, *numbers))
            elif kind == "permute":
                x = tf.transpose(x, (0, *(axis + 1 for axis in numbers)))
            elif kind == "slice":
                x = x[(slice(None), *SliceStep(*map(tuple, numbers)).slices)]
            else:
                x = tf.pad(x, [[0, 0], *numbers])
        return x


def step_numbers(step: Step) -> tuple[str, Any]:
    """Return a step as `Rearrange` takes it."""
    if isinstance(step, ReshapeStep):
        return "reshape", list(step.shape)
    if isinstance(step, PermuteStep):
        return "permute", list(step.axes)
    if isinstance(step, SliceStep):
        return "slice", [list(n) for n in (step.starts, step.sizes, step.steps)]
    return "pad", [list(pair) for pair in step.sides]


@_registered
class Dropout(keras.layers.Dropout):  # type: ignore[misc]
    """Dropout by a mask that is handed in; Keras' own where there is none."""

    def call(self, inputs: Any, keep: Any = None, training: bool | None = None) -> Any:
        """Multiply by the mask in training."""
        if not training or keep is None:
            return super().call(inputs, training=training)
        return inputs * tf.cast(keep, inputs.dtype)


@_registered
class LeakyReLU(_Layer):
    """max(x, slope · x); `tf.nn.leaky_relu` rounds its slope to float32."""

    def __init__(self, slope: float, **arguments: Any) -> None:
        super().__init__({"slope": slope}, arguments)
        self.slope = slope

    def call(self, x: Any) -> Any:
        """Leave it to TensorFlow; in float64, choose."""
        if x.dtype == tf.float64:
            return tf.where(x > 0, x, self.slope * x)
        return tf.nn.leaky_relu(x, self.slope)


@_registered  # type: ignore[untyped-decorator]
def gelu(x: Any) -> Any:
    """Return x · Φ(x); `tf.nn.gelu` rounds √2 to float32."""
    return 0.5 * x * (1 + tf.math.erf(x * tf.cast(np.sqrt(0.5), x.dtype)))
