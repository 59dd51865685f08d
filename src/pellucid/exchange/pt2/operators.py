"""This file is the operators of PyTorch that pellucid's layers express exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.exchange.local_response import Squares, square
from pellucid.exchange.pt2.call import Call
from pellucid.exchange.tensor import Tensor
from pellucid.network import layers as pl
from pellucid.network.layers import Layer
from pellucid.network.window import Pads, pads

_ZEROS: Pads = ((0, 0), (0, 0))
_VECTOR_READERS = {"flatten", "view", "reshape", "squeeze", "linear"}


def _elementwise(kind: type[Layer]) -> Callable[[Call], Tensor]:
    def read(call: Call) -> Tensor:
        return call.assembler.elementwise(call.place, call.tensor("self"), kind())

    return read


def _around(call: Call) -> Pads:
    top, left = call.pair("padding", 0)
    return (top, top), (left, left)


def _conv(call: Call) -> Tensor:
    x, weight = call.tensor("input"), call.array("weight", 4)
    stride, dilation = call.pair("stride", 1), call.pair("dilation", 1)
    if isinstance(call.get("padding"), str):
        image = call.assembler.image(call.place, x)
        kernel = weight.shape[2], weight.shape[3]
        size = image.shape[0], image.shape[1]
        around = pads(call.get("padding"), size, kernel, stride, dilation)
    else:
        around = _around(call)
    return call.assembler.conv(
        call.place,
        x,
        weight.transpose(2, 3, 1, 0),
        call.maybe("bias", 1),
        stride=stride,
        dilation=dilation,
        padding=around,
        groups=call.get("groups", 1),
    )


def _conv_transpose(call: Call) -> Tensor:
    weight, groups = call.array("weight", 4), call.get("groups", 1)
    channels, per_group, kh, kw = weight.shape
    split = weight.reshape(groups, -1, per_group, kh, kw)
    return call.assembler.conv(
        call.place,
        call.tensor("input"),
        split.transpose(3, 4, 1, 0, 2).reshape(kh, kw, channels // groups, -1),
        call.maybe("bias", 1),
        transposed=True,
        stride=call.pair("stride", 1),
        dilation=call.pair("dilation", 1),
        padding=_around(call),
        output_padding=call.pair("output_padding", 0),
        groups=groups,
    )


def _linear(call: Call) -> Tensor:
    weight = call.array("weight", 2).T
    return call.assembler.dense(
        call.place, call.tensor("input"), weight, call.maybe("bias", 1)
    )


@dataclass(frozen=True, slots=True)
class _Surrounded:
    """An image with −∞ around it: what a max-pool is given whose sides differ."""

    x: Tensor
    sides: Pads


def _padded(call: Call) -> tuple[Tensor, Pads]:
    """Return what a max-pool reads, and the cells around it."""
    value = call.get("self")
    if not isinstance(value, _Surrounded):
        return call.tensor("self"), _around(call)
    if _around(call) != _ZEROS:
        call.refuse("be padded once", call.get("padding"))
    return value.x, value.sides


def _counted(call: Call) -> tuple[Tensor, Pads]:
    """Return what an average pool reads; zeros that count are put around first."""
    x, around = call.tensor("self"), _around(call)
    if around == _ZEROS or not call.get("count_include_pad", True):
        return x, around
    if call.get("ceil_mode", False):
        call.refuse("have ceil_mode=False where padding counts", "True")
    return call.assembler.pad(call.place, x, around), _ZEROS


def _pool(kind: Any) -> Callable[[Call], Tensor]:
    def read(call: Call) -> Tensor:
        call.only(divisor_override=None)
        if call.pair("dilation", 1) != (1, 1):
            call.refuse("have dilation 1", call.get("dilation"))
        kernel = call.pair("kernel_size", 1)
        x, around = _padded(call) if kind is pl.MaxPool2D else _counted(call)
        ceil = bool(call.get("ceil_mode", False))
        sizes: dict[str, Any] = {"stride": call.pair("stride", kernel)}
        return call.assembler.pool(
            call.place, x, kind, ceil=ceil, kernel_size=kernel, padding=around, **sizes
        )

    return read


def _adaptive(call: Call) -> Tensor:
    if call.pair("output_size", 1) != (1, 1):
        call.refuse("have an output of 1 × 1", call.get("output_size"))
    as_vector = bool(call.readers) and call.readers <= _VECTOR_READERS
    return call.assembler.global_average(
        call.place, call.tensor("self"), as_image=not as_vector
    )


def _mean(call: Call) -> Tensor:
    x, axes = call.tensor("self"), call.get("dim", [])
    image = call.assembler.image(call.place, x)
    if sorted(axis % 4 for axis in axes) != [2, 3]:
        call.refuse("average height and width", f"dim={axes}")
    if call.get("keepdim", False):
        return _adaptive(call)
    mean = call.assembler.global_average(call.place, image, as_image=False)
    return call.assembler.vector(mean)


def _batch_norm(call: Call) -> Tensor:
    call.only(training=False)
    x = call.tensor("input")
    call.assembler.channels(call.place, x, 1)
    mean, variance = call.array("running_mean", 1), call.array("running_var", 1)
    scale, offset = call.maybe("weight", 1), call.maybe("bias", 1)
    weights = {
        "scale": np.ones_like(mean) if scale is None else scale,
        "offset": np.zeros_like(mean) if offset is None else offset,
        "running_mean": mean,
        "running_variance": variance,
    }
    layer = pl.BatchNorm(
        momentum=1 - float(call.get("momentum", 0.1)),
        epsilon=float(call.get("eps", 1e-5)),
    )
    return call.assembler.normalization(call.place, x, layer, weights)


def _layer_norm(call: Call) -> Tensor:
    x, shape = call.tensor("input"), call.get("normalized_shape")
    if len(shape) != 1:
        call.refuse("normalise over the last axis alone", shape)
    call.assembler.channels(call.place, x, -1)
    scale, offset = call.maybe("weight", 1), call.maybe("bias", 1)
    ones = np.ones(shape[0], np.float32)
    weights = {
        "scale": ones if scale is None else scale,
        "offset": ones * 0 if offset is None else offset,
    }
    layer = pl.LayerNorm(epsilon=float(call.get("eps", 1e-5)))
    return call.assembler.normalization(call.place, x, layer, weights)


def _leaky_relu(call: Call) -> Tensor:
    layer = pl.LeakyReLU(float(call.get("negative_slope", 0.01)))
    return call.assembler.elementwise(call.place, call.tensor("self"), layer)


def _gelu(call: Call) -> Tensor:
    call.only(approximate="none")
    return call.assembler.elementwise(call.place, call.tensor("self"), pl.GELU())


def _softmax(call: Call) -> Tensor:
    return call.assembler.softmax(call.place, call.tensor("self"), call.get("dim"))


def _dropout(call: Call) -> Tensor:
    call.only(train=False)
    layer = pl.Dropout(float(call.get("p", 0.5)))
    return call.assembler.elementwise(call.place, call.tensor("input"), layer)


def _add(call: Call) -> Tensor | Squares:
    call.only(alpha=1)
    other = call.get("other")
    if isinstance(call.get("self"), Squares) and isinstance(other, int | float):
        return call.get("self").plus(call.place, float(other))  # type: ignore[no-any-return]
    x = call.tensor("self")
    if isinstance(other, Tensor):
        return call.assembler.add(call.place, [x, other])
    if call.is_sole_reader:
        biased = call.assembler.fold_bias(call.place, x, _constant(call, other))
        if biased is not None:
            return biased
    return call.assembler.affine(call.place, x, offset=_constant(call, other))


def _mul(call: Call) -> Tensor | Squares:
    other = call.get("other")
    if isinstance(call.get("self"), Squares) and isinstance(other, int | float):
        return call.get("self").times(call.place, float(other))  # type: ignore[no-any-return]
    x = call.tensor("self")
    squares = square(x, other) if isinstance(other, Tensor) else None
    if squares is not None:
        return squares
    if isinstance(other, Tensor):
        call.refuse("multiply by a constant", f"the value of '{other.node}'")
    return call.assembler.affine(call.place, x, scale=_constant(call, other))


def _constant(call: Call, value: Any) -> Any:
    if not isinstance(value, int | float | np.ndarray):
        call.refuse("have a number or a weight as other", type(value).__name__)
    return np.asarray(value, np.float32)


def _cat(call: Call) -> Tensor:
    tensors = call.get("tensors")
    if not all(isinstance(value, Tensor) for value in tensors):
        call.refuse("join the network's values", "a constant")
    return call.assembler.concat(call.place, tensors, call.get("dim", 0))


def _flatten(call: Call) -> Tensor:
    x = call.tensor("self")
    start, end = call.get("start_dim", 0), call.get("end_dim", -1)
    if start != 1 or end % len(x.axes) != len(x.axes) - 1:
        call.refuse("flatten all but the batch", f"start_dim={start}, end_dim={end}")
    return call.assembler.flatten(call.place, x)


def _averaged_channels(call: Call) -> Squares:
    """avg_pool3d: only where a local response norm averages channels."""
    part = call.get("self")
    if not isinstance(part, Squares):
        call.refuse("be a part of a local response norm", type(part).__name__)
    call.only(padding=[0, 0, 0], ceil_mode=False, divisor_override=None)
    kernel = call.get("kernel_size")
    return part.averaged(call.place, kernel, call.get("stride") or kernel)


def _squeeze(call: Call) -> Squares:
    part = call.get("self")
    if not isinstance(part, Squares) or not part.is_volume or call.get("dim") != 1:
        call.refuse("be a part of a local response norm", f"dim={call.get('dim')}")
    return part.reshaped(call.place, part.x.foreign_shape, call.assembler.batch)


def _pow(call: Call) -> Squares:
    part, exponent = call.get("self"), call.get("exponent")
    if not isinstance(part, Squares) or not isinstance(exponent, int | float):
        call.refuse("be a part of a local response norm", f"exponent={exponent}")
    return part.power(call.place, float(exponent))


def _div(call: Call) -> Tensor:
    part = call.get("other")
    if not isinstance(part, Squares):
        call.refuse("divide by what a local response norm divides by", "another")
    return part.dividing(call.place, call.tensor("self"), call.assembler)


def _view(call: Call) -> Tensor | Squares:
    shape = call.get("size", call.get("shape"))
    part = call.get("self")
    if isinstance(part, Squares):
        return part.reshaped(call.place, shape, call.assembler.batch)
    return call.assembler.reshape(call.place, call.tensor("self"), shape)


def _permute(call: Call) -> Tensor:
    x = call.tensor("self")
    order = [axis % len(x.axes) for axis in call.get("dims")]
    return call.assembler.transpose(call.place, x, order)


def _movedim(call: Call) -> Tensor:
    x = call.tensor("self")
    rank = len(x.axes)
    source, target = (
        (value[0] if isinstance(value, list) else value) % rank
        for value in (call.get("source"), call.get("destination"))
    )
    order = [axis for axis in range(rank) if axis != source]
    order.insert(target, source)
    return call.assembler.transpose(call.place, x, order)


def _pad(call: Call) -> Tensor | _Surrounded | Squares:
    call.only(mode="constant")
    sides, part = call.get("pad"), call.get("self")
    value = float(call.get("value", 0.0))
    if isinstance(part, Squares):
        if len(sides) != 6 or any(sides[:4]) or value != 0:
            call.refuse("pad the channels of a local response norm", f"pad={sides}")
        return part.padded(call.place, sides[4], sides[5])
    x = call.tensor("self")
    if len(sides) != 4:
        call.refuse("pad height and width", f"pad={sides}")
    left, right, top, bottom = sides
    around = ((top, bottom), (left, right))
    if value == -np.inf and call.readers == {"max_pool2d"} and min(sides) >= 0:
        return _Surrounded(x, around)
    if value != 0:
        call.refuse("pad with 0, or with −∞ before a max-pool", value)
    if min(sides) >= 0:
        return call.assembler.pad(call.place, x, around)
    crop = ((-top, -bottom), (-left, -right))
    cropped = call.assembler.fold_crop(x, crop) if call.is_sole_reader else None
    if cropped is None:
        call.refuse("add zeros, not crop", f"pad={sides}")
    return cropped


def _unsqueeze(call: Call) -> Any:
    value = call.get("self")
    if not isinstance(value, np.ndarray):
        call.refuse("read a constant", type(value).__name__)
    return np.expand_dims(value, call.get("dim"))


def _upsample(mode: Any) -> Callable[[Call], Tensor]:
    def read(call: Call) -> Tensor:
        call.only(align_corners=False)
        x = call.assembler.image(call.place, call.tensor("input"))
        scales = call.get("scale_factors")
        if scales is None:
            sizes = call.get("output_size")
            scales = [n / m for n, m in zip(sizes, x.shape, strict=False)]
        whole = tuple(round(scale) for scale in scales)
        if any(abs(w - s) > 1e-6 for w, s in zip(whole, scales, strict=True)):
            call.refuse("enlarge by whole factors", scales)
        return call.assembler.layer(call.place, pl.Upsample2D(whole, mode=mode), [x])

    return read


def _size(call: Call) -> Any:
    return call.tensor("self").foreign_shape[call.get("dim")]


def _same(call: Call) -> Tensor:
    return call.tensor("self")


READERS: dict[str, Callable[[Call], Any]] = {
    "adaptive_avg_pool2d": _adaptive,
    "add": _add,
    "add_": _add,
    "avg_pool2d": _pool(pl.AvgPool2D),
    "avg_pool3d": _averaged_channels,
    "batch_norm": _batch_norm,
    "cat": _cat,
    "contiguous": _same,
    "conv2d": _conv,
    "conv_transpose2d": _conv_transpose,
    "div": _div,
    "dropout": _dropout,
    "flatten": _flatten,
    "gelu": _gelu,
    "layer_norm": _layer_norm,
    "leaky_relu": _leaky_relu,
    "leaky_relu_": _leaky_relu,
    "linear": _linear,
    "max_pool2d": _pool(pl.MaxPool2D),
    "mean": _mean,
    "movedim": _movedim,
    "mul": _mul,
    "pad": _pad,
    "permute": _permute,
    "pow": _pow,
    "relu": _elementwise(pl.ReLU),
    "relu_": _elementwise(pl.ReLU),
    "reshape": _view,
    "sigmoid": _elementwise(pl.Sigmoid),
    "silu": _elementwise(pl.SiLU),
    "silu_": _elementwise(pl.SiLU),
    "softmax": _softmax,
    "squeeze": _squeeze,
    "sym_size": _size,
    "tanh": _elementwise(pl.Tanh),
    "unsqueeze": _unsqueeze,
    "upsample_bilinear2d": _upsample("bilinear"),
    "upsample_nearest2d": _upsample("nearest"),
    "upsample_nearest_exact2d": _upsample("nearest"),
    "_upsample_nearest_exact2d": _upsample("nearest"),
    "view": _view,
}
