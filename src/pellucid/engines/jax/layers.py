"""Each layer as a pure function, and the network as one.

Arrays are canonical throughout: JAX convolves NHWC images with (kh, kw, in / groups,
out) weights as they are.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from pellucid.engines.jax.pointwise import pointwise
from pellucid.engines.ports import join
from pellucid.network import Network
from pellucid.network import layers as pl
from pellucid.network.layers import Layer, Rearrangement, find_entry
from pellucid.network.layers.one_dimensional import expand_weight
from pellucid.network.rearrangement import PermuteStep, ReshapeStep, SliceStep
from pellucid.network.window import Pads

Arrays = dict[str, Array]


class Mode(NamedTuple):
    """How layers run: in training or not, and the masks of dropout nodes."""

    is_training: bool = False
    masks: Mapping[str, Any] = {}


class Outcome(NamedTuple):
    """What running a network gives: values by node, new running statistics by name."""

    values: Arrays
    buffers: Arrays


def run(
    network: Network,
    weights: Mapping[str, Array],
    images: Sequence[Array],
    mode: Mode = Mode(),  # noqa: B008 - a constant
    *,
    keep: Collection[str],
) -> Outcome:
    """Run a network: a pure function of its weights and images.

    Parameters
    ----------
    network : Network
    weights : mapping of weight name to Array
    images : sequence of Array
        One for each input, in the network's order.
    mode : Mode
    keep : collection of str
        The nodes whose values are returned.
    """
    values: Arrays = dict(zip(network.inputs, images, strict=True))
    buffers: Arrays = {}
    for node in network.nodes:
        if isinstance(node.layer, pl.Input):
            continue
        own = {
            weight.spec.role: buffers.get(weight.name, weights[weight.name])
            for weight in network.weights
            if weight.node == node.owner
        }
        inputs = [values[source] for source in node.inputs]
        if isinstance(node.layer, pl.BatchNorm):
            y, changed = _batch_norm(node.layer, own, inputs[0], mode)
            buffers.update({f"{node.owner}.{r}": b for r, b in changed.items()})
        elif isinstance(node.layer, pl.Dropout):
            mask = mode.masks.get(node.name) if mode.is_training else None
            y = inputs[0] if mask is None else inputs[0] * mask.astype(inputs[0].dtype)
        elif pl.is_own(node.layer):
            y = node.layer.jax(join(inputs), own)  # type: ignore[attr-defined]
        else:
            y = find_entry(_FUNCTIONS, node.layer)(node.layer, own, *inputs)
        values[node.name] = y
    return Outcome({name: values[name] for name in keep}, buffers)


def _convolution(layer: pl.Conv2D, w: Arrays, x: Array) -> Array:
    y = lax.conv_general_dilated(
        x,
        w["weight"].astype(x.dtype),
        window_strides=layer.strides,
        padding=layer.pads((x.shape[1], x.shape[2])),
        rhs_dilation=layer.dilations,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=layer.groups,
    )
    return _with_bias(y, w)


def _transposed(layer: pl.ConvTranspose2D, w: Arrays, x: Array) -> Array:
    """Convolve the image, zeros between its pixels, with the kernel turned around."""
    extents = [d * (k - 1) for k, d in zip(layer.kernel, layer.dilations, strict=True)]
    pads = layer.pads((x.shape[1], x.shape[2]))
    y = lax.conv_general_dilated(
        x,
        w["weight"][::-1, ::-1].astype(x.dtype),
        window_strides=(1, 1),
        padding=[
            (extent - before, extent - after)
            for extent, (before, after) in zip(extents, pads, strict=True)
        ],
        lhs_dilation=layer.strides,
        rhs_dilation=layer.dilations,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=layer.groups,
    )
    return _with_bias(y, w)


def _with_bias(y: Array, w: Arrays) -> Array:
    return y + w["bias"].astype(y.dtype) if "bias" in w else y


def _dense(layer: pl.Dense, w: Arrays, x: Array) -> Array:
    del layer
    return _with_bias(x @ w["weight"].astype(x.dtype), w)


def _windows(layer: Any, pads: Pads) -> dict[str, Any]:
    return {
        "window_dimensions": (1, *layer.kernel, 1),
        "window_strides": (1, *layer.strides, 1),
        "padding": ((0, 0), *pads, (0, 0)),
    }


def _max_pool(layer: pl.MaxPool2D, w: Arrays, x: Array) -> Any:
    del w
    windows = _windows(layer, layer.pads((x.shape[1], x.shape[2])))
    return lax.reduce_window(x, -jnp.inf, lax.max, **windows)


def _avg_pool(layer: pl.AvgPool2D, w: Arrays, x: Array) -> Any:
    del w
    size = x.shape[1], x.shape[2]
    pads = layer.pads(size)
    sums = lax.reduce_window(x, 0.0, lax.add, **_windows(layer, pads))
    return sums / _valid_cells(layer, size, pads, sums.shape).astype(x.dtype)


def _valid_cells(
    layer: pl.AvgPool2D, size: tuple[int, int], pads: Pads, shape: tuple[int, ...]
) -> np.ndarray[Any, Any]:
    """Return how many cells of each window lie on the image, shape (H, W, 1)."""
    counts = []
    for n, k, s, (before, _), steps in zip(
        size, layer.kernel, layer.strides, pads, shape[1:3], strict=True
    ):
        start = np.arange(steps) * s - before
        counts.append(np.minimum(start + k, n) - np.maximum(start, 0))
    return np.multiply.outer(*counts)[:, :, None]  # type: ignore[no-any-return]


def _on_rows(layer: pl.OneDimensional, w: Arrays, x: Array) -> Any:
    """Do to sequences what the 2-D layer does to images of height 1."""
    flat = layer.as_2d()
    wide = {role: expand_weight(role, array) for role, array in w.items()}
    y = _FUNCTIONS[type(flat)](flat, wide, x[:, None])
    return y[:, 0] if y.ndim == 4 else y


def _statistics(x: Array, axes: Any) -> tuple[Array, Array]:
    mean = x.mean(axes, keepdims=True)
    return mean, jnp.square(x - mean).mean(axes, keepdims=True)  # biased


def _batch_norm(
    layer: pl.BatchNorm, w: Arrays, x: Array, mode: Mode
) -> tuple[Array, Arrays]:
    """Return the output and, in training, the new running statistics."""
    kind, x = x.dtype, x.astype(w["scale"].dtype)
    if not mode.is_training or not layer.trainable:
        y = _normalised(layer, w, x, w["running_mean"], w["running_variance"])
        return y.astype(kind), {}
    mean, variance = _statistics(x, tuple(range(x.ndim - 1)))
    m = layer.momentum
    changed = {
        role: m * w[role] + (1 - m) * lax.stop_gradient(batch.reshape(-1))
        for role, batch in (("running_mean", mean), ("running_variance", variance))
    }
    return _normalised(layer, w, x, mean, variance).astype(kind), changed


def _layer_norm(layer: pl.LayerNorm, w: Arrays, x: Array) -> Array:
    wide = x.astype(w["scale"].dtype)
    return _normalised(layer, w, wide, *_statistics(wide, -1)).astype(x.dtype)


def _group_norm(layer: Any, w: Arrays, x: Array) -> Array:
    groups, wide = layer.groups_of(x.shape[-1]), x.astype(w["scale"].dtype)
    cut = wide.reshape(len(x), -1, groups, x.shape[-1] // groups)
    mean, variance = _statistics(cut, (1, 3))
    hat = ((cut - mean) * lax.rsqrt(variance + layer.epsilon)).reshape(x.shape)
    return (hat * w["scale"] + w["offset"]).astype(x.dtype)


def _l2_normalize(layer: pl.L2Normalize, w: Arrays, x: Array) -> Array:
    del w
    squares = jnp.square(x).sum(-1, keepdims=True)
    is_long = squares > layer.epsilon**2
    length = jnp.sqrt(jnp.where(is_long, squares, 1))  # the root has no slope at 0
    return x / jnp.where(is_long, length, layer.epsilon)


def _prelu(layer: pl.PReLU, w: Arrays, x: Array) -> Array:
    del layer
    return jnp.where(x > 0, x, w["slope"].astype(x.dtype) * x)


def _rescale(layer: pl.Rescale, w: Arrays, x: Array) -> Array:
    del w
    scale, offset = (jnp.asarray(n, x.dtype) for n in (layer.scale, layer.offset))
    return x * scale + offset


def _global_max_pool(layer: pl.GlobalMaxPool2D, w: Arrays, x: Array) -> Array:
    y: Array = _max_pool(layer.window(x.shape[1:]), w, x)[:, 0, 0]
    return y


def _local_response_norm(layer: pl.LocalResponseNorm, w: Arrays, x: Array) -> Any:
    del w
    reach = layer.reach(x.shape[-1])
    sums = lax.reduce_window(
        jnp.square(x),
        0.0,
        lax.add,
        window_dimensions=(1, 1, 1, 2 * reach + 1),
        window_strides=(1, 1, 1, 1),
        padding=((0, 0), (0, 0), (0, 0), (reach, reach)),
    )
    return x * (layer.bias + layer.alpha / layer.size * sums) ** -layer.beta


def _normalised(
    layer: pl.BatchNorm | pl.LayerNorm, w: Arrays, x: Array, mean: Array, var: Array
) -> Array:
    return (x - mean) * lax.rsqrt(var + layer.epsilon) * w["scale"] + w["offset"]


def _upsample(layer: pl.Upsample2D, w: Arrays, x: Array) -> Any:
    del w
    if layer.mode == "nearest":
        return x.repeat(layer.factors[0], axis=1).repeat(layer.factors[1], axis=2)
    height, width = layer.factors[0] * x.shape[1], layer.factors[1] * x.shape[2]
    return jax.image.resize(x, (x.shape[0], height, width, x.shape[3]), "linear")


def _resize(layer: pl.Resize, w: Arrays, x: Array) -> Array:
    """Mix rows and columns by two matrices, or take those that are named."""
    del w
    for axis, how in enumerate(("oh,nhwc->nowc", "ow,nhwc->nhoc")):
        n = x.shape[1 + axis]
        taps = layer.taps(axis, n)
        if layer.mode == "nearest":
            x = jnp.take(x, np.array([row[0][0] for row in taps]), axis=1 + axis)
            continue
        matrix = np.zeros((len(taps), n))
        for i, row in enumerate(taps):
            for at, share in row:
                matrix[i, at] += share
        x = jnp.einsum(how, jnp.asarray(matrix, x.dtype), x)
    return x


def _recurrent(layer: pl.Recurrent, w: Arrays, x: Array) -> Array:
    """Run a cell along (N, L, C) by `lax.scan`, which goes backwards as it is."""
    z = x @ w["weight"].astype(x.dtype)
    z = z + w["bias"].astype(x.dtype) if layer.bias else z
    state = jnp.zeros((len(x), layer.units), x.dtype)
    is_lstm = isinstance(layer, pl.LSTM)
    cell = _lstm if is_lstm else _gru if isinstance(layer, pl.GRU) else _simple_rnn
    _, states = lax.scan(
        functools.partial(cell, layer, w),
        (state, state) if is_lstm else state,
        z.swapaxes(0, 1),
        reverse=layer.reverse,
    )
    end: Array = states[0] if layer.reverse else states[-1]
    whole: Array = states.swapaxes(0, 1)
    return whole if layer.return_sequences else end


def _lstm(layer: Any, w: Arrays, state: Any, z: Array) -> Any:
    del layer
    h, c = state
    u = w["recurrent_weight"].astype(z.dtype)
    i, f, g, o = jnp.split(z + h @ u, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def _gru(layer: Any, w: Arrays, h: Array, x: Array) -> Any:
    cut, u = 2 * layer.units, w["recurrent_weight"].astype(x.dtype)
    product = h @ (u if layer.reset_after else u[:, :cut])
    if layer.has_recurrent_bias:
        product = product + w["recurrent_bias"].astype(x.dtype)
    z, r = jnp.split(jax.nn.sigmoid(x[:, :cut] + product[:, :cut]), 2, axis=-1)
    reset = r * product[:, cut:] if layer.reset_after else (r * h) @ u[:, cut:]
    n = jnp.tanh(x[:, cut:] + reset)
    h = (1 - z) * n + z * h
    return h, h


def _simple_rnn(layer: Any, w: Arrays, h: Array, z: Array) -> Any:
    del layer
    h = jnp.tanh(z + h @ w["recurrent_weight"].astype(z.dtype))
    return h, h


def _rearrange(layer: Rearrangement, w: Arrays, x: Array) -> Array:
    del w
    for step in layer.steps(x.shape[1:]):
        if isinstance(step, ReshapeStep):
            x = x.reshape(len(x), *step.shape)
        elif isinstance(step, PermuteStep):
            x = x.transpose(0, *(axis + 1 for axis in step.axes))
        elif isinstance(step, SliceStep):
            x = x[(slice(None), *step.slices)]
        else:
            x = jnp.pad(x, ((0, 0), *step.sides))
    return x


def _plain(function: Callable[[Array], Array]) -> Callable[..., Array]:
    return lambda layer, w, x: function(x)


def _arithmetic(operation: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    """Return a function that takes an operation over its inputs from left to right."""

    def combine(layer: Layer, w: Arrays, *inputs: Array) -> Array:
        del layer, w
        rank = max(x.ndim for x in inputs)
        # missing axes stand behind the batch
        wide = [jnp.expand_dims(x, tuple(range(1, 1 + rank - x.ndim))) for x in inputs]
        return functools.reduce(operation, wide)

    return combine


def _matmul(layer: pl.MatMul, w: Arrays, *inputs: Array) -> Array:
    del w
    rank = max(x.ndim for x in inputs)
    flags = layer.transpose_a, layer.transpose_b
    a, b = (jnp.expand_dims(x, tuple(range(1, 1 + rank - x.ndim))) for x in inputs)
    a, b = (x.mT if flag else x for x, flag in zip((a, b), flags, strict=True))
    return jnp.matmul(layer.scale * a, b)


def _parameter(layer: pl.Parameter, w: Arrays, x: Array) -> Array:
    return jnp.broadcast_to(w["value"].astype(x.dtype), (len(x), *layer.sizes))


def _fake_quantized(layer: pl.FakeQuantized, w: Arrays, x: Array) -> Array:
    """Round the weight; the gradient passes straight through to it."""
    weight = w["weight"]
    step = jnp.abs(weight).max(tuple(range(weight.ndim - 1))) * (1 / layer.most)
    step = lax.stop_gradient(jnp.where(step > 0, step, 1))
    rounded = _straight_through(weight, jnp.rint(weight / step) * step)
    y: Array = find_entry(_FUNCTIONS, layer.operation)(
        layer.operation, {**w, "weight": rounded}, x
    )
    return y


@jax.custom_jvp
def _straight_through(x: Array, y: Array) -> Array:
    """Return y, with the gradient of x."""
    del x
    return y


@_straight_through.defjvp
def _(primals: Any, tangents: Any) -> Any:
    return primals[1], tangents[0]


def _maximum(x: Array, other: Array) -> Array:
    """Return the larger; of equal ones the first, where JAX's takes half of each."""
    return jnp.where((x >= other) | jnp.isnan(x), x, other)


_FUNCTIONS: dict[type[Layer], Callable[..., Any]] = {
    pl.Add: _arithmetic(jnp.add),
    pl.AvgPool2D: _avg_pool,
    pl.Rearrangement: _rearrange,
    pl.Concat: lambda layer, w, *inputs: jnp.concatenate(
        inputs, axis=1 + layer.resolved_axis(inputs[0].ndim - 1)
    ),
    pl.Conv2D: _convolution,
    pl.ConvTranspose2D: _transposed,
    pl.Dense: _dense,
    pl.FakeQuantized: _fake_quantized,
    pl.Flatten: _plain(lambda x: x.reshape(len(x), -1)),
    pl.GELU: _plain(lambda x: jax.nn.gelu(x, approximate=False)),  # default: tanh
    pl.Recurrent: _recurrent,
    pl.GlobalAvgPool2D: _plain(lambda x: x.mean((1, 2))),
    pl.GlobalMaxPool2D: _global_max_pool,
    pl.PerImageNorm: _group_norm,
    pl.L2Normalize: _l2_normalize,
    pl.LayerNorm: _layer_norm,
    pl.LocalResponseNorm: _local_response_norm,
    pl.MatMul: _matmul,
    pl.MaxPool2D: _max_pool,
    pl.Maximum: _arithmetic(_maximum),
    pl.Multiply: _arithmetic(jnp.multiply),
    pl.Parameter: _parameter,
    pl.PReLU: _prelu,
    pl.Pointwise: lambda layer, w, x: pointwise(layer)(x),
    pl.ReLU: _plain(jax.nn.relu),  # jnp.maximum(x, 0) has the derivative 0.5 at 0
    pl.Rescale: _rescale,
    pl.Resize: _resize,
    pl.SiLU: _plain(jax.nn.silu),
    pl.LogSoftmax: _plain(lambda x: jax.nn.log_softmax(x, axis=-1)),
    pl.Softmax: _plain(lambda x: jax.nn.softmax(x, axis=-1)),
    pl.Subtract: _arithmetic(jnp.subtract),
    pl.Upsample2D: _upsample,
    pl.ZeroPad2D: lambda layer, w, x: jnp.pad(x, ((0, 0), *layer.sides, (0, 0))),
    pl.OneDimensional: _on_rows,
}
