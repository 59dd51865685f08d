"""Translate PyTorch operators to layers, where a layer computes exactly the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import floor, prod
from typing import Any

import numpy as np

from pellucid.exchange.graph import norms, picking, products, relayout, volumes
from pellucid.exchange.graph.arithmetic import divide, extreme, multiply, power
from pellucid.exchange.graph.composing import compose
from pellucid.exchange.graph.expansion import expand, tile
from pellucid.exchange.graph.local_response_norm_pattern import Squares, square
from pellucid.exchange.graph.resizing import add_resize
from pellucid.exchange.graph.rows import through_image
from pellucid.exchange.graph.tensor import BATCH, Tensor
from pellucid.exchange.pt2 import pointwise, recurrent, reductions
from pellucid.exchange.pt2.operator_view import OperatorView
from pellucid.network import composites
from pellucid.network import layers as pl
from pellucid.network.composites import ReduceMean
from pellucid.network.composites.padding import Mode
from pellucid.network.window import Pads, pads

_ZEROS: Pads = ((0, 0), (0, 0))
#: what reads the squares of a local response norm
_AVERAGING = {"constant_pad_nd", "pad", "reshape", "unsqueeze", "view"}
_VECTOR_READERS = {"flatten", "view", "reshape", "squeeze", "linear"}


def _padding(op: OperatorView) -> Pads:
    top, left = op.pair("padding", 0)
    return (top, top), (left, left)


def _conv(op: OperatorView) -> Tensor:
    x, weight = op.tensor("input"), op.array("weight", 4)
    stride, dilation = op.pair("stride", 1), op.pair("dilation", 1)
    if isinstance(op.get("padding"), str):
        image = op.builder.image(op.ref, x)
        kernel = weight.shape[2], weight.shape[3]
        size = image.shape[0], image.shape[1]
        around = pads(op.get("padding"), size, kernel, stride, dilation)
    else:
        around = _padding(op)
    return op.builder.conv(
        op.ref,
        x,
        weight.transpose(2, 3, 1, 0),
        op.maybe("bias", 1),
        stride=stride,
        dilation=dilation,
        padding=around,
        groups=op.get("groups", 1),
    )


def _single(op: OperatorView, name: str, default: Any) -> int:
    value = op.get(name, default)
    values = value if isinstance(value, list | tuple) else [value]
    return int(values[0] if len(values) else default)


def _conv1d(op: OperatorView) -> Tensor:
    padding = op.get("padding", 0)
    return op.builder.conv1d(
        op.ref,
        op.tensor("input"),
        op.array("weight", 3).transpose(2, 1, 0),
        op.maybe("bias", 1),
        stride=_single(op, "stride", 1),
        dilation=_single(op, "dilation", 1),
        padding=padding if isinstance(padding, str) else _single(op, "padding", 0),
        groups=op.get("groups", 1),
    )


def _pool1d(kind: Any) -> Callable[[OperatorView], Tensor]:
    def read(op: OperatorView) -> Tensor:
        size, padding = _single(op, "kernel_size", 1), _single(op, "padding", 0)
        return op.builder.pool1d(
            op.ref,
            op.tensor("self"),
            kind,
            (size, _single(op, "stride", size), (padding, padding)),
            ceil=bool(op.get("ceil_mode", False)),
            counts_zeros=bool(op.get("count_include_pad", True)),
            dilation=_single(op, "dilation", 1),
        )

    return read


def _conv_transpose(op: OperatorView) -> Tensor:
    weight, groups = op.array("weight", 4), op.get("groups", 1)
    channels, per_group, kh, kw = weight.shape
    split = weight.reshape(groups, -1, per_group, kh, kw)
    return op.builder.conv(
        op.ref,
        op.tensor("input"),
        split.transpose(3, 4, 1, 0, 2).reshape(kh, kw, channels // groups, -1),
        op.maybe("bias", 1),
        transposed=True,
        stride=op.pair("stride", 1),
        dilation=op.pair("dilation", 1),
        padding=_padding(op),
        output_padding=op.pair("output_padding", 0),
        groups=groups,
    )


def _conv_transpose_1d(op: OperatorView) -> Tensor:
    """A transposed convolution of sequences: of images of height 1."""
    weight, groups = op.array("weight", 3), op.get("groups", 1)
    channels, per_group, k = weight.shape
    split = weight.reshape(groups, -1, per_group, 1, k)
    crop = _single(op, "padding", 0)
    return through_image(
        op.builder,
        op.ref,
        op.tensor("input"),
        lambda image: op.builder.conv(
            op.ref,
            image,
            split.transpose(3, 4, 1, 0, 2).reshape(1, k, channels // groups, -1),
            op.maybe("bias", 1),
            transposed=True,
            stride=(1, _single(op, "stride", 1)),
            dilation=(1, _single(op, "dilation", 1)),
            padding=((0, 0), (crop, crop)),
            output_padding=(0, _single(op, "output_padding", 0)),
            groups=groups,
        ),
    )


def _upsample_1d(mode: str, coordinates: str) -> Callable[[OperatorView], Tensor]:
    """Resize a sequence, as an image of height 1."""

    def read(op: OperatorView) -> Tensor:
        where = "align_corners" if op.get("align_corners", False) else coordinates
        row = op.builder.sequence(op.ref, op.tensor("input"))
        scales, size = op.get("scale_factors"), op.get("output_size")
        length = floor(row.shape[0] * scales[0]) if scales is not None else size[0]
        how: dict[str, Any] = {"mode": mode, "coordinates": where, "rounding": "floor"}
        if scales is not None and where != "align_corners":
            how["scale"] = (1.0, float(scales[0]))
        else:
            how["size"] = (1, length)
        return through_image(
            op.builder,
            op.ref,
            row,
            lambda image: add_resize(op.builder, op.ref, image, **how),
        )

    return read


def _weight_norm(op: OperatorView) -> Any:
    """A weight of direction v and length g, which differs along ``dim``."""
    v, g, dim = op.get("v"), op.get("g"), op.get("dim", 0)
    if not isinstance(v, np.ndarray) or not isinstance(g, np.ndarray):
        op.refuse("have constant v and g", type(v).__name__)
    axes = tuple(axis for axis in range(v.ndim) if axis != dim % v.ndim)
    length = np.sqrt(np.sum(v.astype(np.float64) ** 2, axis=axes, keepdims=True))
    return (v * (g / length)).astype(v.dtype)


def _linear(op: OperatorView) -> Tensor:
    weight = op.array("weight", 2).T
    return op.builder.dense(op.ref, op.tensor("input"), weight, op.maybe("bias", 1))


@dataclass(frozen=True, slots=True)
class _Surrounded:
    """An image with −∞ around it: what a max-pool is given whose sides differ."""

    x: Tensor
    sides: Pads


def _max_pool_input(op: OperatorView) -> tuple[Tensor, Pads]:
    """Return what a max-pool reads, and the cells around it."""
    value = op.get("self")
    if not isinstance(value, _Surrounded):
        return op.tensor("self"), _padding(op)
    if _padding(op) != _ZEROS:
        op.refuse("be padded once", op.get("padding"))
    return value.x, value.sides


def _pool(kind: Any) -> Callable[[OperatorView], Tensor]:
    def read(op: OperatorView) -> Tensor:
        op.only(divisor_override=None)
        kernel, ceil = op.pair("kernel_size", 1), bool(op.get("ceil_mode", False))
        sizes: dict[str, Any] = {"kernel_size": kernel}
        sizes["stride"] = op.pair("stride", kernel)
        if kind is pl.MaxPool2D:
            x, sizes["padding"] = _max_pool_input(op)
            sizes["dilation"] = op.pair("dilation", 1)
            return op.builder.pool(op.ref, x, kind, ceil=ceil, **sizes)
        x, sizes["padding"] = op.tensor("self"), _padding(op)
        if op.get("count_include_pad", True):
            return op.builder.average_with_zeros(op.ref, x, ceil=ceil, **sizes)
        return op.builder.pool(op.ref, x, kind, ceil=ceil, **sizes)

    return read


def _adaptive(kind: Any, composite: Any) -> Callable[[OperatorView], Tensor]:
    """Pool to a size: to one pixel, to one that divides the image's, or to any."""

    def read(op: OperatorView) -> Tensor:
        x = op.tensor("self")
        image = op.builder.image(op.ref, x)
        size = image.shape[0], image.shape[1]
        wanted = _output_size(op, size)
        if wanted == (1, 1) and kind is pl.AvgPool2D:
            return _global_average(op, x)
        if min(wanted) < 1:
            op.refuse("have an output_size of at least 1", wanted)
        if wanted == size:
            return x
        if any(n % m for n, m in zip(size, wanted, strict=True)):
            made = compose(op.builder, op.ref, image, composite(wanted).compose)
            return replace(made, axes=image.axes)
        kernel = size[0] // wanted[0], size[1] // wanted[1]
        sizes: dict[str, Any] = {"kernel_size": kernel, "stride": kernel}
        return op.builder.pool(op.ref, x, kind, padding="valid", **sizes)

    return read


def _adaptive_1d(composite: Any) -> Callable[[OperatorView], Tensor]:
    def read(op: OperatorView) -> Tensor:
        row = op.builder.sequence(op.ref, op.tensor("self"))
        layer = composite(_single(op, "output_size", 1))
        return replace(compose(op.builder, op.ref, row, layer.compose), axes=row.axes)

    return read


def _global_average(op: OperatorView, x: Tensor) -> Tensor:
    """Average each channel: to a vector where only vectors are read, else an image."""
    as_vector = bool(op.readers) and op.readers <= _VECTOR_READERS
    return op.builder.global_average(op.ref, x, as_image=not as_vector)


def _output_size(op: OperatorView, size: tuple[int, int]) -> tuple[int, int]:
    """Return the size that is asked for; None there means as before."""
    given = op.get("output_size")
    if isinstance(given, list) and None in given:
        given = [n if m is None else m for n, m in zip(size, given, strict=True)]
        return given[0], given[1]
    return op.pair("output_size", 1)


def _mean(op: OperatorView) -> Tensor:
    x = op.tensor("self")
    axes = reductions.axes_of(op, len(x.axes))
    if x.axes != op.builder.image_axes or axes != [2, 3]:
        return reductions.reduce(op, ReduceMean)
    if op.get("keepdim", False):
        return _global_average(op, x)
    return op.builder.global_mean(op.ref, x)


def _batch_norm(op: OperatorView) -> Tensor:
    op.only(training=False)
    x = op.tensor("input")
    op.builder.channels(op.ref, x, 1)
    mean, variance = op.array("running_mean", 1), op.array("running_var", 1)
    scale, offset = op.maybe("weight", 1), op.maybe("bias", 1)
    weights = {
        "scale": np.ones_like(mean) if scale is None else scale,
        "offset": np.zeros_like(mean) if offset is None else offset,
        "running_mean": mean,
        "running_variance": variance,
    }
    layer = pl.BatchNorm(
        momentum=1 - float(op.get("momentum", 0.1)),
        epsilon=float(op.get("eps", 1e-5)),
    )
    return op.builder.normalization(op.ref, x, layer, weights)


def _layer_norm(op: OperatorView) -> Tensor:
    return norms.layer_norm(
        op.builder,
        op.ref,
        op.tensor("input"),
        len(op.get("normalized_shape")),
        epsilon=float(op.get("eps", 1e-5)),
        scale=op.get("weight"),
        offset=op.get("bias"),
    )


def _rms_norm(op: OperatorView) -> Tensor:
    x, count = op.tensor("input"), len(op.get("normalized_shape"))
    epsilon = float(op.get("eps", np.finfo(np.float32).eps))
    scale = op.get("weight")
    return norms.rms_norm(op.builder, op.ref, x, count, epsilon=epsilon, scale=scale)


def _prelu(op: OperatorView) -> Tensor:
    """PyTorch's slopes lie along axis 1."""
    x, slopes = op.tensor("self"), op.array("weight", 1)
    behind = max(len(x.axes) - 2, 0) if slopes.size > 1 else 0
    return op.builder.prelu(op.ref, x, slopes.reshape(-1, *(1,) * behind))


def _scale_and_offset(op: OperatorView, channels: int) -> dict[str, Any]:
    scale, offset = op.maybe("weight", 1), op.maybe("bias", 1)
    ones = np.ones(channels, np.float32)
    return {
        "scale": ones if scale is None else scale,
        "offset": ones * 0 if offset is None else offset,
    }


def _group_norm(op: OperatorView) -> Tensor:
    x = op.tensor("input")
    layer = pl.GroupNorm(op.get("num_groups"), epsilon=float(op.get("eps", 1e-5)))
    weights = _scale_and_offset(op, x.shape[-1])
    return op.builder.group_normalization(op.ref, x, layer, weights)


def _instance_norm(op: OperatorView) -> Tensor:
    op.only(use_input_stats=True)
    x = op.tensor("input")
    layer = pl.InstanceNorm(float(op.get("eps", 1e-5)))
    weights = _scale_and_offset(op, x.shape[-1])
    return op.builder.group_normalization(op.ref, x, layer, weights)


def _softmax(op: OperatorView) -> Tensor:
    return op.builder.softmax(op.ref, op.tensor("self"), op.get("dim"))


def _log_softmax(op: OperatorView) -> Tensor:
    x, axis = op.tensor("self"), op.get("dim")
    return op.builder.softmax(op.ref, x, axis, pl.LogSoftmax)


def _log(op: OperatorView) -> Tensor:
    return op.builder.log(op.ref, op.tensor("self"))


def _noise(op: OperatorView) -> Any:
    """Dropout of whole channels, or to a mean and variance: nothing in evaluation."""
    op.only(train=False)
    return op.get("input", op.get("self"))


def _dropout(op: OperatorView) -> Tensor:
    op.only(train=False)
    layer = pl.Dropout(float(op.get("p", 0.5)))
    x = op.tensor("self" if "self" in op.arguments else "input")  # if in place
    return op.builder.elementwise(op.ref, x, layer)


def _add(op: OperatorView) -> Any:
    part, other = op.get("self"), op.get("other")
    if isinstance(part, np.ndarray):
        part, other = other, part
    if isinstance(part, Squares) and _is_number(other):
        op.only(alpha=1)
        return part.plus(op.ref, float(other))
    if not isinstance(part, Tensor):
        op.refuse("add to the network's value", type(part).__name__)
    if isinstance(other, Tensor):
        op.only(alpha=1)
        return op.builder.add(op.ref, [part, other])
    alpha = np.float32(op.get("alpha", 1))
    return _add_constant(op, part, _constant(op, other) * alpha)


def _add_constant(op: OperatorView, x: Tensor, offset: Any) -> Tensor:
    return op.builder.add_constant(op.ref, x, offset, can_fold=op.is_sole_reader)


def _sub(op: OperatorView) -> Tensor:
    """Subtract alpha · other, a constant or a value."""
    part, other = op.get("self"), op.get("other")
    alpha = np.float32(op.get("alpha", 1))
    if isinstance(part, np.ndarray):
        return _subtract_from(op, part, op.tensor("other"), alpha)
    if isinstance(other, Tensor) and alpha == 1:
        pair = [op.tensor("self"), other]
        return op.builder.arithmetic(op.ref, pl.Subtract(), pair)
    if isinstance(other, Tensor):
        minus = op.builder.affine(op.ref, other, scale=np.asarray(-alpha))
        return op.builder.add(op.ref, [op.tensor("self"), minus])
    return _add_constant(op, op.tensor("self"), -(_constant(op, other) * alpha))


def _rsub(op: OperatorView) -> Tensor:
    """Subtract alpha · self from a constant."""
    alpha = np.float32(op.get("alpha", 1))
    return _subtract_from(op, op.get("other"), op.tensor("self"), alpha)


def _subtract_from(op: OperatorView, constant: Any, x: Tensor, alpha: Any) -> Tensor:
    minus = op.builder.affine(op.ref, x, scale=np.asarray(-alpha))
    return op.builder.affine(op.ref, minus, offset=_constant(op, constant))


def _neg(op: OperatorView) -> Tensor:
    minus = np.asarray(-1, np.float32)
    return op.builder.affine(op.ref, op.tensor("self"), scale=minus)


def _mul(op: OperatorView) -> Any:
    part, other = op.get("self"), op.get("other")
    if isinstance(part, np.ndarray):
        part, other = other, part
    if isinstance(part, Squares) and _is_number(other):
        return part.times(op.ref, float(other))
    if not isinstance(part, Tensor):
        op.refuse("multiply the network's value", type(part).__name__)
    if not isinstance(other, Tensor):
        return op.builder.affine(op.ref, part, scale=_constant(op, other))
    squares = square(part, other, bool(op.readers) and op.readers <= _AVERAGING)
    if squares is not None:
        return squares
    silu = op.builder.silu(op.ref, part, other)
    return silu or multiply(op.builder, op.ref, [part, other])


def _extreme(is_largest: bool) -> Callable[[OperatorView], Tensor]:
    def read(op: OperatorView) -> Tensor:
        pair = [op.get("self"), op.get("other")]
        tensors = [value for value in pair if isinstance(value, Tensor)]
        x = extreme(op.builder, op.ref, tensors, is_largest=is_largest)
        for value in pair:
            if not isinstance(value, Tensor):
                if not _is_number(value):
                    op.refuse("limit by a number", "several")
                number = float(np.reshape(value, -1)[0])
                limits = (number, None) if is_largest else (None, number)
                x = op.builder.clip(op.ref, x, *limits)
        return x

    return read


def _is_number(value: Any) -> bool:
    is_array = isinstance(value, np.ndarray) and value.size == 1
    return is_array or isinstance(value, int | float)


def _constant(op: OperatorView, value: Any) -> Any:
    if not isinstance(value, int | float | np.ndarray):
        op.refuse("have a number or a weight as other", type(value).__name__)
    return np.asarray(value, np.float32)


def _cat(op: OperatorView) -> Tensor:
    return picking.join(op.builder, op.ref, op.get("tensors"), op.get("dim", 0))


def _stack(op: OperatorView) -> Tensor:
    tensors = op.get("tensors")
    if not all(isinstance(value, Tensor) for value in tensors):
        op.refuse("stack the network's values", "a constant")
    axis = op.get("dim", 0) % (len(tensors[0].axes) + 1)
    if axis == 0:
        op.refuse("keep the batch as its first axis", "dim=0")
    wide = [op.builder.expand_dims(op.ref, value, [axis]) for value in tensors]
    return op.builder.concat(op.ref, wide, axis)


def _select(op: OperatorView) -> Tensor:
    x, axis = op.tensor("self"), op.get("dim") % len(op.tensor("self").axes)
    return picking.select(op.builder, op.ref, x, axis, op.get("index"))


def _index_select(op: OperatorView) -> Tensor:
    x, axis = op.tensor("self"), op.get("dim") % len(op.tensor("self").axes)
    indices = [int(i) for i in op.array("index", 1)]
    return picking.pick(op.builder, op.ref, x, axis, indices)


def _index(op: OperatorView) -> Any:
    """Index one axis by constant numbers; a table of weights by any."""
    part, given = op.get("self"), op.get("indices")
    if isinstance(part, np.ndarray):
        if not all(i is None or isinstance(i, np.ndarray) for i in given):
            op.refuse("index a constant by constants", "values")
        return part[tuple(slice(None) if i is None else i for i in given)]
    x = op.tensor("self")
    named = [(axis, i) for axis, i in enumerate(given) if i is not None]
    if len(named) != 1 or not isinstance(named[0][1], np.ndarray):
        op.refuse("index one axis by constant numbers", f"{len(named)} axes")
    axis, indices = named[0]
    if indices.ndim != 1 or indices.dtype.kind not in "iu":
        op.refuse("index by a list of numbers", f"shape={indices.shape}")
    return picking.pick(op.builder, op.ref, x, axis, [int(i) for i in indices])


def _unbind(op: OperatorView) -> list[Tensor]:
    x, axis = op.tensor("self"), op.get("dim", 0) % len(op.tensor("self").axes)
    count = x.foreign_shape[axis]
    return [picking.select(op.builder, op.ref, x, axis, i) for i in range(count)]


def _roll(op: OperatorView) -> Tensor:
    """Move elements along axes, and those that fall off to the other end."""
    x, shifts, axes = op.tensor("self"), op.get("shifts"), op.get("dims", [])
    if len(shifts) != len(axes):
        op.refuse("name its dims", f"dims={axes}")
    for shift, axis in zip(shifts, axes, strict=True):
        n = x.foreign_shape[axis]
        start = -shift % n
        order = [(start + i) % n for i in range(n)]
        x = picking.pick(op.builder, op.ref, x, axis % len(x.axes), order)
    return x


def _glu(op: OperatorView) -> Tensor:
    """Half of the channels, gated by the other half."""
    x, axis = op.tensor("self"), op.get("dim", -1)
    n = x.foreign_shape[axis]
    if n % 2:
        op.refuse("halve an even axis", n)
    value, gate = relayout.split(op.builder, op.ref.part("half"), x, axis, [n // 2] * 2)
    gate = op.builder.elementwise(op.ref.part("gate"), gate, pl.Sigmoid())
    return op.builder.arithmetic(op.ref, pl.Multiply(), [value, gate])


def _matmul(op: OperatorView) -> Tensor:
    first = op.get("self", op.get("input"))
    return products.matmul(op.builder, op.ref, first, op.get("other", op.get("mat2")))


def _einsum(op: OperatorView) -> Tensor:
    return products.einsum(op.builder, op.ref, op.get("equation"), op.get("tensors"))


def _attention(op: OperatorView) -> Tensor:
    """scaled_dot_product_attention, in inference."""
    op.only(dropout_p=0.0, enable_gqa=False)
    return products.attention(
        op.builder,
        op.ref,
        (op.tensor("query"), op.tensor("key"), op.tensor("value")),
        scale=op.get("scale"),
        mask=op.get("attn_mask"),
        band=(None, 0 if op.get("is_causal", False) else None),
    )


def _addcmul(op: OperatorView) -> Tensor:
    """self + value · tensor1 · tensor2."""
    factors = [op.get("tensor1"), op.get("tensor2")]
    alpha = float(op.get("value", 1))
    values = [x for x in factors if isinstance(x, Tensor)]
    given = [x for x in factors if not isinstance(x, Tensor)]
    if not values:
        op.refuse("multiply the network's value", "constants alone")
    part = op.ref.part("product")
    made = values[0]
    if len(values) == 2:
        made = multiply(op.builder, part, values)
    scale = np.asarray(alpha, np.float32)
    for constant in given:
        scale = scale * _constant(op, constant)
    if given or alpha != 1:
        made = op.builder.affine(part, made, scale=scale)
    other = op.get("self")
    if isinstance(other, Tensor):
        return op.builder.add(op.ref, [other, made])
    return op.builder.affine(op.ref, made, offset=_constant(op, other))


def _fill(op: OperatorView) -> Any:
    """ones_like, zeros_like, full_like: a constant, of one example for all."""
    value = {"ones_like": 1.0, "zeros_like": 0.0}.get(
        op.target.split(".")[3], op.get("fill_value")
    )
    x = op.tensor("self")
    return np.full((1, *x.foreign_shape[1:]), value, np.float32)


def _flatten(op: OperatorView) -> Tensor:
    x = op.tensor("self")
    rank = len(x.axes)
    start, end = op.get("start_dim", 0) % rank, op.get("end_dim", -1) % rank
    if start == end:
        return x
    if start == 1 and end == rank - 1:
        return op.builder.flatten(op.ref, x)
    shape = list(x.foreign_shape)
    shape[start : end + 1] = [prod(shape[start : end + 1])]
    return op.builder.reshape(op.ref, x, shape)


def _three(op: OperatorView, name: str, default: Any) -> tuple[int, int, int]:
    value = op.get(name)
    value = default if value is None or value == [] else value
    values = [value] * 3 if isinstance(value, int) else list(value)
    values = values * 3 if len(values) == 1 else values
    return values[0], values[1], values[2]


def _conv3d(op: OperatorView) -> Tensor:
    padding: Any = op.get("padding", 0)
    if not isinstance(padding, str):
        padding = tuple((n, n) for n in _three(op, "padding", 0))
    return volumes.conv(
        op.builder,
        op.ref,
        op.tensor("input"),
        op.array("weight", 5).transpose(2, 3, 4, 1, 0),
        op.maybe("bias", 1),
        stride=_three(op, "stride", 1),
        dilation=_three(op, "dilation", 1),
        padding=padding,
        groups=op.get("groups", 1),
    )


def _pool3d(kind: Any) -> Callable[[OperatorView], Tensor]:
    def read(op: OperatorView) -> Tensor:
        op.only(ceil_mode=False, divisor_override=None)
        if _three(op, "dilation", 1) != (1, 1, 1):
            op.refuse("have dilation 1", op.get("dilation"))
        kernel = _three(op, "kernel_size", 1)
        return volumes.pool(
            op.builder,
            op.ref,
            op.tensor("self"),
            kind,
            kernel_size=kernel,
            stride=_three(op, "stride", kernel),
            padding=tuple((n, n) for n in _three(op, "padding", 0)),
            counts_zeros=bool(op.get("count_include_pad", True)),
        )

    return read


def _adaptive_3d(kind: Any) -> Callable[[OperatorView], Tensor]:
    """Pool a volume to a size that divides its own."""

    def read(op: OperatorView) -> Tensor:
        x = volumes.volume(op.builder, op.ref, op.tensor("self"))
        wanted = _three(op, "output_size", 1)
        if any(n % m for n, m in zip(x.shape, wanted, strict=False)):
            op.refuse(f"have an output_size that divides {x.shape[:3]}", wanted)
        kernel = tuple(n // m for n, m in zip(x.shape, wanted, strict=False))
        zeros = ((0, 0),) * 3
        return volumes.pool(
            op.builder, op.ref, x, kind, kernel_size=kernel, padding=zeros
        )

    return read


def _average_channels(op: OperatorView) -> Any:
    """avg_pool3d: of volumes, or of channels as a local response norm averages them."""
    part = op.get("self")
    if not isinstance(part, Squares):
        return _pool3d(composites.AvgPool3D)(op)
    op.only(padding=[0, 0, 0], ceil_mode=False, divisor_override=None)
    kernel = op.get("kernel_size")
    return part.average(op.ref, kernel, op.get("stride") or kernel)


def _squeeze(op: OperatorView) -> Any:
    part, dims = op.get("self"), op.get("dim")
    dims = [dims] if isinstance(dims, int) else dims
    if isinstance(part, np.ndarray):
        return part.squeeze(None if dims is None else tuple(dims))
    if isinstance(part, Squares):
        if not part.is_volume or dims != [1]:
            op.refuse("be a part of a local response norm", f"dim={dims}")
        return part.reshape(op.ref, part.x.foreign_shape, op.builder.batch)
    x = op.tensor("self")
    shape, rank = x.foreign_shape, len(x.axes)
    if dims is None and op.builder.batch == 1:
        op.refuse("keep the batch, and name its dim", "a batch of 1")
    if dims is not None:  # PyTorch leaves an axis that is longer
        dims = [axis for axis in dims if shape[axis % rank] == 1]
    return op.builder.squeeze(op.ref, x, dims)


def _pow(op: OperatorView) -> Any:
    part, exponent = op.get("self"), op.get("exponent")
    if isinstance(part, Squares) and isinstance(exponent, int | float):
        return part.power(op.ref, float(exponent))
    return power(op.builder, op.ref, part, exponent)


def _div(op: OperatorView) -> Tensor:
    op.only(rounding_mode=None)
    part = op.get("other")
    if isinstance(part, Squares):
        return part.divide(op.ref, op.tensor("self"), op.builder)
    if isinstance(part, Tensor):
        x = op.get("self")
        x = x if isinstance(x, Tensor) else _constant(op, x)
        return divide(op.builder, op.ref, x, part)
    inverse = 1 / np.asarray(_constant(op, part), np.float64)
    scale = np.asarray(inverse, np.float32)
    return op.builder.affine(op.ref, op.tensor("self"), scale=scale)


def _view(op: OperatorView) -> Any:
    shape = op.get("size", op.get("shape"))
    part = op.get("self")
    if isinstance(part, np.ndarray):
        return part.reshape(shape)
    if isinstance(part, Squares):
        return part.reshape(op.ref, shape, op.builder.batch)
    x = op.tensor("self")
    return op.builder.reshape(op.ref, x, shape)


def _permute(op: OperatorView) -> Any:
    part = op.get("self")
    if isinstance(part, np.ndarray):
        return part.transpose(op.get("dims"))
    x = op.tensor("self")
    order = [axis % len(x.axes) for axis in op.get("dims")]
    return op.builder.transpose(op.ref, x, order)


def _transpose(op: OperatorView) -> Any:
    part = op.get("self")
    rank = part.ndim if isinstance(part, np.ndarray) else len(op.tensor("self").axes)
    first = op.get("dim0", op.get("axis0", -2)) % rank
    second = op.get("dim1", op.get("axis1", -1)) % rank
    order = list(range(rank))
    order[first], order[second] = second, first
    if isinstance(part, np.ndarray):
        return part.transpose(order)
    return op.builder.transpose(op.ref, op.tensor("self"), order)


def _reverse(op: OperatorView) -> Any:
    """Exchange all axes of a matrix of constants: ``T``."""
    part = op.get("self")
    if not isinstance(part, np.ndarray):
        op.refuse("transpose a constant", type(part).__name__)
    return part.T


def _movedim(op: OperatorView) -> Any:
    part = op.get("self")
    rank = part.ndim if isinstance(part, np.ndarray) else len(op.tensor("self").axes)
    source, target = (
        (value[0] if isinstance(value, list) else value) % rank
        for value in (op.get("source"), op.get("destination"))
    )
    order = [axis for axis in range(rank) if axis != source]
    order.insert(target, source)
    if isinstance(part, np.ndarray):
        return part.transpose(order)
    return op.builder.transpose(op.ref, op.tensor("self"), order)


def _pad(op: OperatorView) -> Tensor | _Surrounded | Squares:
    how, value = op.get("mode", "constant"), op.get("value", 0.0)
    mode, value = _PADDINGS.get(how), 0.0 if value is None else float(value)
    sides, part = op.get("pad"), op.get("self")
    if mode is None:
        op.refuse(f"have a mode among {', '.join(_PADDINGS)}", how)
    if mode != "constant":
        return _pad_by(mode, "pad")(op)
    if isinstance(part, Squares):
        if len(sides) != 6 or any(sides[:4]) or value != 0:
            op.refuse("pad the channels of a local response norm", f"pad={sides}")
        return part.pad(op.ref, sides[4], sides[5])
    x = op.tensor("self")
    pairs = list(zip(sides[::2], sides[1::2], strict=True))
    pairs.reverse()  # PyTorch has the last axis first
    is_pooled = len(pairs) == 2 and op.readers == {"max_pool2d"}
    if is_pooled and value == -np.inf and min(sides) >= 0:
        return _Surrounded(x, (pairs[0], pairs[1]))
    if not np.isfinite(value) or len(pairs) > len(x.axes):
        op.refuse("pad by a finite number, or by −∞ before a max-pool", value)
    if len(pairs) == 2 and max(sides) <= 0 and op.is_sole_reader:
        top, left = (tuple(-n for n in pair) for pair in pairs)
        cropped = op.builder.fold_crop(x, ((top[0], top[1]), (left[0], left[1])))
        if cropped is not None:
            return cropped
    every = [(0, 0)] * (len(x.axes) - len(pairs)) + pairs
    return relayout.pad(op.builder, op.ref, x, every, value=value)


#: what PyTorch calls the modes
_PADDINGS: dict[str, Mode] = {
    "circular": "circular",
    "constant": "constant",
    "reflect": "reflect",
    "replicate": "edge",
}


def _pad_by(mode: Mode, argument: str) -> Callable[[OperatorView], Tensor]:
    """Pad by what the value holds."""

    def read(op: OperatorView) -> Tensor:
        x, sides = op.tensor("self"), op.get(argument)
        pairs = list(zip(sides[::2], sides[1::2], strict=True))
        pairs.reverse()  # PyTorch has the last axis first
        every = [(0, 0)] * (len(x.axes) - len(pairs)) + pairs
        return relayout.pad(op.builder, op.ref, x, every, mode)

    return read


def _unsqueeze(op: OperatorView) -> Any:
    value, axis = op.get("self"), op.get("dim")
    if isinstance(value, np.ndarray):
        return np.expand_dims(value, axis)
    return op.builder.expand_dims(op.ref, op.tensor("self"), [axis])


def _upsample(
    mode: str, coordinates: str, rounding: str = "floor"
) -> Callable[[OperatorView], Tensor]:
    def read(op: OperatorView) -> Tensor:
        where = "align_corners" if op.get("align_corners", False) else coordinates
        how: dict[str, Any] = {"mode": mode, "coordinates": where, "rounding": rounding}
        scales, size = op.get("scale_factors"), op.get("output_size")
        if scales is not None and where == "align_corners":  # PyTorch's by the sizes
            image = op.builder.image(op.ref, op.tensor("input"))
            pairs = zip(image.shape, scales, strict=False)
            how["size"] = tuple(floor(n * s) for n, s in pairs)
        elif scales is not None:
            how["scale"] = tuple(map(float, scales))
        else:
            how["size"] = tuple(size)
        return add_resize(op.builder, op.ref, op.tensor("input"), **how)

    return read


def _size(op: OperatorView) -> Any:
    return op.tensor("self").foreign_shape[op.get("dim")]


def _same(op: OperatorView) -> Any:
    return op.get("self")


def _convert(op: OperatorView) -> Any:
    """to, float: of the type that it has."""
    kinds = [op.get("dtype")]
    if any(kind not in (None, op.float_type) for kind in kinds):
        op.refuse(f"keep the input's type, {op.float_type}", kinds[0])
    return op.get("self")


def _slice(op: OperatorView) -> Tensor:
    x, end = op.tensor("self"), op.get("end")
    given = op.get("dim", 0), op.get("start"), end, op.get("step", 1)
    return relayout.take(op.builder, op.ref, x, [given])


def _narrow(op: OperatorView) -> Tensor:
    start = op.get("start")
    given = op.get("dim", 0), start, start + op.get("length"), 1
    return relayout.take(op.builder, op.ref, op.tensor("self"), [given])


def _flip(op: OperatorView) -> Tensor:
    ranges = [(axis, None, None, -1) for axis in op.get("dims")]
    return relayout.take(op.builder, op.ref, op.tensor("self"), ranges)


def _split(op: OperatorView) -> list[Tensor]:
    """split, by one size or several, and chunk, by how many there are at most."""
    x, axis = op.tensor("self"), op.get("dim", 0)
    total = x.foreign_shape[axis]
    given = op.get("split_sizes", op.get("split_size", op.get("chunks")))
    if isinstance(given, int):
        size = -(-total // given) if "chunks" in op.arguments else given
        given = [min(size, total - start) for start in range(0, total, size)]
    return relayout.split(op.builder, op.ref, x, axis, given)


def _blocks(kind: Any, argument: str) -> Callable[[OperatorView], Tensor]:
    def read(op: OperatorView) -> Tensor:
        layer = kind(op.get(argument), order="CRD")
        x = op.builder.image(op.ref, op.tensor("self"))
        return op.builder.layer(op.ref, layer, [x])

    return read


def _channel_shuffle(op: OperatorView) -> Tensor:
    x = op.builder.image(op.ref, op.tensor("self"))
    return op.builder.layer(op.ref, pl.ChannelShuffle(op.get("groups")), [x])


def _unflatten(op: OperatorView) -> Tensor:
    x, sizes = op.tensor("self"), op.get("sizes")
    shape, axis = list(x.foreign_shape), op.get("dim") % len(x.axes)
    shape[axis : axis + 1] = sizes
    return op.builder.reshape(op.ref, x, shape)


def _expand(op: OperatorView) -> Any:
    """expand, expand_as, broadcast_to: axes of length 1 become longer."""
    other, part = op.get("other"), op.get("self")
    if isinstance(part, np.ndarray):
        sizes = list(op.get("size"))
        missing = len(sizes) - part.ndim
        old = [1] * missing + list(part.shape)
        pairs = zip(old, sizes, strict=True)
        sizes = [n if m in (-1, BATCH) else m for n, m in pairs]
        return np.broadcast_to(part, sizes)
    shape = op.get("size") if other is None else op.tensor("other").foreign_shape
    x = op.tensor("self")
    return expand(
        op.builder, op.ref, x, shape, readers=op.readers, stretching=_STRETCHING
    )


def _repeat(op: OperatorView) -> Tensor:
    """repeat and tile: the whole value, along any axis but the batch."""
    repeats = op.get("repeats", op.get("dims"))
    return tile(op.builder, op.ref, op.tensor("self"), repeats)


#: operators that stretch axes of length 1 themselves
_STRETCHING = ("add", "div", "maximum", "minimum", "mul", "sub")
_EXACT = _upsample("nearest", "half_pixel", "round_prefer_ceil")

READERS: dict[str, Callable[[OperatorView], Any]] = {
    **pointwise.READERS,
    **recurrent.READERS,
    **reductions.READERS,
    "adaptive_avg_pool1d": _adaptive_1d(composites.AdaptiveAvgPool1D),
    "adaptive_avg_pool2d": _adaptive(pl.AvgPool2D, composites.AdaptiveAvgPool2D),
    "adaptive_max_pool1d": _adaptive_1d(composites.AdaptiveMaxPool1D),
    "adaptive_max_pool2d": _adaptive(pl.MaxPool2D, composites.AdaptiveMaxPool2D),
    "add": _add,
    "add_": _add,
    "adaptive_avg_pool3d": _adaptive_3d(composites.AvgPool3D),
    "adaptive_max_pool3d": _adaptive_3d(composites.MaxPool3D),
    "alias": _same,
    "alpha_dropout": _noise,
    "alpha_dropout_": _noise,
    "avg_pool2d": _pool(pl.AvgPool2D),
    "avg_pool3d": _average_channels,
    "batch_norm": _batch_norm,
    "cat": _cat,
    "channel_shuffle": _channel_shuffle,
    "chunk": _split,
    "clone": _same,
    "constant_pad_nd": _pad,
    "contiguous": _same,
    "avg_pool1d": _pool1d(pl.AvgPool1D),
    "conv1d": _conv1d,
    "conv2d": _conv,
    "conv3d": _conv3d,
    "conv_transpose1d": _conv_transpose_1d,
    "conv_transpose2d": _conv_transpose,
    "detach": _same,
    "detach_": _same,
    "div": _div,
    "div_": _div,
    "dropout": _dropout,
    "dropout_": _dropout,
    "broadcast_to": _expand,
    "expand": _expand,
    "expand_as": _expand,
    "feature_alpha_dropout": _noise,
    "feature_alpha_dropout_": _noise,
    "feature_dropout": _noise,
    "feature_dropout_": _noise,
    "flatten": _flatten,
    "flip": _flip,
    "full_like": _fill,
    "glu": _glu,
    "index": _index,
    "index_select": _index_select,
    "bmm": _matmul,
    "matmul": _matmul,
    "mm": _matmul,
    "scaled_dot_product_attention": _attention,
    "einsum": _einsum,
    "addcmul": _addcmul,
    "ones_like": _fill,
    "rms_norm": _rms_norm,
    "roll": _roll,
    "select": _select,
    "stack": _stack,
    "unbind": _unbind,
    "zeros_like": _fill,
    "group_norm": _group_norm,
    "instance_norm": _instance_norm,
    "layer_norm": _layer_norm,
    "lift_fresh_copy": _same,
    "linear": _linear,
    "log": _log,
    "log_softmax": _log_softmax,
    "max_pool1d": _pool1d(pl.MaxPool1D),
    "max_pool2d": _pool(pl.MaxPool2D),
    "max_pool3d": _pool3d(composites.MaxPool3D),
    "maximum": _extreme(True),
    "mean": _mean,
    "minimum": _extreme(False),
    "movedim": _movedim,
    "mT": _transpose,
    "mul": _mul,
    "mul_": _mul,
    "narrow": _narrow,
    "neg": _neg,
    "numpy_T": _reverse,
    "pad": _pad,
    "permute": _permute,
    "pixel_shuffle": _blocks(pl.DepthToSpace, "upscale_factor"),
    "pixel_unshuffle": _blocks(pl.SpaceToDepth, "downscale_factor"),
    "pow": _pow,
    "prelu": _prelu,
    **{f"reflection_pad{n}d": _pad_by("reflect", "padding") for n in (1, 2, 3)},
    **{f"replication_pad{n}d": _pad_by("edge", "padding") for n in (1, 2, 3)},
    "repeat": _repeat,
    "reshape": _view,
    "rsub": _rsub,
    "slice": _slice,
    "softmax": _softmax,
    "split": _split,
    "split_with_sizes": _split,
    "squeeze": _squeeze,
    "sub": _sub,
    "sub_": _sub,
    "swapaxes": _transpose,
    "swapdims": _transpose,
    "sym_size": _size,
    "t": _transpose,
    "tile": _repeat,
    "to": _convert,
    "_to_copy": _convert,
    "transpose": _transpose,
    "unflatten": _unflatten,
    "unsafe_split": _split,
    "unsqueeze": _unsqueeze,
    "upsample_bicubic2d": _upsample("bicubic", "half_pixel"),
    "upsample_bilinear2d": _upsample("bilinear", "half_pixel"),
    "upsample_linear1d": _upsample_1d("bilinear", "half_pixel"),
    "upsample_nearest1d": _upsample_1d("nearest", "asymmetric"),
    "upsample_nearest2d": _upsample("nearest", "asymmetric"),
    "_upsample_nearest_exact2d": _EXACT,
    "upsample_nearest_exact2d": _EXACT,
    "view": _view,
    "_weight_norm": _weight_norm,
}
